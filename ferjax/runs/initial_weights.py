"""What a run starts from: values, and all that goes with them to its checkpoint and report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.specs import InputSpec, spec_from_json, spec_to_json

# Layers before the head, which only some networks have.
_HIDDEN = re.compile(r"params/head_dense\d+/.*")


@dataclass(frozen=True)
class Start:
    """Where a run's parameters come from.

    Attributes:
      variables: flat path → float32 array of the run's network; what is absent starts at random.
      fields: module fields that the weights need.
      input: how the weights were trained to see images.
      origin: lines for the report: name, source, license, citation, what is new.
      guides: whether they are those of a guide, and the network's own start at random.
    """

    variables: Mapping[str, np.ndarray]
    fields: Mapping[str, Any]
    input: InputSpec
    origin: tuple[str, ...]
    guides: bool = False


@dataclass(frozen=True)
class Fit:
    """What of given variables a network takes; its head is another matter.

    Attributes:
      variables: flat path → array, of those it takes.
      misfits: paths before the hidden layers that are not given, or in another shape.
      hidden: names of hidden layers that start at random.
    """

    variables: dict[str, np.ndarray]
    misfits: tuple[str, ...]
    hidden: tuple[str, ...]


def fit_variables(given: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]) -> Fit:
    """Returns what of `given` a network takes: hidden layers where all of them fit, else none.

    Args:
      given: flat path → array.
      wanted: flat path → shape of all that the network has but its head.
    """
    fitting = {
        path: given[path]
        for path, shape in wanted.items()
        if path in given and given[path].shape == tuple(shape)
    }
    missing = [path for path in wanted if path not in fitting]
    if not missing:
        return Fit(fitting, (), ())
    kept = {path: leaf for path, leaf in fitting.items() if not _HIDDEN.fullmatch(path)}
    hidden = {path.split("/")[1] for path in wanted if _HIDDEN.fullmatch(path)}
    misfits = tuple(path for path in missing if not _HIDDEN.fullmatch(path))
    return Fit(kept, misfits, tuple(sorted(hidden)))


def as_guide(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the convolutions of a vgg as those of awei's guide, by flat path."""
    return {
        path.replace("params/", "params/guide/", 1): leaf
        for path, leaf in variables.items()
        if path.startswith("params/stage")
    }


def start_to_json(start: Start) -> dict[str, Any]:
    """Returns what a checkpoint keeps of a start: all but the values, which its state holds."""
    return {
        "fields": dict(start.fields),
        "input": spec_to_json(start.input),
        "origin": list(start.origin),
        "guides": start.guides,
    }


def start_from_json(values: Mapping[str, Any]) -> Start:
    """Returns the start that `start_to_json` wrote, without values."""
    return Start(
        variables={},
        fields=values["fields"],
        input=spec_from_json(values["input"]),
        origin=tuple(values["origin"]),
        guides=values["guides"],
    )
