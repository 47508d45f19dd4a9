"""Initial weights of a run: values by parameter path, input, and their origin for the report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.specs import InputSpec, spec_from_json, spec_to_json

# Hidden dense layers between pooled features and head; only some networks have them.
_HIDDEN = re.compile(r"params/head_dense\d+/.*")


@dataclass(frozen=True)
class InitialWeights:
    """Initial weights of a run, and where they come from.

    Attributes:
      variables: flat path → float32 array; parameters that are absent are initialised randomly.
      fields: module fields that the weights need.
      input: the InputSpec that the weights were trained with.
      origin: lines for the report: name, source, license, citation, what is new.
      guides: whether they are weights of the guide only; the network itself is then initialised
        randomly.
    """

    variables: Mapping[str, np.ndarray]
    fields: Mapping[str, Any]
    input: InputSpec
    origin: tuple[str, ...]
    guides: bool = False


@dataclass(frozen=True)
class MatchedVariables:
    """The source variables that fit a network; its head is treated separately.

    Attributes:
      variables: flat path → array, of the variables that fit.
      mismatched: paths before the hidden layers that are missing or have another shape.
      hidden: names of hidden layers that are initialised randomly.
    """

    variables: dict[str, np.ndarray]
    mismatched: tuple[str, ...]
    hidden: tuple[str, ...]


def match_variables(
    source: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> MatchedVariables:
    """Returns the variables of `source` that fit a network; hidden layers only if all fit.

    Args:
      source: flat path → array.
      shapes: flat path → shape of every variable of the network except its head.
    """
    fitting = {
        path: source[path]
        for path, shape in shapes.items()
        if path in source and source[path].shape == tuple(shape)
    }
    missing = [path for path in shapes if path not in fitting]
    if not missing:
        return MatchedVariables(fitting, (), ())
    kept = {path: leaf for path, leaf in fitting.items() if not _HIDDEN.fullmatch(path)}
    hidden = {path.split("/")[1] for path in shapes if _HIDDEN.fullmatch(path)}
    mismatched = tuple(path for path in missing if not _HIDDEN.fullmatch(path))
    return MatchedVariables(kept, mismatched, tuple(sorted(hidden)))


def guide_variables(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the convolutions of a VGG network under the paths of awei's guide."""
    return {
        path.replace("params/", "params/guide/", 1): leaf
        for path, leaf in variables.items()
        if path.startswith("params/stage")
    }


def initial_weights_to_json(weights: InitialWeights) -> dict[str, Any]:
    """Returns initial weights as JSON for a checkpoint, without values, which are in its state."""
    return {
        "fields": dict(weights.fields),
        "input": spec_to_json(weights.input),
        "origin": list(weights.origin),
        "guides": weights.guides,
    }


def initial_weights_from_json(values: Mapping[str, Any]) -> InitialWeights:
    """Returns initial weights from JSON, without values, which are in the checkpoint's state."""
    return InitialWeights(
        variables={},
        fields=values["fields"],
        input=spec_from_json(values["input"]),
        origin=tuple(values["origin"]),
        guides=values["guides"],
    )
