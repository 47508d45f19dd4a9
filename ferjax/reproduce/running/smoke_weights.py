"""Drawn weights for `--smoke`, where an experiment cannot do without pretrained ones."""

from pathlib import Path

import numpy as np

from ferjax.convert.catalogue.input_specs import IMAGENET
from ferjax.convert.weights import Pretrained, save_pretrained
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables

# The guide of P5: without weights of their own its experiments are refused.
SMOKE_NETWORKS = ("vgg16",)


def smoke_weights(network: str, folder: Path) -> Path:
    """Returns a folder of drawn weights of a network without its head; writes it once.

    The kernels are normal with He's variance (2 / inputs), the biases 0, so that activations keep
    their size. The normalisation of the input is ImageNet's.

    Args:
      network: one of `SMOKE_NETWORKS`.
      folder: the folder of all drawn data.

    Raises:
      UserError: it cannot be written.
    """
    place = folder / f"{network}-weights"
    if place.exists():
        return place
    random = np.random.default_rng(0)
    variables = {
        path: _drawn(random, shape)
        for path, shape in abstract_variables(network, 0).items()
        if path.startswith("params/stage")
    }
    source = {"kind": "drawn", "path": "numpy's default_rng(0)", "sha256": "none"}
    weights = Pretrained(place.name, network, variables, {}, IMAGENET, None, source, ())
    try:
        save_pretrained(place, weights)
    except UserError:
        # Another command may have written the folder in the meantime.
        if not place.exists():
            raise
    return place


def _drawn(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    inputs = np.prod(shape[:-1])
    return random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / inputs))
