"""PyTorch and onnxruntime as predictors: uint8 faces to probabilities, in the usual code."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.bench.measuring.case import Probabilities
from ferjax.bench.prediction.networks import MeasuredNetwork
from ferjax.bench.pytorch.data_loaders import decode_file
from ferjax.bench.pytorch.onnx_export import onnx_of_torch, probabilities_module
from ferjax.data.decoding.usable_cores import usable_cores


def torch_probabilities(network: MeasuredNetwork, *, channels_last: bool) -> Probabilities:
    """Returns the network in PyTorch, in the memory format channels_last or contiguous."""
    import torch

    module, layout = _module(network), _layout(channels_last)
    module = module.to(memory_format=layout)

    def probabilities(faces: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            images = torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous(memory_format=layout)
            return module(images).numpy()

    return probabilities


def torch_onnx_probabilities(network: MeasuredNetwork) -> Probabilities:
    """Returns the network in onnxruntime, exported by PyTorch, with the default options."""
    return onnx_of_torch(_module(network), network.side, network.channels)


def loop_over_files(
    probabilities: Probabilities, paths: Sequence[Path], channels: int, batch_size: int
) -> np.ndarray:
    """Returns the probabilities of files; threads decode the next batch during the computation."""
    with ThreadPoolExecutor(1) as prefetch, ThreadPoolExecutor(usable_cores()) as pool:

        def decode(first: int) -> np.ndarray:
            part = paths[first : first + batch_size]
            mode = "L" if channels == 1 else "RGB"
            faces = np.stack(list(pool.map(lambda path: decode_file(path, mode), part)))
            return faces if faces.ndim == 4 else faces[..., None]

        def batches() -> Iterator[np.ndarray]:
            next_faces = prefetch.submit(decode, 0)
            for first in range(batch_size, len(paths), batch_size):
                faces, next_faces = next_faces.result(), prefetch.submit(decode, first)
                yield faces
            yield next_faces.result()

        return np.concatenate([probabilities(faces) for faces in batches()])


def _module(network: MeasuredNetwork) -> Any:
    """Returns the PyTorch module from uint8 images [B, C, H, W] to probabilities."""
    return probabilities_module(network.twin())


def _layout(channels_last: bool) -> Any:
    import torch

    return torch.channels_last if channels_last else torch.contiguous_format
