"""What a run starts from: published weights fitted to its network, or what its checkpoint says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config import TrainConfig
from ferjax.convert.weights import Pretrained, load_pretrained
from ferjax.errors import UserError
from ferjax.models.registry import MODELS, abstract_variables, model_entry
from ferjax.specs import InputSpec, spec_from_json, spec_to_json
from ferjax.train.checkpoint import latest_meta

# Layers before the head that only some weights have; the head itself is always the run's own.
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


def start_of(config: TrainConfig, fields: Mapping[str, Any]) -> Start | None:
    """Returns what a run starts from; None for random weights.

    A run that has saved a checkpoint needs neither cache nor network: what the weights demanded
    stands in its meta, and their values in its state.

    Args:
      config: the run's.
      fields: module fields the config sets.

    Raises:
      UserError: weights that cannot be had, or that do not fit the network.
    """
    guide = config.guide if config.guide != "none" else None
    if config.pretrained is None:
        if guide:
            raise UserError(
                f"--guide={guide} without --pretrained: a guide with random weights guides nowhere."
                " Give --pretrained=imagenet, or a name, URL or file of its weights."
            )
        return None
    if meta := latest_meta(Path(config.workdir or "")):
        return start_from_json(meta["start"])
    model = guide or config.model
    if model_entry(model).family is None:
        known = ", ".join(name for name, entry in MODELS.items() if entry.family)
        raise UserError(
            f"--pretrained={config.pretrained}: no weights are published for {model}. Leave the"
            f" flag out, or take one of: {known}."
        )
    weights = load_pretrained(
        config.pretrained,
        model,
        abstract_variables,
        offline=config.offline,
        progress=config.progress,
    )
    return _for_guide(weights) if guide else _for_network(weights, fields)


def _for_network(weights: Pretrained, fields: Mapping[str, Any]) -> Start:
    """Returns the weights without their head, for a network with `fields` and classes of its own.

    Hidden layers before the head are kept where all of them fit, else all are new.
    """
    wanted = abstract_variables(weights.model, 0, **{**weights.fields, **fields})
    fitting = {
        path: weights.variables[path]
        for path, shape in wanted.items()
        if path in weights.variables and weights.variables[path].shape == tuple(shape)
    }
    missing = [path for path in wanted if path not in fitting]
    if misfits := [path for path in missing if not _HIDDEN.fullmatch(path)]:
        raise UserError(
            f"--pretrained={weights.name}: {len(misfits)} of the network's variables are not in"
            f" it or have another shape, {misfits[0]} first. Convert the weights again."
        )
    hidden: set[str] = set()
    if missing:
        fitting = {path: leaf for path, leaf in fitting.items() if not _HIDDEN.fullmatch(path)}
        hidden = {path.split("/")[1] for path in wanted if path not in fitting}
    origin = (*_origin(weights), f"new, at random: {', '.join((*sorted(hidden), 'head'))}")
    return Start(fitting, weights.fields, weights.input, origin)


def _for_guide(weights: Pretrained) -> Start:
    """Returns the convolutions of the weights as awei's guide."""
    variables = {
        path.replace("params/", "params/guide/", 1): leaf
        for path, leaf in weights.variables.items()
        if path.startswith("params/stage")
    }
    origin = (*_origin(weights), "of the guide, frozen; everything else: random initialisation")
    return Start(variables, {}, weights.input, origin, guides=True)


def _origin(weights: Pretrained) -> tuple[str, ...]:
    source = weights.source
    place = source.get("url") or source.get("path")
    lines = [f"{weights.name}: {source['kind']} weights from {place}", f"sha256 {source['sha256']}"]
    lines += [f"{name}: {source[name]}" for name in ("license", "citation") if source.get(name)]
    return (*lines, *weights.notes)


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
