"""The one strict engine: foreign arrays to our variables by a table of rules, and back.

Our variables have one flat namespace: `params/stage1_block0/conv1/kernel`,
`batch_stats/stage1_block0/bn1/mean`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.convert.rules.axis_layouts import Layout, shape_after
from ferjax.convert.rules.name_templates import translate
from ferjax.errors import UserError
from ferjax.specs import InputSpec

_SHOWN = 12  # problems


@dataclass(frozen=True)
class Leaf:
    """One array of a source, unread: its shape and numpy's name of its dtype, or bfloat16."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Rule:
    """Source keys that become our variables; both sides are templates of the same fields."""

    source: str
    target: str
    layout: Layout


@dataclass(frozen=True)
class Table:
    """How one kind of source writes one family of networks.

    Attributes:
      family: `resnet`, `vgg` or `efficientnet`.
      kind: `torchvision`, `timm`, `timm_tf`, `transformers` or `keras`.
      rules: a key fits exactly one; where several have one target, export writes the first.
      ignore: full-match regexes of source keys that carry nothing of ours.
      fields: module fields that a network with these weights needs.
      input: how the source wants its images where nothing more is known.
      models: our names of the networks it serves.
    """

    family: str
    kind: str
    rules: tuple[Rule, ...]
    ignore: tuple[str, ...]
    fields: Mapping[str, Any]
    input: InputSpec
    models: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """One source array that becomes one variable, of this shape."""

    source: str
    target: str
    layout: Layout
    shape: tuple[int, ...]


def targets_of(key: str, table: Table) -> list[tuple[str, Layout]]:
    """Returns the variable and layout of each rule that a source's key fits."""
    found = [(translate(rule.source, rule.target, key), rule.layout) for rule in table.rules]
    return [(target, layout) for target, layout in found if target is not None]


def fits(patterns: Sequence[str], text: str) -> bool:
    """Returns whether the whole text fits one of the regexes."""
    return any(re.fullmatch(pattern, text) for pattern in patterns)


def match(
    source: Mapping[str, Leaf],
    table: Table,
    target: Mapping[str, tuple[int, ...]],
    *,
    reinit: Sequence[str] = (),
    ignore: Sequence[str] = (),
    where: str,
) -> tuple[Assignment, ...]:
    """Returns which array of the source becomes which variable: all of both, each once.

    Args:
      source: the source's arrays by key.
      table: the rules.
      target: shapes of our variables by path.
      reinit: full-match regexes of paths, without `params/` or `batch_stats/`, that keep their
        initial values; what the source has for them is dropped.
      ignore: full-match regexes of source keys to leave out, beside the table's own.
      where: the source's name in messages.

    Raises:
      UserError: listing everything that does not fit.
    """
    _check_patterns(reinit, "reinit")
    _check_patterns(ignore, "ignore")
    problems: list[str] = []
    assigned: dict[str, Assignment] = {}
    spared = {path for path in target if fits(reinit, path.partition("/")[2])}
    for key, leaf in source.items():
        if fits((*table.ignore, *ignore), key):
            continue
        found = targets_of(key, table)
        if len(found) != 1:
            several = " and ".join(path for path, _ in found)
            problems.append(f"{key!r} fits {f'several rules: {several}' if found else 'no rule'}")
            continue
        path, layout = found[0]
        if fits(reinit, path.partition("/")[2]):
            continue
        if path not in target:
            problems.append(f"{key!r} would be {path}, which the network does not have")
        elif path in assigned:
            problems.append(f"{key!r} and {assigned[path].source!r} would both be {path}")
        else:
            assigned[path] = Assignment(key, path, layout, target[path])
            problems.extend(_misfits(assigned[path], leaf))
    missing = [path for path in target if path not in assigned and path not in spared]
    problems.extend(f"nothing in the file for {path} {target[path]}" for path in missing)
    paths = (path.partition("/")[2] for path in target)
    problems.extend(_idle(reinit, paths, "reinit", "path"))
    problems.extend(_idle(ignore, source, "ignore", "key of the file"))
    _refuse(
        problems,
        f"{where} does not fit the network, read as {table.kind} writes {table.family}",
        "Give the model and the number of classes that the file was written for.",
    )
    return tuple(assigned.values())


def _check_patterns(patterns: Sequence[str], option: str) -> None:
    """Raises unless every pattern is a regular expression."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"{option} pattern {pattern!r} is no regular expression: {error}. "
                "Expected one that a whole name fits, such as head/.*"
            ) from None


def _misfits(planned: Assignment, leaf: Leaf) -> Iterator[str]:
    """Yields what is wrong with an array for the variable it should become."""
    if "float" not in leaf.dtype:
        yield f"{planned.source!r} is {leaf.dtype}, expected floating-point numbers"
    try:
        shape = shape_after(planned.layout, leaf.shape)
    except ValueError:
        yield f"{planned.source!r} has shape {leaf.shape}, not one for {planned.layout.name}"
        return
    if shape != planned.shape:
        yield (
            f"{planned.source!r} has shape {leaf.shape}, {shape} as {planned.target}, "
            f"expected {planned.shape}"
        )


def _idle(patterns: Sequence[str], texts: Iterable[str], option: str, kind: str) -> list[str]:
    """Returns a problem for each pattern that nothing fits: a slip of the pen."""
    texts = list(texts)
    idle = [p for p in patterns if not any(re.fullmatch(p, text) for text in texts)]
    return [f"{option} pattern {pattern!r} fits no {kind}" for pattern in idle]


def _refuse(problems: list[str], headline: str, advice: str) -> None:
    """Raises the one error that lists all problems, if there are any."""
    if not problems:
        return
    more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    lines = [f"{headline} (problems: {len(problems)}):", *problems[:_SHOWN], *more]
    raise UserError("\n  ".join(lines) + f"\n{advice}")


def convert(
    read: Callable[[str], np.ndarray], assignments: Sequence[Assignment]
) -> dict[str, np.ndarray]:
    """Returns our variables by path, float32, C-contiguous and their own; reads one at a time."""

    def laid_out(planned: Assignment) -> np.ndarray:
        array = read(planned.source)
        ours = np.ascontiguousarray(planned.layout.forward(array), np.float32)
        # A view of the file must not outlive the conversion: it keeps all of the file in memory.
        return ours.copy() if np.may_share_memory(ours, array) else ours

    return {planned.target: laid_out(planned) for planned in assignments}


def export(variables: Mapping[str, np.ndarray], table: Table) -> dict[str, np.ndarray]:
    """Returns the source's arrays by key: the way back of `convert`, C-contiguous.

    Raises:
      UserError: listing every variable that no rule of the table writes.
    """
    arrays: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for path, array in variables.items():
        found = ((translate(rule.target, rule.source, path), rule.layout) for rule in table.rules)
        key, layout = next(((key, layout) for key, layout in found if key), (None, None))
        if key is None or layout is None:
            problems.append(f"{path} has no name in it")
            continue
        try:
            arrays[key] = np.ascontiguousarray(layout.backward(array))
        except ValueError:
            problems.append(f"{path} has shape {array.shape}, not one for {layout.name}")
    _refuse(
        problems,
        f"the variables cannot be written as {table.kind} writes {table.family}",
        f"Give the variables of one of {', '.join(table.models)}, without layers of your own.",
    )
    return arrays
