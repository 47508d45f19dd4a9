"""Freezing: which parameters a phase trains, and which modules are frozen as a whole."""

import re
from collections.abc import Mapping
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.variable_tree import flatten

# Layers between the pooled features and the logits, named as in `models.heads.classify`.
HEAD = r"head(_dense\d+)?/.*"

_NAMED_PATTERNS: dict[str, str | None] = {"none": None, "all_but_head": rf"(?!{HEAD}).*"}


def frozen_pattern(freeze: str, always: str | None) -> str | None:
    """Returns a regular expression that matches the paths of all frozen parameters, or None.

    Args:
      freeze: `none`, `all_but_head`, or a regular expression on whole paths.
      always: parameters that the network never trains (`ModelEntry.frozen`), or None.
    """
    parts = [part for part in (always, _NAMED_PATTERNS.get(freeze, freeze)) if part]
    return "|".join(f"(?:{part})" for part in parts) or None


def check_frozen(params: Mapping[str, Any], freeze: str, always: str | None) -> None:
    """Raises `UserError` unless `freeze` is valid for these parameters.

    It must match some parameters but not all, and both parameters of a batch norm or none.

    Args:
      params: tree of the network's parameters, values or shapes.
      freeze: as in `frozen_pattern`.
      always: as in `frozen_pattern`.
    """
    paths = list(flatten(params))
    if freeze not in _NAMED_PATTERNS and not any(re.fullmatch(freeze, path) for path in paths):
        tops = ", ".join(dict.fromkeys(path.split("/")[0] for path in paths))
        raise UserError(
            f"--freeze={freeze} matches no parameter. It is held against whole paths such as"
            f" {paths[0]}; uppermost layers: {tops}."
        )
    pattern = frozen_pattern(freeze, always)
    frozen = {path for path in paths if pattern and re.fullmatch(pattern, path)}
    if len(frozen) == len(paths):
        raise UserError(f"--freeze={freeze} matches every parameter: nothing would be trained.")
    scales = {path.removesuffix("/scale") for path in paths if path.endswith("/scale")}
    for norm in scales:
        if (f"{norm}/scale" in frozen) != (f"{norm}/bias" in frozen):
            raise UserError(
                f"--freeze={freeze} freezes one half of batch norm {norm}. Match both of its"
                f" parameters ({norm}/.*) or none."
            )


def untrained_modules(params: Mapping[str, Any], pattern: str | None) -> frozenset[str]:
    """Returns the paths of all modules that have no trained parameter.

    Args:
      params: the network's parameters.
      pattern: regular expression on the paths of frozen parameters, or None.
    """
    if pattern is None:
        return frozenset()
    trained_modules, all_modules = set(), set()
    for path in flatten(params):
        parts = path.split("/")[:-1]
        enclosing = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        all_modules |= enclosing
        if not re.fullmatch(pattern, path):
            trained_modules |= enclosing
    return frozenset(all_modules - trained_modules)
