"""Matches arrays of other libraries with ferjax variables by rules; converts and exports them.

ferjax variables have one flat namespace: `params/stage1_block0/conv1/kernel`,
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

_MAX_SHOWN = 12  # problems in an error message


@dataclass(frozen=True)
class Leaf:
    """Shape and dtype (numpy's name, or bfloat16) of one array of a source."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Rule:
    """One conversion rule.

    Attributes:
      source: template of the source's keys.
      target: template of the paths of ferjax's variables, with the same fields.
      layout: how an array is rearranged.
    """

    source: str
    target: str
    layout: Layout


@dataclass(frozen=True)
class Table:
    """The conversion rules for one family of networks from one kind of source (library).

    Attributes:
      family: `resnet`, `vgg` or `efficientnet`.
      kind: `torchvision`, `timm`, `timm_tf`, `transformers` or `keras`.
      rules: each key matches exactly one; if several have the same target, `export` uses the first.
      ignore: full-match regexes of source keys that are not converted.
      fields: module fields that a network with these weights needs.
      input: default input spec of the source's networks.
      models: ferjax's names of the networks.
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
    """The planned conversion of one source array to one variable, which has this shape."""

    source: str
    target: str
    layout: Layout
    shape: tuple[int, ...]


def find_targets(key: str, table: Table) -> list[tuple[str, Layout]]:
    """Returns the variable and the layout of each rule that matches a source's key."""
    targets = [(translate(rule.source, rule.target, key), rule.layout) for rule in table.rules]
    return [(target, layout) for target, layout in targets if target is not None]


def matches_any(patterns: Sequence[str], text: str) -> bool:
    """Returns whether one of the regexes matches the whole text."""
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
    """Assigns each array of the source to one variable, and each variable to one array.

    Args:
      source: the source's arrays by key.
      table: the rules.
      target: shapes of the network's variables by path.
      reinit: full-match regexes of paths, without `params/` or `batch_stats/`, that keep their
        initial values; the source's arrays for them are not used.
      ignore: full-match regexes of source keys to leave out, in addition to the table's.
      where: the source's name in messages.

    Raises:
      UserError: arrays or variables do not fit; the message lists them.
    """
    _check_patterns(reinit, "reinit")
    _check_patterns(ignore, "ignore")
    problems: list[str] = []
    assigned: dict[str, Assignment] = {}
    reinitialised = {path for path in target if matches_any(reinit, path.partition("/")[2])}
    for key, leaf in source.items():
        if matches_any((*table.ignore, *ignore), key):
            continue
        candidates = find_targets(key, table)
        if len(candidates) != 1:
            targets = " and ".join(path for path, _ in candidates)
            rules = f"several rules: {targets}" if candidates else "no rule"
            problems.append(f"{key!r} fits {rules}")
            continue
        path, layout = candidates[0]
        if matches_any(reinit, path.partition("/")[2]):
            continue
        if path not in target:
            problems.append(f"{key!r} would be {path}, which the network does not have")
        elif path in assigned:
            problems.append(f"{key!r} and {assigned[path].source!r} would both be {path}")
        else:
            assigned[path] = Assignment(key, path, layout, target[path])
            problems.extend(_array_problems(assigned[path], leaf))
    missing = [path for path in target if path not in assigned and path not in reinitialised]
    problems.extend(f"nothing in the file for {path} {target[path]}" for path in missing)
    paths = (path.partition("/")[2] for path in target)
    problems.extend(_unused_patterns(reinit, paths, "reinit", "path"))
    problems.extend(_unused_patterns(ignore, source, "ignore", "key of the file"))
    _raise_problems(
        problems,
        f"{where} does not fit the network, read as {table.family} from {table.kind}",
        "Give the model and the number of classes that the file was written for.",
    )
    return tuple(assigned.values())


def _check_patterns(patterns: Sequence[str], option: str) -> None:
    """Raises `UserError` unless every pattern is a regular expression."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"{option} pattern {pattern!r} is not a regular expression: {error}. "
                "Expected one that matches a whole name, such as head/.*"
            ) from None


def _array_problems(assignment: Assignment, leaf: Leaf) -> Iterator[str]:
    """Yields the reasons why an array's dtype or shape does not fit its variable."""
    if "float" not in leaf.dtype:
        yield f"{assignment.source!r} is {leaf.dtype}, expected floating-point numbers"
    try:
        shape = shape_after(assignment.layout, leaf.shape)
    except ValueError:
        layout = assignment.layout.name
        yield f"{assignment.source!r} has shape {leaf.shape}, not valid for {layout}"
        return
    if shape != assignment.shape:
        yield (
            f"{assignment.source!r} has shape {leaf.shape}, {shape} as {assignment.target}, "
            f"expected {assignment.shape}"
        )


def _unused_patterns(
    patterns: Sequence[str], texts: Iterable[str], option: str, kind: str
) -> list[str]:
    """Returns a problem for each pattern without a match, which is probably a typing error."""
    texts = list(texts)
    unused = [p for p in patterns if not any(re.fullmatch(p, text) for text in texts)]
    return [f"{option} pattern {pattern!r} fits no {kind}" for pattern in unused]


def _raise_problems(problems: list[str], headline: str, advice: str) -> None:
    """Raises one error that lists all problems, if there are any."""
    if not problems:
        return
    more = [f"... and {len(problems) - _MAX_SHOWN} more"] if len(problems) > _MAX_SHOWN else []
    lines = [f"{headline} (problems: {len(problems)}):", *problems[:_MAX_SHOWN], *more]
    raise UserError("\n  ".join(lines) + f"\n{advice}")


def convert(
    read: Callable[[str], np.ndarray], assignments: Sequence[Assignment]
) -> dict[str, np.ndarray]:
    """Returns ferjax's variables by path: float32, C-contiguous copies.

    The arrays are read one at a time.
    """

    def convert_array(assignment: Assignment) -> np.ndarray:
        array = read(assignment.source)
        converted = np.ascontiguousarray(assignment.layout.forward(array), np.float32)
        # A view of the file would keep the whole file in memory, so it is copied.
        return converted.copy() if np.may_share_memory(converted, array) else converted

    return {assignment.target: convert_array(assignment) for assignment in assignments}


def export(variables: Mapping[str, np.ndarray], table: Table) -> dict[str, np.ndarray]:
    """Returns the source's arrays by key, C-contiguous: the inverse of `convert`.

    Raises:
      UserError: the table has no rule for some variables; the message lists them.
    """
    arrays: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for path, array in variables.items():
        keys = ((translate(rule.target, rule.source, path), rule.layout) for rule in table.rules)
        key, layout = next(((key, layout) for key, layout in keys if key), (None, None))
        if key is None or layout is None:
            problems.append(f"{path} has no rule")
            continue
        try:
            arrays[key] = np.ascontiguousarray(layout.inverse(array))
        except ValueError:
            problems.append(f"{path} has shape {array.shape}, not valid for {layout.name}")
    _raise_problems(
        problems,
        f"the variables cannot be exported as {table.family} for {table.kind}",
        f"Give the variables of one of {', '.join(table.models)}, without additional layers.",
    )
    return arrays
