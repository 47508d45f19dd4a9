"""Sides of a forward case: uint8 faces to probabilities in ferjax, plain XLA and onnxruntime."""

import functools
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.bench.measuring.case import MissingSide, Probabilities
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError, one_line
from ferjax.export.conversion.environments import converter_python
from ferjax.export.exported_network import ExportedNetwork
from ferjax.export.onnx_format import onnx_file
from ferjax.models.registry import create_model
from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.train_step import predict_step


def input_spec(side: int, channels: int) -> InputSpec:
    """Returns the spec of images that are only divided by 255."""
    zero, one = (0.0,) * channels, (1.0,) * channels
    return InputSpec((side, side), side, channels, mean=zero, std=one)


def initial_variables(name: str, side: int, channels: int) -> Any:
    """Returns a network's initial variables for the eight emotions; a pure function to be jitted.

    Args:
      name: the network's name.
      side: side of its images, pixels.
      channels: channels of its images.
    """
    model = create_model(name, len(EMOTIONS))
    return model.init(jax.random.key(0), jnp.zeros((1, side, side, channels)), train=False)


def probabilities_function(name: str, side: int, channels: int) -> Callable[[Any, Any], jax.Array]:
    """Returns the pure function (variables, uint8 [B, H, W, C]) → probabilities float32 [B, 8]."""
    model, spec = create_model(name, len(EMOTIONS)), input_spec(side, channels)

    def probabilities(variables: Any, images: Any) -> jax.Array:
        return jax.nn.softmax(predict_step(variables, images, model=model, spec=spec))

    return probabilities


def network_probabilities(name: str, side: int, channels: int, *, plain: bool) -> Probabilities:
    """Returns a network with its initial weights, compiled at the first call with a batch size.

    Args:
      name: the network's name.
      side: side of its images, pixels.
      channels: channels of its images.
      plain: use the plain forms of operations and XLA's default options, instead of those of
        predictions.
    """
    function = probabilities_function(name, side, channels)
    run = jax.jit(with_plain_implementations(function)) if plain else compiled_forward(function)
    variables = _cached_variables(name, side, channels)
    return lambda faces: np.asarray(run(variables, faces))


@functools.lru_cache(maxsize=1)
def ferjax_onnx_probabilities(name: str, side: int, channels: int) -> Probabilities:
    """Returns a network with its initial weights in onnxruntime, exported by ferjax.

    Raises:
      MissingSide: the converter cannot be installed, or cannot convert the network.
    """
    if reason := _missing_converter():
        raise MissingSide(reason)
    onnxruntime = importlib.import_module("onnxruntime")
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as folder:
        network = _initial_network(name, side, channels)
        try:
            file = onnx_file(network, Path(folder) / "network.onnx", progress=False)
        except UserError as error:
            raise MissingSide(one_line(error)) from error
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda faces: np.asarray(session.run(None, {"images": faces})[0])


@functools.cache
def _missing_converter() -> str | None:
    """Returns why ferjax cannot export ONNX files here; tried once, because pip may take minutes.

    Only the first sentence of the error: the others advise users of `launch.export`.
    """
    try:
        converter_python("onnx", progress=False)
    except UserError as error:
        return one_line(error).split(". ")[0].removesuffix(".")
    return None


@functools.lru_cache(maxsize=1)
def _cached_variables(name: str, side: int, channels: int) -> Any:
    return jax.jit(initial_variables, static_argnums=(0, 1, 2))(name, side, channels)


def _initial_network(name: str, side: int, channels: int) -> ExportedNetwork:
    model, spec = create_model(name, len(EMOTIONS)), input_spec(side, channels)
    variables = jax.tree.map(np.asarray, _cached_variables(name, side, channels))
    card = {"model": name, "fields": {}, "classes": list(EMOTIONS), "spec": spec_to_json(spec)}
    variables = {"batch_stats": {}, **variables}
    return ExportedNetwork("network", card, model, variables, spec, tuple(EMOTIONS))
