"""Stand-ins: what is run and judged where an experiment of a paper cannot be run as printed."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper


def with_stand_ins(
    paper: Paper, lack_of: Callable[[Experiment], str | None]
) -> tuple[Paper, Mapping[str, str]]:
    """Returns the paper with stand-ins in place of what cannot be run, and what that is.

    What starts from an experiment that cannot be run cannot be run either.

    Where an experiment can be run, its stand-ins are dropped. Where it cannot, the first stand-in
    that can takes its place in every claim, figure and open point; if none can, it stays in them,
    so that the ledger says that it was not run.

    Args:
      paper: as its module has it.
      lack_of: experiment → what it lacks, in words, or None if it can be run.

    Returns:
      The paper; its `experiments` are those that can be run. Name → what it lacks, for every
      experiment that cannot be run.
    """
    lacks: dict[str, str] = {}
    for one in paper.experiments:
        if found := lack_of(one):
            lacks[one.name] = found
        elif one.after in lacks:
            lacks[one.name] = f"it starts from {one.after}, and {lacks[one.after]}"
    instead: dict[str, str] = {}
    unused = set(lacks)
    for one in paper.experiments:
        if one.stands_in_for is None or one.name in lacks:
            continue
        if one.stands_in_for in lacks and one.stands_in_for not in instead:
            instead[one.stands_in_for] = one.name
        else:
            unused.add(one.name)
    kept = tuple(one for one in paper.experiments if one.name not in unused)
    named = {"claims": paper.claims, "figures": paper.figures, "open_points": paper.open_points}
    renamed = {field: _renamed(value, instead) for field, value in named.items()}
    return replace(paper, experiments=kept, **renamed), lacks


def _renamed(value: Any, instead: Mapping[str, str]) -> Any:
    """Returns a table with other names of experiments, where they are named as such."""
    if isinstance(value, tuple):
        return tuple(_renamed(one, instead) for one in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {}
    for field in fields(value):
        old = getattr(value, field.name)
        if field.name == "experiment":
            changes[field.name] = instead.get(old, old)
        elif field.name in ("along", "honest_along"):
            changes[field.name] = tuple(instead.get(one, one) for one in old)
        elif field.name == "tried":
            changes[field.name] = tuple((words, instead.get(one, one)) for words, one in old)
        elif is_dataclass(old):
            changes[field.name] = _renamed(old, instead)
    return replace(value, **changes)
