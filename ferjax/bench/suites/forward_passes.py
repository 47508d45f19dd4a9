"""Suite `forward`: every network from uint8 faces to probabilities, many faces per call and one.

PyTorch runs in evaluation and inference mode; onnxruntime runs the file that ferjax exports.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import ONNX, OURS, XLA, Build, Case, Probabilities, Run
from ferjax.bench.measuring.forward_side import (
    ferjax_onnx_probabilities,
    initial_variables,
    network_probabilities,
    probabilities_function,
)
from ferjax.bench.measuring.pytorch_side import forward_peers
from ferjax.bench.pytorch import networks
from ferjax.bench.pytorch.missing_sides import missing_onnxruntime
from ferjax.bench.pytorch.onnx_export import probabilities_module
from ferjax.emotions import EMOTIONS

_CLASSES = len(EMOTIONS)
_BATCH = 64
# The feature maps of a larger batch would take many gigabytes in PyTorch.
_LARGE_BATCH = 16
_QUICK = ("cnn6", "efficientnet_b1", "resnet18")


@dataclass(frozen=True)
class ForwardNetwork:
    """The input of a network's cases, and its peer.

    Attributes:
      side: side of its images, pixels.
      channels: channels of its images.
      twin: returns the same network in PyTorch, untrained.
      batch: faces per larger call.
    """

    side: int
    channels: int
    twin: Callable[[], Any]
    batch: int = _BATCH


def _depth_cnn(depth: int) -> ForwardNetwork:
    return ForwardNetwork(48, 1, functools.partial(networks.depth_cnn, depth, _CLASSES))


def _torchvision(name: str, side: int = 128, batch: int = _BATCH) -> ForwardNetwork:
    return ForwardNetwork(
        side, 3, functools.partial(networks.torchvision_network, name, _CLASSES), batch
    )


NETWORKS = {
    "awei": ForwardNetwork(224, 3, lambda: networks.awei("input", 224, _CLASSES), _LARGE_BATCH),
    "base_cnn": ForwardNetwork(28, 1, functools.partial(networks.base_cnn, _CLASSES)),
    "cnn3": _depth_cnn(3),
    "cnn4": _depth_cnn(4),
    "cnn5": _depth_cnn(5),
    "cnn6": _depth_cnn(6),
    "efficientnet_b0": _torchvision("efficientnet_b0"),
    "efficientnet_b1": _torchvision("efficientnet_b1"),
    "efficientnet_b2": _torchvision("efficientnet_b2"),
    "fernet_s": ForwardNetwork(48, 1, networks.fernet),
    "resnet18": _torchvision("resnet18"),
    "resnet34": _torchvision("resnet34"),
    "resnet50": _torchvision("resnet50"),
    "resnet101": _torchvision("resnet101"),
    "resnet152": _torchvision("resnet152"),
    "vgg16": _torchvision("vgg16", 224, _LARGE_BATCH),
    "vgg19": _torchvision("vgg19", 224, _LARGE_BATCH),
}


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite: every network with many faces per call and with one."""
    return tuple(
        _case(name, network, batch)
        for name, network in NETWORKS.items()
        for batch in (network.batch, 1)
    )


def _case(name: str, network: ForwardNetwork, batch: int) -> Case:
    side, channels = network.side, network.channels
    makers: dict[str, Callable[[], Probabilities]] = {
        OURS: functools.partial(network_probabilities, name, side, channels, plain=False),
        XLA: functools.partial(network_probabilities, name, side, channels, plain=True),
    }
    if not missing_onnxruntime():
        makers[ONNX] = functools.partial(ferjax_onnx_probabilities, name, side, channels)
    faces = functools.partial(_faces, (batch, side, side, channels))
    sides: dict[str, Build] = {
        label: functools.partial(_run, make, faces) for label, make in makers.items()
    }
    return Case(
        name=f"{name} forward, {batch} face{'s' * (batch > 1)}",
        shape=f"uint8 {batch}x{side}x{side}x{channels}",
        function=probabilities_function(name, side, channels),
        arguments=lambda: (
            jax.eval_shape(lambda: initial_variables(name, side, channels)),
            jax.ShapeDtypeStruct((batch, side, side, channels), np.uint8),
        ),
        sides=sides,
        peers=forward_peers(lambda: probabilities_module(network.twin()), faces),
        images=batch,
        quick=name in _QUICK,
    )


def _faces(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _run(make: Callable[[], Probabilities], faces: Callable[[], np.ndarray]) -> Run:
    probabilities, images = make(), faces()
    return lambda: probabilities(images)
