"""Differences between the paper's data and settings and those of the runs that judge a claim."""

from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.data.splits.protocols.registry import selects_on_test
from ferjax.reproduce.claim_table import Claim
from ferjax.reproduce.judging.estimates import Estimate, Results
from ferjax.reproduce.run_result import RunResult

# Kinds whose claims can be judged on other data than the paper's, unless the claim says otherwise.
_ON_OTHER_DATA = ("better", "trend")
# Beginning of the note of a protocol that was applied to a copy without PrivateTest.
_NO_PRIVATE_TEST = "PrivateTest is not on disk"


def experiments_of_claim(claim: Claim) -> list[str]:
    """Returns the names of the experiments by which a claim is judged."""
    measures = [claim.measure, claim.than]
    names = [measure.experiment for measure in measures if measure]
    return list(dict.fromkeys([*names, *claim.along]))


def limit_of(claim: Claim, results: Results) -> int:
    """Returns the largest number of images that a split was cut to; 0 if no split was cut."""
    runs = _first_runs(claim, results)
    return max((int(run.facts["config"].get("limit") or 0) for run in runs), default=0)


def other_data_of(claim: Claim, results: Results) -> str:
    """Returns the data that replace the paper's, or "" if the claim can be judged on other data."""
    if claim.other_data or (claim.other_data is None and claim.kind in _ON_OTHER_DATA):
        return ""
    runs = _first_runs(claim, results)
    return "; ".join(dict.fromkeys(filter(None, (run.facts.get("other_data") for run in runs))))


def proxies_of(claim: Claim, results: Results, estimates: Sequence[Estimate]) -> tuple[str, ...]:
    """Returns differences between a claim's experiments and the paper's data and settings.

    Args:
      claim: the claim.
      results: experiment → its finished runs.
      estimates: our estimates by which it is judged; empty for a count or a figure.
    """
    runs = _first_runs(claim, results)
    texts = [text for run in runs for text in run.facts.get("departs", ())]
    printed_splits = {measure.split for measure in (claim.measure, claim.than) if measure}
    splits = {estimate.split for estimate in estimates}
    if splits and "test" in printed_splits - splits:
        texts.append("val instead of test, which these data lack")
    # Captions say it of the figures that show test images.
    for run in () if claim.kind == "figure" else runs:
        # Protocols that pool all images lack those of PrivateTest in every split, others in test.
        pools = selects_on_test(run.facts["config"].get("protocol"))
        if pools or "test" in (splits or printed_splits):
            texts += missing_test_notes(run.facts)
    return tuple(dict.fromkeys(texts))


def missing_test_notes(facts: Mapping[str, Any]) -> list[str]:
    """Returns the notes of a run, from its `facts`, that say that PrivateTest is not on disk."""
    return [note for note in facts.get("notes") or () if note.startswith(_NO_PRIVATE_TEST)]


def _first_runs(claim: Claim, results: Results) -> list[RunResult]:
    """Returns the first run of each experiment of a claim that has one."""
    return [results[name][0] for name in experiments_of_claim(claim) if results.get(name)]
