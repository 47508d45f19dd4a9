"""Stand-ins: experiments that replace those of a paper that cannot be run as printed."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper


def with_stand_ins(
    paper: Paper, lack_of: Callable[[Experiment], str | None]
) -> tuple[Paper, Mapping[str, str]]:
    """Returns the paper with stand-ins for the experiments that cannot be run, and the reasons.

    An experiment that starts from one that cannot be run cannot be run either.

    If an experiment can be run, its stand-ins are dropped; one with which readings are compared
    becomes a reading itself. If an experiment cannot be run, its first
    stand-in that can be run replaces it in every claim, figure and open point. If no stand-in can
    be run, the experiment stays in them, and the ledger says that it was not run.

    Args:
      paper: the paper as its module defines it.
      lack_of: function: experiment → what it lacks, in words, or None if it can be run.

    Returns:
      The paper; its `experiments` are those that can be run. Name → what it lacks, for every
      experiment that cannot be run.
    """
    lacks: dict[str, str] = {}
    for experiment in paper.experiments:
        if lack := lack_of(experiment):
            lacks[experiment.name] = lack
        elif experiment.after in lacks:
            lacks[experiment.name] = (
                f"it starts from {experiment.after}, and {lacks[experiment.after]}"
            )
    stand_in_of: dict[str, str] = {}
    unused = set(lacks)
    for experiment in paper.experiments:
        if experiment.stands_in_for is None or experiment.name in lacks:
            continue
        if experiment.stands_in_for in lacks and experiment.stands_in_for not in stand_in_of:
            stand_in_of[experiment.stands_in_for] = experiment.name
        else:
            unused.add(experiment.name)
    compared = {name for point in paper.open_points for _, name in point.tried} - set(lacks)
    kept = tuple(
        replace(experiment, role="reading") if experiment.name in unused else experiment
        for experiment in paper.experiments
        if experiment.name not in unused - compared
    )
    tables = {"claims": paper.claims, "figures": paper.figures, "open_points": paper.open_points}
    renamed_tables = {field: _renamed(value, stand_in_of) for field, value in tables.items()}
    return replace(paper, experiments=kept, **renamed_tables), lacks


def _renamed(value: Any, stand_in_of: Mapping[str, str]) -> Any:
    """Returns a table with the names of experiments replaced by those of their stand-ins."""
    if isinstance(value, tuple):
        return tuple(_renamed(one, stand_in_of) for one in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {}
    for field in fields(value):
        old_value = getattr(value, field.name)
        if field.name == "experiment":
            changes[field.name] = stand_in_of.get(old_value, old_value)
        elif field.name in ("along", "honest_along"):
            changes[field.name] = tuple(stand_in_of.get(one, one) for one in old_value)
        elif field.name == "tried":
            changes[field.name] = tuple(
                (words, stand_in_of.get(one, one)) for words, one in old_value
            )
        elif is_dataclass(old_value):
            changes[field.name] = _renamed(old_value, stand_in_of)
    return replace(value, **changes)
