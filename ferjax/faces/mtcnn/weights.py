"""Loads the weights of MTCNN that come with ferjax; converts them from facenet-pytorch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

FILE = Path(__file__).parent / "mtcnn.safetensors"


def load_weights() -> dict[str, np.ndarray]:
    """Returns flat path → float32 array of the three networks; see `networks.Parameters`."""
    return load_file(FILE)


def from_facenet_pytorch(
    states: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns the parameters from the files `pnet.pt`, `rnet.pt` and `onet.pt`.

    Args:
      states: `pnet`, `rnet` and `onet` → name in the file → array.
    """
    parameters = {}
    for network, arrays in states.items():
        for name, array in arrays.items():
            layer, kind = name.rsplit(".", 1)
            if layer.startswith("prelu"):
                kind = "slope"
            elif kind == "weight":
                kind, array = "kernel", array.transpose(*range(2, array.ndim), 1, 0)
            parameters[f"{network}/{layer}/{kind}"] = np.ascontiguousarray(array, np.float32)
    return parameters
