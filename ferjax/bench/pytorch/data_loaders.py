"""PyTorch DataLoader and plain Pillow decoding: the peers of suite `input`.

Spawned workers import this module, so it imports little.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.bench.measuring.case import Run


class TorchItems:
    """A map-style data set of PyTorch: item i is (pixels, label) of an image or a list of images.

    Spawned workers unpickle it, so it is a class of this module.
    """

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        import torch

        return self.images[index], torch.as_tensor(index)


def decode_file(path: Path, mode: str) -> np.ndarray:
    """Decodes a file with Pillow and nothing else; returns uint8 [H, W] or [H, W, 3]."""
    with Image.open(path) as file:
        return np.asarray(file if file.mode == mode else file.convert(mode))


def decode_files(paths: Sequence[Path], mode: str) -> None:
    """Decodes files and discards their pixels."""
    for path in paths:
        decode_file(path, mode)


class TorchFiles:
    """A map-style data set of PyTorch that decodes one file per item, or a list of files."""

    def __init__(self, paths: Sequence[Path], mode: str) -> None:
        self.paths, self.mode = paths, mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        import torch

        if isinstance(index, int):
            return torch.from_numpy(np.array(decode_file(self.paths[index], self.mode))), 0
        pixels = np.stack([decode_file(self.paths[k], self.mode) for k in index])
        return torch.from_numpy(pixels), torch.zeros(len(index))


def item_loader(images: np.ndarray, batch_size: int, workers: int) -> Run:
    """Returns an epoch over images in memory [N, ...], one image per item, collated by PyTorch."""
    import torch

    items = TorchItems(torch.from_numpy(images))
    return _loader(items, workers, batch_size=batch_size, shuffle=True, drop_last=True)


def gather_loader(images: np.ndarray, batch_size: int, workers: int) -> Run:
    """Returns an epoch over images in memory [N, ...], a whole batch per item."""
    import torch

    items = TorchItems(torch.from_numpy(images))
    return _loader(items, workers, batch_size=None, sampler=_batches(len(images), batch_size))


def file_loader(
    paths: Sequence[Path], mode: str, batch_size: int, workers: int, whole: bool = False
) -> Run:
    """Returns an epoch over files that Pillow decodes in `mode`.

    An item is one file, or a `whole` batch of files.
    """
    files = TorchFiles(paths, mode)
    if not whole:
        return _loader(files, workers, batch_size=batch_size, shuffle=True, drop_last=True)
    return _loader(files, workers, batch_size=None, sampler=_batches(len(paths), batch_size))


def _batches(count: int, batch_size: int) -> Any:
    from torch.utils.data import BatchSampler, RandomSampler

    return BatchSampler(RandomSampler(range(count)), batch_size, drop_last=True)


def _loader(dataset: Any, workers: int, **options: Any) -> Run:
    from torch.utils.data import DataLoader

    if workers:
        options |= dict(
            num_workers=workers, persistent_workers=True, multiprocessing_context="spawn"
        )
    loader = DataLoader(dataset, **options)

    def run() -> None:
        for _ in loader:
            pass

    return run
