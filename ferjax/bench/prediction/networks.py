"""The networks of the suite `predict`: as ferjax's predictor and as a PyTorch module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.bench.pytorch import networks
from ferjax.emotions import EMOTIONS
from ferjax.models.registry import create_model
from ferjax.predict import Predictor, load_predictor
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.specs import InputSpec
from ferjax.training.train_step import predict_step


@dataclass(frozen=True)
class MeasuredNetwork:
    """A network whose speed is measured.

    Attributes:
      name: the network's name in reports.
      suffix: format of its face crops, `png` or `jpg`.
      side: side of the face crops in pixels.
      channels: channels of the face crops.
      predictor: returns ferjax's predictor.
      twin: returns the same network in PyTorch, untrained.
    """

    name: str
    suffix: str
    side: int
    channels: int
    predictor: Callable[[], Predictor]
    twin: Callable[[], Any]


def _untrained_resnet18(side: int) -> Predictor:
    """Returns a predictor of the eight emotions with the initial weights of a resnet18."""
    model = create_model("resnet18", len(EMOTIONS))
    spec = InputSpec((side, side), side, 3, mean=(0.0,) * 3, std=(1.0,) * 3)
    images = jnp.zeros((1, side, side, 3))
    variables = jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(0))

    def probabilities(variables: Any, batch: jax.Array) -> jax.Array:
        return jax.nn.softmax(predict_step(variables, batch, model=model, spec=spec))

    function = compiled_forward(probabilities)
    return Predictor(tuple(EMOTIONS), spec, 64, lambda batch: function(variables, batch))


# RAF-DB's aligned faces are JPEG files of 100 pixels, FER2013's are grey ones of 48.
NETWORKS = (
    MeasuredNetwork("fernet-ferplus", "png", 48, 1, load_predictor, networks.fernet),
    MeasuredNetwork(
        "resnet18",
        "jpg",
        100,
        3,
        lambda: _untrained_resnet18(100),
        lambda: networks.torchvision_network("resnet18", len(EMOTIONS)),
    ),
)
