"""Verdicts: from a claim and our estimates to reproduced, not reproduced or could not be tested.

The rules are those of `RULES`, which every report prints. A verdict needs at least two seeds where
training uses random numbers, and an interval that is narrow enough to decide: otherwise few runs on
few images would reproduce everything.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ferjax.reproduce.claim_table import Claim
from ferjax.reproduce.judging.estimates import Estimate
from ferjax.reproduce.judging.metrics import METRICS, Metric

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
NOT_TESTED, REDRAWN = "could not be tested here", "redrawn"
# Largest half-width of an interval that decides: for a rate, and for any other number as a share of
# the printed number.
WIDEST_RATE, WIDEST_PART = 0.05, 0.25
# Rates do not differ if the whole interval of their difference is within this distance of 0.
SMALLEST_RATE = 0.02
FEWEST_SEEDS = 2
# Tolerance, so that rounding errors do not decide a verdict.
_TINY = 1e-9

RULES = (
    "An interval is 95 %. Over seeds it is Student's; over images Wilson's for a share of images"
    " and the bootstrap's (1,000 resamples, the same images for all seeds and for both sides of a"
    " comparison) for the rest; both are joined by their squares (MOVER). It says what it allows"
    " for. A loss of a curve has seeds only; of a difference of accuracies of curves Wilson's"
    " intervals of both sides are joined likewise.",
    "A printed number is reproduced if it lies in our interval, widened by half a unit of its last"
    " printed digit, and the interval is at most 5 points wide on each side (for a loss or an"
    " epoch: a quarter of the printed number). Outside it is not reproduced, and where ours is the"
    " better value, that is said: exceeding a number is not reproducing it.",
    "At least (at most): reproduced if the whole interval is on that side of the printed bound, not"
    " reproduced if it is on the other side. A bound is taken as it stands, and `all` as 99 %.",
    "Better than: reproduced if the interval of the difference is above 0; not reproduced if it is"
    " below 0, or holds 0 and is within 2 points of it on both sides: no difference to speak of.",
    "A trend: reproduced if the interval of the slope (per step, least squares) is above 0 and no"
    " step from one to the next goes down with its whole interval; not reproduced if a step does,"
    " or if the interval of the slope is below 0, or holds 0 and is within 2 points of it.",
    "A count must be met exactly. A figure has no verdict: it is redrawn, to be compared by eye.",
    "All else could not be tested here, with the reason: one seed, too wide an interval, an"
    " interval on both sides, data or weights that are not at hand, a number of one data set held"
    " against another. A verdict on other data, or on other settings than the printed ones, is a"
    " verdict by proxy and says so.",
)


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim.

    Attributes:
      word: one of the four verdicts above.
      reason: why, in a sentence without a full stop.
      exceeded: whether our number is better than the printed one, which is therefore not
        reproduced.
      proxy: differences from the paper's data or printed settings, in words.
    """

    word: str
    reason: str
    exceeded: bool = False
    proxy: tuple[str, ...] = ()


def rounding_of(claim: Claim) -> float:
    """Returns half a unit of the last printed digit, in the unit of `claim.paper`."""
    if claim.rounding is not None:
        return claim.rounding
    digits = re.search(r"\d*\.?\d+", claim.printed.replace(",", ""))
    if not digits:
        return 0.0
    decimals = len(digits[0].partition(".")[2])
    return 0.5 * 10**-decimals * (0.01 if "%" in claim.printed else 1.0)


def judge_number(claim: Claim, ours: Estimate) -> Verdict:
    """Returns the verdict on a claim of the kind `number`, from our estimate."""
    printed, metric = _printed(claim), _metric(claim)
    low, high, obstacle = _bounds(ours)
    if obstacle:
        return Verdict(NOT_TESTED, obstacle)
    slack = rounding_of(claim) + _TINY
    if low - slack <= printed <= high + slack:
        widest = WIDEST_RATE if metric.is_rate else WIDEST_PART * abs(printed)
        if max(ours.mean - low, high - ours.mean) > widest + _TINY:
            return Verdict(NOT_TESTED, "our interval is too wide to tell")
        if low - _TINY <= printed <= high + _TINY:
            return Verdict(REPRODUCED, "the printed number lies in our interval")
        return Verdict(
            REPRODUCED, f"the printed number lies in our interval widened by {_slack_text(claim)}"
        )
    if (ours.mean < printed) == metric.lower_is_better:
        return Verdict(NOT_REPRODUCED, "ours is better than the printed number", True)
    return Verdict(NOT_REPRODUCED, "the printed number is better than our whole interval")


