"""Initial weights of a run: values by parameter path, and what goes with them to the report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.specs import InputSpec, spec_from_json, spec_to_json

# Hidden dense layers between pooled features and head, which only some networks have.
_HIDDEN = re.compile(r"params/head_dense\d+/.*")


@dataclass(frozen=True)
class InitialWeights:
    """Initial weights of a run, and where they come from.

    Attributes:
      variables: flat path → float32 array; parameters that are absent are initialised randomly.
      fields: module fields that the weights need.
      input: the InputSpec that the weights were trained with.
      origin: lines for the report: name, source, license, citation, what is new.
      guides: whether they are weights of the guide only; the network itself is then random.
    """

    variables: Mapping[str, np.ndarray]
    fields: Mapping[str, Any]
    input: InputSpec
    origin: tuple[str, ...]
    guides: bool = False


@dataclass(frozen=True)
class MatchedVariables:
    """The given variables that fit a network; its head is treated separately.

    Attributes:
      variables: flat path → array, of the variables that fit.
      mismatched: paths before the hidden layers that are missing or have another shape.
      hidden: names of hidden layers that are initialised randomly.
    """

    variables: dict[str, np.ndarray]
    mismatched: tuple[str, ...]
    hidden: tuple[str, ...]


def match_variables(
    given: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]
) -> MatchedVariables:
    """Returns the variables of `given` that fit a network; hidden layers only if all of them fit.

    Args:
      given: flat path → array.
      wanted: flat path → shape of every variable of the network except its head.
    """
    fitting = {
        path: given[path]
        for path, shape in wanted.items()
        if path in given and given[path].shape == tuple(shape)
    }
    missing = [path for path in wanted if path not in fitting]
    if not missing:
        return MatchedVariables(fitting, (), ())
    kept = {path: leaf for path, leaf in fitting.items() if not _HIDDEN.fullmatch(path)}
    hidden = {path.split("/")[1] for path in wanted if _HIDDEN.fullmatch(path)}
    mismatched = tuple(path for path in missing if not _HIDDEN.fullmatch(path))
    return MatchedVariables(kept, mismatched, tuple(sorted(hidden)))


def guide_variables(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the convolutions of a VGG network as those of awei's guide, by flat path."""
    return {
        path.replace("params/", "params/guide/", 1): leaf
        for path, leaf in variables.items()
        if path.startswith("params/stage")
    }


def initial_weights_to_json(start: InitialWeights) -> dict[str, Any]:
    """Returns initial weights as JSON for a checkpoint, without values: its state holds those."""
    return {
        "fields": dict(start.fields),
        "input": spec_to_json(start.input),
        "origin": list(start.origin),
        "guides": start.guides,
    }


def initial_weights_from_json(values: Mapping[str, Any]) -> InitialWeights:
    """Returns initial weights from JSON, without values: the checkpoint's state holds those."""
    return InitialWeights(
        variables={},
        fields=values["fields"],
        input=spec_from_json(values["input"]),
        origin=tuple(values["origin"]),
        guides=values["guides"],
    )
