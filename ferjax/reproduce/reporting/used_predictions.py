"""Which predictions a paper's claims, figures and open points use."""

from collections.abc import Iterator

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.paper_table import Paper

# (experiment, split, epoch)
Used = frozenset[tuple[str, str, str]]


def used_predictions(paper: Paper) -> Used:
    """Returns every (experiment, split, epoch); of test also val, which stands in for it."""
    found = {
        (measure.experiment, measure.split, measure.epoch)
        for claim in paper.claims
        for measure in _measures(claim)
        if METRICS[measure.metric].of_confusion
    }
    found |= {
        (figure.experiment, figure.split, figure.epoch)
        for figure in paper.figures
        if figure.kind == "confusion"
    }
    found |= {
        (experiment, point.split, point.epoch)
        for point in paper.open_points
        if METRICS[point.metric].of_confusion
        for _, experiment in point.tried
    }
    return frozenset(
        found | {(name, "val", epoch) for name, split, epoch in found if split == "test"}
    )


def _measures(claim: Claim) -> Iterator[Measure]:
    for one in (claim.measure, claim.than, claim.honest, claim.honest_than):
        if one:
            yield one
    for names, like in ((claim.along, claim.measure), (claim.honest_along, claim.honest)):
        if like:
            for name in names:
                yield Measure(name, like.metric, like.split, like.epoch, like.emotion)
