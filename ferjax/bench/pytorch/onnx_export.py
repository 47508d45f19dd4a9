"""PyTorch modules as ONNX files in onnxruntime: uint8 faces to probabilities."""

import contextlib
import importlib
import importlib.util
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

# uint8 [B, H, W, C] → probabilities float32 [B, K].
Probabilities = Callable[[np.ndarray], np.ndarray]

# The networks are built from torchvision's blocks.
_TORCH, _ONNX = ("torch", "torchvision"), ("onnx", "onnxruntime", "onnxscript")


def missing_pytorch() -> str | None:
    """Returns why there is no side of PyTorch, or None where there is one."""
    return _missing("PyTorch", _TORCH)


def missing_onnxruntime() -> str | None:
    """Returns why there is no side of onnxruntime, or None where there is one."""
    return _missing("onnxruntime", (*_TORCH, *_ONNX))


def _missing(runtime: str, packages: Sequence[str]) -> str | None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        needs = "needs" if len(missing) == 1 else "need"
        return (
            f"no side of {runtime}: {', '.join(missing)} {needs} to be installed:"
            " pip install 'ferjax[bench,parity]'"
        )
    if jax.default_backend() != "cpu":
        return f"no side of {runtime}: it would compute on the CPU, and ferjax on the device"
    return None


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