def judge_bound(claim: Claim, ours: Estimate) -> Verdict:
    """Returns the verdict on a claim of the kind `at_least` or `at_most`, from our estimate."""
    low, high, obstacle = _bounds(ours)
    if obstacle:
        return Verdict(NOT_TESTED, obstacle)
    # With the sign of `at_most` changed, both kinds say that our number is above the bound.
    sign = 1 if claim.kind == "at_least" else -1
    lower, upper = sorted((sign * low, sign * high))
    bound = sign * _printed(claim) - (claim.rounding or 0.0) - _TINY
    if lower >= bound:
        return Verdict(REPRODUCED, "our whole interval keeps the bound")
    if upper < bound:
        return Verdict(NOT_REPRODUCED, "our whole interval is on the other side of the bound")
    return Verdict(NOT_TESTED, "our interval lies on both sides of the bound")


def judge_better(claim: Claim, difference: Estimate) -> Verdict:
    """Returns the verdict on a claim of the kind `better`.

    Args:
      claim: the claim.
      difference: estimate of `measure` - `than`; for losses `than` - `measure`.
    """
    low, high, obstacle = _bounds(difference)
    if obstacle:
        return Verdict(NOT_TESTED, obstacle)
    if low > 0:
        return Verdict(REPRODUCED, "the interval of the difference is above 0")
    if high < 0:
        return Verdict(NOT_REPRODUCED, "it is the other way round")
    if _is_negligible(claim, low, high):
        return Verdict(NOT_REPRODUCED, "there is no difference to speak of")
    return Verdict(NOT_TESTED, "the interval of the difference lies on both sides of 0")


def judge_trend(claim: Claim, slope: Estimate, steps: Sequence[Estimate]) -> Verdict:
    """Returns the verdict on a claim of the kind `trend`.

    Args:
      claim: the claim.
      slope: per step, least squares; above 0 where the metric gets better.
      steps: differences of neighbours, with the same sign.
    """
    low, high, obstacle = _bounds(slope)
    if obstacle:
        return Verdict(NOT_TESTED, obstacle)
    falling = [
        f"{early} to {late}"
        for early, late, step in zip(claim.along, claim.along[1:], steps, strict=False)
        if not _bounds(step)[2] and _bounds(step)[1] < 0
    ]
    if falling:
        return Verdict(NOT_REPRODUCED, f"it goes down from {', '.join(falling)}")
    if low > 0:
        return Verdict(REPRODUCED, "the interval of the slope is above 0 and no step goes down")
    if high < 0:
        return Verdict(NOT_REPRODUCED, "it goes down")
    if _is_negligible(claim, low, high):
        return Verdict(NOT_REPRODUCED, "there is no slope to speak of")
    return Verdict(NOT_TESTED, "the interval of the slope lies on both sides of 0")


def judge_count(claim: Claim, ours: int) -> Verdict:
    """Returns the verdict on a claim of the kind `count`, from our count."""
    if ours == claim.paper:
        return Verdict(REPRODUCED, "the counts are equal")
    return Verdict(NOT_REPRODUCED, "the counts differ")


def kendall_tau(values: tuple[float, ...]) -> float:
    """Returns Kendall's tau-a of numbers with their order: 1 if each is above all before it."""
    signs = [
        (later > early) - (later < early)
        for i, early in enumerate(values)
        for later in values[i + 1 :]
    ]
    return sum(signs) / len(signs) if signs else math.nan


def _slack_text(claim: Claim) -> str:
    """Returns the half-width by which an interval is widened, in words."""
    rounding = rounding_of(claim)
    half_width = f"{100 * rounding:g} points" if _metric(claim).is_rate else f"{rounding:g}"
    return f"±{half_width}, as exactly as the number is printed"


def _bounds(estimate: Estimate) -> tuple[float, float, str]:
    """Returns the bounds of an estimate, and why they cannot decide; an empty text if they can."""
    if estimate.draws and estimate.seeds < FEWEST_SEEDS:
        return math.nan, math.nan, "one seed: the spread between seeds is not known"
    if estimate.low is None or estimate.high is None:
        return math.nan, math.nan, "nothing is known of its uncertainty"
    return estimate.low, estimate.high, ""


def _is_negligible(claim: Claim, low: float, high: float) -> bool:
    """Returns whether the whole interval of a difference of rates is close to 0."""
    return _metric(claim).is_rate and low > -SMALLEST_RATE and high < SMALLEST_RATE


def _metric(claim: Claim) -> Metric:
    if claim.measure is None:
        raise ValueError(f"claim {claim.name}: its kind needs a measure")
    return METRICS[claim.measure.metric]


def _printed(claim: Claim) -> float:
    if claim.paper is None:
        raise ValueError(f"claim {claim.name}: its kind needs the printed number")
    return claim.paper
