"""The ledger: every claim of a paper with our estimate, the honest one beside it, and a verdict."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.departures_of_claim import (
    experiments_of_claim,
    limit_of,
    other_data_of,
    proxies_of,
)
from ferjax.reproduce.judging.estimates import (
    Estimate,
    NotMeasured,
    Results,
    combination,
    estimate,
    runs_of,
)
from ferjax.reproduce.judging.image_counts import images_in
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.judging.verdicts import (
    NOT_TESTED,
    REDRAWN,
    Verdict,
    judge_better,
    judge_bound,
    judge_count,
    judge_number,
    judge_trend,
    kendall_tau,
)

SMOKE_REASON = "--smoke: a few steps on drawn faces say nothing about the claim"


@dataclass(frozen=True)
class Row:
    """A row of the ledger: a claim, our estimates and the verdict.

    Attributes:
      claim: the claim of the paper.
      verdict: the verdict on it.
      ours: our number; for `better` the difference, for `trend` the slope per step. For losses the
        sign of these two is changed, so that above 0 is better.
      sides: for `better` both sides, for `trend` every experiment.
      steps: for `trend`: the differences of neighbours.
      tau: for `trend`: Kendall's tau of the means with their order.
      count: for `count`: our count.
      honest: the row by the honest protocol, with a verdict of its own, which says so if that was
        not measured; None if there is no honest protocol for the claim.
    """

    claim: Claim
    verdict: Verdict
    ours: Estimate | None = None
    sides: tuple[Estimate, ...] = ()
    steps: tuple[Estimate, ...] = ()
    tau: float | None = None
    count: int | None = None
    honest: "Row | None" = None


def judge_claims(
    claims: Sequence[Claim],
    results: Results,
    missing: Mapping[str, str],
    *,
    smoke: bool = False,
) -> tuple[Row, ...]:
    """Returns the ledger.

    Args:
      claims: of a paper.
      results: experiment → its finished runs.
      missing: experiment → why it has no finished run.
      smoke: whether the runs are those of `--smoke`, which do not decide any claim.
    """
    return tuple(_judge(claim, results, missing, smoke) for claim in claims)


def _judge(claim: Claim, results: Results, missing: Mapping[str, str], smoke: bool) -> Row:
    """Returns the row of a claim; without a measured number the verdict says why."""
    if claim.untestable:
        # Our runs do not do what the claim is about, so that a number of theirs would mislead.
        return Row(claim, Verdict(NOT_TESTED, claim.untestable))
    honest = _honest(claim, results, smoke)
    try:
        return replace(_measured(claim, results, smoke), honest=honest)
    except NotMeasured as error:
        why = _reason(claim, results, str(error), missing)
        return Row(claim, Verdict(NOT_TESTED, why), honest=honest)


def _measured(claim: Claim, results: Results, smoke: bool) -> Row:
    """Returns the row of a claim without its honest row.

    If the claim cannot be judged by these results, the verdict is `NOT_TESTED` and says why.
    """
    row = _ROW_OF_KIND[claim.kind](claim, results)
    verdict = row.verdict
    if smoke:
        word = REDRAWN if claim.kind == "figure" else NOT_TESTED
        verdict = Verdict(word, SMOKE_REASON)
    elif claim.kind == "figure":
        pass
    elif data := other_data_of(claim, results):
        verdict = Verdict(NOT_TESTED, _other_data_text(data))
    elif claim.kind == "count" and (limit := limit_of(claim, results)):
        verdict = Verdict(NOT_TESTED, _limit_text(limit))
    estimates = [one for one in (row.ours, *row.sides) if one]
    return replace(row, verdict=replace(verdict, proxy=proxies_of(claim, results, estimates)))


def _honest(claim: Claim, results: Results, smoke: bool) -> Row | None:
    """Returns the row of the same claim by the honest protocol, or None if it has none."""
    if claim.honest is None:
        return None
    honest_claim = replace(
        claim,
        measure=claim.honest,
        than=claim.honest_than,
        along=claim.honest_along,
        honest=None,
    )
    try:
        return _measured(honest_claim, results, smoke)
    except NotMeasured as error:
        names = [name for name in experiments_of_claim(honest_claim) if not results.get(name)]
        why = f"not run: {', '.join(names)} (why: see Experiments)" if names else str(error)
        return Row(honest_claim, Verdict(NOT_TESTED, why))


def _reason(claim: Claim, results: Results, not_measured: str, missing: Mapping[str, str]) -> str:
    """Returns why experiments of a claim did not run, or `not_measured` if all of them did."""
    reasons = [
        f"{name}: {missing.get(name, 'not run yet')}"
        for name in experiments_of_claim(claim)
        if not results.get(name)
    ]
    return "; ".join(dict.fromkeys(reasons)) or not_measured


def _number(claim: Claim, results: Results) -> Row:
    ours = estimate(results, _measure(claim))
    judge = judge_number if claim.kind == "number" else judge_bound
    return Row(claim, judge(claim, ours), ours)


def _better(claim: Claim, results: Results) -> Row:
    measure, than = _measure(claim), claim.than
    if than is None:
        raise ValueError(f"claim {claim.name}: better than what?")
    sign = _sign(measure)
    difference = combination(results, [(sign, measure), (-sign, than)])
    sides = estimate(results, measure), estimate(results, than)
    return Row(claim, judge_better(claim, difference), difference, sides)


def _trend(claim: Claim, results: Results) -> Row:
    measure = _measure(claim)
    measures = [replace(measure, experiment=name) for name in claim.along]
    sides = tuple(estimate(results, one) for one in measures)
    sign, middle = _sign(measure), (len(measures) - 1) / 2
    scale = sum((k - middle) ** 2 for k in range(len(measures)))
    slope = combination(
        results, [(sign * (k - middle) / scale, one) for k, one in enumerate(measures)]
    )
    steps = tuple(
        combination(results, [(sign, later), (-sign, early)])
        for early, later in itertools.pairwise(measures)
    )
    tau = kendall_tau(tuple(sign * side.mean for side in sides))
    verdict = judge_trend(claim, slope, steps)
    return Row(claim, verdict, slope, sides, steps, None if math.isnan(tau) else tau)


def _count(claim: Claim, results: Results) -> Row:
    if claim.counted is None:
        raise ValueError(f"claim {claim.name}: its kind needs the splits that are counted")
    runs, _ = runs_of(results, replace(_measure(claim), split="train"))
    # First of all: what other data lack is no reason.
    if data := other_data_of(claim, results):
        raise NotMeasured(_other_data_text(data))
    of_one_split = "+" not in claim.counted
    # Splits that were cut by --limit say nothing about the copy of the data.
    limit = limit_of(claim, results)
    if not limit and not of_one_split and "test" not in runs[0].splits:
        raise NotMeasured("the data at hand have no test split")
    if claim.complete and not limit:
        splits, complete_count = claim.complete
        if (count := images_in(runs[0].splits, splits)) != complete_count:
            shown = "none" if count is None else f"{count:,}"
            raise NotMeasured(f"the copy at hand has {shown} of {complete_count:,} images")
    ours = images_in(runs[0].splits, claim.counted)
    if ours is None:
        without = f"the data at hand have no {claim.counted}"
        raise NotMeasured(_limit_text(limit) if limit else without)
    return Row(claim, judge_count(claim, ours), count=ours)


def _other_data_text(data: str) -> str:
    return f"its number is of other data: {data}"


def _limit_text(limit: int) -> str:
    return f"at most {limit:,} images of each split were read"


def _figure(claim: Claim, results: Results) -> Row:
    runs_of(results, replace(_measure(claim), split="train"))
    return Row(claim, Verdict(REDRAWN, "to be compared by eye"))


def _statement(claim: Claim, _: Results) -> Row:
    return Row(claim, Verdict(NOT_TESTED, "nothing measures it"))


_ROW_OF_KIND: dict[str, Callable[[Claim, Results], Row]] = {
    "number": _number,
    "at_least": _number,
    "at_most": _number,
    "better": _better,
    "trend": _trend,
    "count": _count,
    "figure": _figure,
    "statement": _statement,
}


def _measure(claim: Claim) -> Measure:
    if claim.measure is None:
        raise ValueError(f"claim {claim.name}: its kind needs a measure")
    return claim.measure


def _sign(measure: Measure) -> float:
    """Returns the factor that makes a larger value of the metric the better one."""
    return -1.0 if METRICS[measure.metric].lower_is_better else 1.0
