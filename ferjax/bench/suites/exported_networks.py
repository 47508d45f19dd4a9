"""Suite `exports`: ONNX files of launch.export, and of torchvision's networks from PyTorch."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.bench.measuring.case import OURS, Build, Case, Probabilities, Run
from ferjax.bench.measuring.forward_side import ferjax_onnx_probabilities, initial_variables
from ferjax.bench.pytorch.missing_sides import missing_onnxruntime_for_torch
from ferjax.bench.pytorch.onnx_export import (
    onnx_of_torch,
    probabilities_module,
)
from ferjax.convert.reference_library import import_torchvision
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.models.registry import create_model

# Both sides run in onnxruntime.
PYTORCH_FILE = "PyTorch's ONNX"
# Network → side of its images, faces per larger call. torchvision's vgg16 is made for 224 pixels.
NETWORKS = {
    "resnet18": (128, 64),
    "resnet50": (128, 64),
    "efficientnet_b1": (128, 64),
    "vgg16": (224, 16),
}


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite: every network with one face per call and with many."""
    return tuple(
        _case(name, batch) for name, (_, larger) in NETWORKS.items() for batch in (1, larger)
    )


def _case(name: str, batch: int) -> Case:
    side, _ = NETWORKS[name]
    sides: dict[str, Build] = {
        OURS: functools.partial(_run, ferjax_onnx, name, batch),
        PYTORCH_FILE: functools.partial(_run, torchvision_onnx, name, batch),
    }
    return Case(
        name=f"{name} in onnxruntime, {batch} face{'s' * (batch > 1)}",
        shape=f"uint8 {batch}x{side}x{side}x3",
        function=lambda variables, images: create_model(name, len(EMOTIONS)).apply(
            variables, images, train=False
        ),
        arguments=lambda: (
            jax.eval_shape(lambda: initial_variables(name, side, 3)),
            jnp.zeros((batch, side, side, 3)),
        ),
        sides=sides,
        images=batch,
        quick=name == "resnet18",
    )


def _run(make: Any, name: str, batch: int) -> Run:
    if reason := missing_onnxruntime_for_torch():
        raise UserError(f"--suite=exports: {reason}.")
    probabilities: Probabilities = make(name)
    side, _ = NETWORKS[name]
    faces = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    return lambda: probabilities(faces)


def ferjax_onnx(name: str) -> Probabilities:
    """Returns a network with its initial weights in onnxruntime, exported by ferjax."""
    return ferjax_onnx_probabilities(name, NETWORKS[name][0], 3)


@functools.lru_cache(maxsize=1)
def torchvision_onnx(name: str) -> Probabilities:
    """Returns torchvision's network of that name in onnxruntime, exported by PyTorch."""
    models = import_torchvision("torchvision.models")
    network = models.get_model(name, num_classes=len(EMOTIONS))
    return onnx_of_torch(probabilities_module(network), NETWORKS[name][0], 3)
