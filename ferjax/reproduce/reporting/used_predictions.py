"""Lists the predictions that a paper's claims, figures and open points use."""

from collections.abc import Iterator

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.paper_table import Paper

# (experiment, split, epoch)
Used = frozenset[tuple[str, str, str]]


def used_predictions(paper: Paper) -> Used:
    """Returns every (experiment, split, epoch); for test also val, which may replace it."""
    used = {
        (measure.experiment, measure.split, measure.epoch)
        for claim in paper.claims
        for measure in _measures(claim)
        if METRICS[measure.metric].of_confusion
    }
    used |= {
        (figure.experiment, figure.split, figure.epoch)
        for figure in paper.figures
        if figure.kind == "confusion"
    }
    used |= {
        (experiment, point.split, point.epoch)
        for point in paper.open_points
        if METRICS[point.metric].of_confusion
        for _, experiment in point.tried
    }
    return frozenset(
        used | {(name, "val", epoch) for name, split, epoch in used if split == "test"}
    )


def _measures(claim: Claim) -> Iterator[Measure]:
    """Yields all measures of a claim; a trend has one for each of its experiments."""
    for measure in (claim.measure, claim.than, claim.honest, claim.honest_than):
        if measure:
            yield measure
    for names, template in ((claim.along, claim.measure), (claim.honest_along, claim.honest)):
        if template:
            for name in names:
                yield Measure(
                    name, template.metric, template.split, template.epoch, template.emotion
                )
