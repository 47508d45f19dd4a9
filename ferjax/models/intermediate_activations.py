"""Intermediate activations (feature maps) of a network, selected by submodule name."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from flax import linen as nn

from ferjax.errors import UserError
from ferjax.runtime.variable_tree import flatten


def capture_activations(
    model: nn.Module, variables: Mapping[str, Any], images: Any, pattern: str
) -> tuple[jax.Array, dict[str, Any]]:
    """Returns the logits, and the outputs of the submodules whose names match the pattern.

    The network runs in evaluation mode. The function may be traced by `jax.jit` with `model` and
    `pattern` static.

    Args:
      model: the network.
      variables: its variables.
      images: its input, float [B, H, W, C].
      pattern: regular expression that must match a whole name: `stage3_block1`,
        `stage1_block0/conv1`, `stage._block0/bn.`.

    Returns:
      float [B, num_classes], and {name: output}.

    Raises:
      UserError: the pattern is not a valid regular expression, or matches no submodule.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"pattern {pattern!r} is not a regular expression: {error}.") from None
    names: list[str] = []

    def is_selected(module: nn.Module, method: str) -> bool:
        if method != "__call__" or not module.path:
            return False
        names.append("/".join(module.path))
        return expression.fullmatch(names[-1]) is not None

    logits, state = model.apply(
        variables, images, train=False, capture_intermediates=is_selected, mutable=["intermediates"]
    )
    tree: Any = state.get("intermediates", {})
    calls = flatten(tree)
    outputs = {name.removesuffix("/__call__"): output for name, (output,) in calls.items()}
    if not outputs:
        raise _no_match(type(model).__name__, pattern, names)
    return logits, outputs


def _no_match(network: str, pattern: str, names: Sequence[str]) -> UserError:
    suggestions = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5)
    if suggestions:
        hint = f"Did you mean {' or '.join(map(repr, suggestions))}?"
    else:
        top_level = dict.fromkeys(name.split("/")[0] for name in names)
        hint = f"Its top-level layers: {', '.join(top_level)}."
    return UserError(f"no layer of {network} matches {pattern!r}. {hint}")
