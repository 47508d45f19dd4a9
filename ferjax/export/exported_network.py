"""The network of an export: calibrated, in its stored precision, a function of uint8 images."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from ferjax.config.given_files import fitting_values
from ferjax.errors import UserError
from ferjax.export.card_page import card_page
from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.report.pages.report_files import to_json_types
from ferjax.runs.finished_runs.load_network import load_network, named_card
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.train_step import predict_step
from ferjax.weights.weights_file import encode, read_card

# Key of the model card in the metadata of a file, and the name of its file in an attached archive.
CARD_KEY, CARD_FILE = "ferjax_card", "ferjax_card.json"
# What a card says of files, and not of the network: the card inside a file cannot know it.
_OF_FILES = ("bytes", "sha256", "exports")


@dataclass(frozen=True)
class ExportedNetwork:
    """A calibrated network, the same in every format of one export.

    Attributes:
      name: name of the exported files.
      card: JSON values of its model card.
      model: the Linen module.
      variables: `params` and `batch_stats`, numpy float32 with the values of the stored half
        precision. The head is divided by the temperature.
      spec: how uint8 images become its input.
      classes: names of its outputs, in order.
    """

    name: str
    card: Mapping[str, Any]
    model: nn.Module
    variables: dict[str, Any]
    spec: InputSpec
    classes: tuple[str, ...]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the uint8 images that an export takes: as stored, grey or RGB."""
        return *self.spec.storage, self.spec.channels


def exported_from_weights(source: str | Path, name: str | None = None) -> ExportedNetwork:
    """Returns the network of a recogniser that comes with ferjax, or of a weights file.

    Args:
      source: a name of `ferjax.weights.shipped.SHIPPED`, a weights file, its card or its folder.
      name: name of the exported files; None: the name of the card's file.

    Raises:
      UserError: no such weights, or damaged ones; or a card without a value that its page states.
    """
    path = weights_card(source)
    run = in_float32(load_network(path))
    name = name or path.stem
    # Cards of earlier versions may hold NaN, which is no JSON.
    stored_card = to_json_types(read_card(path))
    card = {**stored_card, "name": name, "fields": run.meta["fields"]}
    # The table of an earlier export describes other files.
    card.pop("exports", None)
    # The page is written after all formats; a card that lacks a value for it is refused before.
    with fitting_values(path, "Copy the card again, or export the run again."):
        card_page(name, card)
    return ExportedNetwork(name, card, run.model, run.variables, run.spec, run.classes)


def weights_card(source: str | Path) -> Path:
    """Returns the path of the model card that --weights names; raises `UserError` if none fits."""
    path = named_card(source)
    if path is None:
        raise UserError(
            f"--weights={source} is no weights file of launch.export. Give a run as --workdir."
        )
    return path


def in_float32(run: LoadedRun) -> LoadedRun:
    """Returns a network that computes in float32, even if it was trained in bfloat16.

    Rounding to 8 bits in every layer depends on the order of operations, so that two programs would
    not give the same probabilities.
    """
    if "dtype" not in run.meta["fields"]:
        return run
    fields = {name: value for name, value in run.meta["fields"].items() if name != "dtype"}
    model = run.model.clone(dtype=None)
    return replace(run, model=model, meta={**run.meta, "fields": fields})


def probabilities_function(
    network: ExportedNetwork, pools: str = "reduce_window"
) -> Callable[[jax.Array], jax.Array]:
    """Returns the function uint8 [B, H, W, C] → float32 [B, K], probabilities by `classes`.

    It contains preprocessing, temperature and softmax; the weights are constants. It is traced with
    plain implementations of the operations, because the choice among ferjax's own implementations
    depends on the platform of the process that traces.

    Args:
      network: the network.
      pools: implementation of the max pools, a name of `ops.choose_implementation.POOLS`.
    """

    def probabilities(images: jax.Array) -> jax.Array:
        logits = predict_step(network.variables, images, model=network.model, spec=network.spec)
        return jax.nn.softmax(logits).astype(jnp.float32)

    return with_plain_implementations(probabilities, pools)


def weights_bytes(network: ExportedNetwork) -> bytes:
    """Returns the bytes of the network's safetensors file: half precision, the card inside."""
    return encode(flatten(network.variables), {CARD_KEY: card_json(network)})


def card_json(network: ExportedNetwork) -> str:
    """Returns the model card as compact JSON, for the metadata of a file.

    It lacks size, hash and table of results of the written files, because it is a part of them.
    """
    card = {key: value for key, value in network.card.items() if key not in _OF_FILES}
    text = json.dumps(card, ensure_ascii=False, separators=(",", ":"))
    # A name that is not Unicode becomes an escape of JSON, as in the card beside the files.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
