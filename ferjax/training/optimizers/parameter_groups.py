"""Parameter groups: optimizer state by first trained phase, learning rate by layer depth."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.variable_tree import flatten, unflatten

# Largest number of parameters that an error names.
_SHOWN = 5


def optimizer_state_labels(
    patterns: Sequence[str | None], phase: int, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a tree of labels `phase1`, `phase2` ...: the phase since which each is trained.

    Of the consecutive phases up to the current one that train a parameter, the label names the
    first. So parameters that are trained from a later phase on, or again after a phase in which
    they were frozen, get their own optimizer state and step count.

    Args:
      patterns: for each phase a regular expression on paths of frozen parameters, or None.
      phase: index of the current phase, from 0.
      params: the parameters that the current phase trains.
    """

    def first_phase(path: str) -> int:
        earliest = phase
        while earliest and not re.fullmatch(patterns[earliest - 1] or r"(?!)", path):
            earliest -= 1
        return earliest

    return unflatten({path: f"phase{first_phase(path) + 1}" for path in flatten(params)})


def rate_factors(
    params: Mapping[str, Any],
    layers: Sequence[str],
    *,
    backbone_factor: float = 1.0,
    layer_decay: float = 1.0,
) -> dict[str, Any] | None:
    """Returns a tree with each parameter's factor on the learning rate, or None if all are 1.

    The factor of a parameter d layers below the head is `backbone_factor * layer_decay**d`; that of
    the head is 1.

    Args:
      params: all parameters of the network; the depth counts frozen layers too.
      layers: regular expressions on whole paths from the network's input to its head, which is the
        last one. Groups are numbers that order the layers within one expression.
      backbone_factor: factor on all layers except the head.
      layer_decay: rate of a layer divided by that of the next layer towards the head.

    Raises:
      UserError: parameters that match no layer, or several; or a factor without a layer below the
        head to apply it to.

    References:
      Howard and Ruder, Universal language model fine-tuning, 2018; Clark et al., ELECTRA, 2020.
    """
    if backbone_factor == layer_decay == 1:
        return None
    given = {"backbone_factor": backbone_factor, "layer_decay": layer_decay}
    flags = " ".join(f"--{name}={value}" for name, value in given.items() if value != 1)
    keys = _layer_keys(list(flatten(params)), layers, flags)
    backbone = sorted({key for key in keys.values() if key[0] < len(layers) - 1}, reverse=True)
    if not backbone:
        raise UserError(
            f"{flags}: the network has no layer below its head (layers: {' '.join(layers)}), so"
            " nothing would learn more slowly. Leave the flag out, or give `register_model` the"
            " layers from the input to the head: layers=('conv.*', 'head/.*')."
        )
    factors = {key: backbone_factor * layer_decay**d for d, key in enumerate(backbone, start=1)}
    return unflatten({path: factors.get(key, 1.0) for path, key in keys.items()})


def _layer_keys(
    paths: Sequence[str], layers: Sequence[str], flags: str
) -> dict[str, tuple[int, ...]]:
    """Returns path → (index of the expression that matches it, the numbers in its groups)."""
    matching_keys = {
        path: [
            (index, *map(int, match.groups()))
            for index, pattern in enumerate(layers)
            if (match := re.fullmatch(pattern, path))
        ]
        for path in paths
    }
    mismatched = [
        f"{path} in {len(keys)}" for path, keys in matching_keys.items() if len(keys) != 1
    ]
    if mismatched:
        more = f" and {len(mismatched) - _SHOWN} more" if len(mismatched) > _SHOWN else ""
        raise UserError(
            f"{flags}: parameters that do not stand in exactly one layer:"
            f" {', '.join(mismatched[:_SHOWN])}{more}. Layers: {' '.join(layers)}."
        )
    return {path: keys[0] for path, keys in matching_keys.items()}
