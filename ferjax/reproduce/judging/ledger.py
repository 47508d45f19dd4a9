"""The ledger: every claim of a paper with our estimate, the honest one beside it, and a verdict."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.data_facts import FACTS
from ferjax.reproduce.judging.estimates import (
    Estimate,
    NotMeasured,
    Results,
    combination,
    estimate,
    runs_of,
)
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

# Kinds whose claims mean something on other data than the paper's, unless the claim says otherwise.
_ON_OTHER_DATA = ("better", "trend")
SMOKE = "--smoke: a few steps on drawn faces say nothing about the claim"


@dataclass(frozen=True)
class Row:
    """A claim and what came of it.

    Attributes:
      claim: of the paper.
      verdict: on it.
      ours: our number; of `better` the difference, of `trend` the slope per step; for losses with
        the sign turned, so that above 0 is better.
      sides: of `better` both sides, of `trend` every experiment.
      steps: of `trend`: the differences of neighbours.
      tau: of `trend`: Kendall's, of the means with their order.
      count: of `count`: ours.
      honest: the same by the honest protocol, with a verdict of its own; None where there is none.
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
      missing: experiment → why it has none.
      smoke: whether the runs are those of `--smoke`, which decide nothing.
    """
    return tuple(_judge(claim, results, missing, smoke) for claim in claims)


def _judge(claim: Claim, results: Results, missing: Mapping[str, str], smoke: bool) -> Row:
    honest = _honest(claim, results, smoke)
    try:
        return replace(_measured(claim, results, smoke), honest=honest)
    except NotMeasured as found:
        why = claim.untestable or _reason(claim, str(found), missing)
        return Row(claim, Verdict(NOT_TESTED, why), honest=honest)


def _measured(claim: Claim, results: Results, smoke: bool) -> Row:
    """Returns the row of a claim without the honest one, with what keeps it from a verdict."""
    row = _KINDS[claim.kind](claim, results)
    verdict = row.verdict
    if claim.untestable:
        verdict = Verdict(NOT_TESTED, claim.untestable)
    elif smoke:
        word = REDRAWN if claim.kind == "figure" else NOT_TESTED
        verdict = Verdict(word, SMOKE)
    elif claim.kind == "figure":
        pass
    elif other := _other_data(claim, results):
        verdict = Verdict(NOT_TESTED, f"its number is of other data: {other}")
    elif claim.kind == "count" and (limit := _limit(claim, results)):
        verdict = Verdict(NOT_TESTED, f"at most {limit:,} images of each split were read")
    return replace(row, verdict=replace(verdict, proxy=_proxy(claim, results, row)))


def _limit(claim: Claim, results: Results) -> int:
    """Returns to how many images a split was cut, 0 if none was."""
    runs = [results[name][0] for name in _experiments(claim) if results.get(name)]
    return max((int(run.facts["config"].get("limit") or 0) for run in runs), default=0)


def _honest(claim: Claim, results: Results, smoke: bool) -> Row | None:
    """Returns the row of the same claim by the honest protocol, if that was run."""
    if claim.honest is None:
        return None
    other = replace(
        claim,
        measure=claim.honest,
        than=claim.honest_than,
        along=claim.honest_along,
        honest=None,
    )
    try:
        return _measured(other, results, smoke)
    except NotMeasured:
        return None


def _reason(claim: Claim, found: str, missing: Mapping[str, str]) -> str:
    """Returns why a measure could not be taken; an experiment that did not run says why itself."""
    reasons = [f"{name}: {missing[name]}" for name in _experiments(claim) if name in missing]
    return "; ".join(dict.fromkeys(reasons)) or found


def _experiments(claim: Claim) -> list[str]:
    """Returns the names of the experiments that a claim is judged by."""
    measures = [claim.measure, claim.than]
    names = [measure.experiment for measure in measures if measure]
    return list(dict.fromkeys([*names, *claim.along]))


def _proxy(claim: Claim, results: Results, row: Row) -> tuple[str, ...]:
    """Returns in what the experiments of a claim differ from the paper's data and settings."""
    runs = [results[name][0] for name in _experiments(claim) if results.get(name)]
    texts = [text for run in runs for text in run.facts.get("departs", ())]
    estimates = [*([row.ours] if row.ours else []), *row.sides]
    wanted = claim.measure.split if claim.measure else ""
    if any(found.split != wanted for found in estimates):
        texts.append(f"val instead of {wanted}, which these data lack")
    return tuple(dict.fromkeys(texts))


def _other_data(claim: Claim, results: Results) -> str:
    """Returns the data that stand for the paper's, if the claim means nothing on other data."""
    if claim.other_data or (claim.other_data is None and claim.kind in _ON_OTHER_DATA):
        return ""
    runs = [results[name][0] for name in _experiments(claim) if results.get(name)]
    return "; ".join(dict.fromkeys(filter(None, (run.facts.get("other_data") for run in runs))))


def _number(claim: Claim, results: Results) -> Row:
    found = estimate(results, _measure(claim))
    judge = judge_number if claim.kind == "number" else judge_bound
    return Row(claim, judge(claim, found), found)


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
    along = [replace(measure, experiment=name) for name in claim.along]
    sides = tuple(estimate(results, one) for one in along)
    sign, middle = _sign(measure), (len(along) - 1) / 2
    scale = sum((k - middle) ** 2 for k in range(len(along)))
    slope = combination(
        results, [(sign * (k - middle) / scale, one) for k, one in enumerate(along)]
    )
    steps = tuple(
        combination(results, [(sign, later), (-sign, early)])
        for early, later in itertools.pairwise(along)
    )
    tau = kendall_tau(tuple(sign * side.mean for side in sides))
    verdict = judge_trend(claim, slope, steps)
    return Row(claim, verdict, slope, sides, steps, None if math.isnan(tau) else tau)


def _count(claim: Claim, results: Results) -> Row:
    if claim.fact is None:
        raise ValueError(f"claim {claim.name}: its kind needs a fact")
    name, argument = claim.fact
    runs, _ = runs_of(results, replace(_measure(claim), split="train"))
    of_one_split = argument.partition("/")[0] in ("train", "val", "test")
    if not of_one_split and "test" not in runs[0].splits:
        raise NotMeasured("the data at hand have no test split")
    if claim.complete:
        where, whole = claim.complete
        if (found := FACTS["images"](runs[0].splits, where)) != whole:
            shown = "none" if found is None else f"{found:,}"
            raise NotMeasured(f"the copy at hand has {shown} of {whole:,} images")
    ours = FACTS[name](runs[0].splits, argument)
    if ours is None:
        raise NotMeasured(f"the data at hand have no {argument or name}")
    return Row(claim, judge_count(claim, ours), count=ours)


def _figure(claim: Claim, results: Results) -> Row:
    runs_of(results, replace(_measure(claim), split="train"))
    return Row(claim, Verdict(REDRAWN, "to be compared by eye"))


def _statement(claim: Claim, _: Results) -> Row:
    why = claim.untestable or "nothing measures it"
    return Row(claim, Verdict(NOT_TESTED, why))


_KINDS: dict[str, Callable[[Claim, Results], Row]] = {
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
    return -1.0 if METRICS[measure.metric].lower_is_better else 1.0
