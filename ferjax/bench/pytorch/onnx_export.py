"""PyTorch modules as ONNX files in onnxruntime: uint8 faces to probabilities."""

import contextlib
import importlib
import importlib.util
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.bench.measuring.case import Probabilities


def onnx_of_torch(module: Any, side: int, channels: int) -> Probabilities:
    """Returns a PyTorch module in onnxruntime, exported by PyTorch for any number of images.

    Args:
      module: uint8 images [B, C, H, W] → probabilities.
      side: H and W.
      channels: C.
    """
    import torch

    onnxruntime = importlib.import_module("onnxruntime")

    example = torch.zeros((2, channels, side, side), dtype=torch.uint8)
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        # The exporter prints its progress to standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(
                module,
                (example,),
                str(file),
                dynamic_shapes=({0: torch.export.Dim("faces")},),
                dynamo=True,
                verbose=False,
            )
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def probabilities(faces: np.ndarray) -> np.ndarray:
        images = np.ascontiguousarray(faces.transpose(0, 3, 1, 2))
        return np.asarray(session.run(None, {name: images})[0])

    return probabilities


def probabilities_module(network: Any) -> Any:
    """Returns a PyTorch module from uint8 images [B, C, H, W] to a network's probabilities."""
    import torch

    class Probability(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Any) -> Any:
            return self.network(images.float() / 255).softmax(-1)

    return Probability().eval()
