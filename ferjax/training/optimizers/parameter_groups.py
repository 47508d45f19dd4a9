"""Parameter groups: optimizer state by first trained phase, learning rate by layer depth."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.variable_tree import flatten, unflatten

_SHOWN = 5


def optimizer_state_labels(
    patterns: Sequence[str | None], phase: int, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a tree of labels `phase1`, `phase2` ...: since which phase a parameter is trained.

    The label names the first of the consecutive phases up to this one that train the parameter.
    Parameters that join later, or again, so get optimizer state and step counts of their own.

    Args:
      patterns: for each phase a regular expression on paths of frozen parameters, or None.
      phase: index of the current phase, from 0.
      params: the parameters that it trains.
    """

    def first(path: str) -> int:
        since = phase
        while since and not re.fullmatch(patterns[since - 1] or r"(?!)", path):
            since -= 1
        return since

    return unflatten({path: f"phase{first(path) + 1}" for path in flatten(params)})


def rate_factors(
    params: Mapping[str, Any],
    layers: Sequence[str],
    *,
    backbone_factor: float = 1.0,
    layer_decay: float = 1.0,
) -> dict[str, Any] | None:
    """Returns a tree with each parameter's share of the learning rate, or None where all are 1.

    A parameter d layers below the head has `backbone_factor * layer_decay**d`, the head 1.

    Args:
      params: all parameters of the network, also frozen ones: the depth is counted over them.
      layers: regular expressions on whole paths from the network's input to its head, which is the
        last one. Groups are numbers that order the layers within one expression.
      backbone_factor: factor on all layers except the head.
      layer_decay: rate of a layer divided by that of the next layer towards the head.

    Raises:
      UserError: parameters that match no layer, or several.

    References:
      Howard and Ruder, Universal language model fine-tuning, 2018; Clark et al., ELECTRA, 2020.
    """
    if backbone_factor == layer_decay == 1:
        return None
    keys = _layer_keys(list(flatten(params)), layers, layer_decay)
    backbone = sorted({key for key in keys.values() if key[0] < len(layers) - 1}, reverse=True)
    factors = {key: backbone_factor * layer_decay**d for d, key in enumerate(backbone, start=1)}
    return unflatten({path: factors.get(key, 1.0) for path, key in keys.items()})


def _layer_keys(
    paths: Sequence[str], layers: Sequence[str], layer_decay: float
) -> dict[str, tuple[int, ...]]:
    """Returns path → (index of the expression that matches it, the numbers in its groups)."""
    found = {
        path: [
            (index, *map(int, match.groups()))
            for index, pattern in enumerate(layers)
            if (match := re.fullmatch(pattern, path))
        ]
        for path in paths
    }
    wrong = [f"{path} in {len(keys)}" for path, keys in found.items() if len(keys) != 1]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise UserError(
            f"--layer_decay={layer_decay}: parameters that do not stand in exactly one layer:"
            f" {', '.join(wrong[:_SHOWN])}{more}. Layers: {' '.join(layers)}."
        )
    return {path: keys[0] for path, keys in found.items()}
