"""The PyTorch side of suite `input`: DataLoader over images in memory and over files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.bench.case import Run


class TorchItems:
    """A map-style data set of PyTorch: item i is (pixels, label) of image i, or of a list of them.

    Workers are spawned and unpickle it, so it is a class of this module.
    """

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        import torch

        return self.images[index], torch.as_tensor(index)


class TorchFiles:
    """A map-style data set of PyTorch that decodes a file an item."""

    def __init__(self, paths: Sequence[Path], mode: str) -> None:
        self.paths, self.mode = paths, mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        with Image.open(self.paths[index]) as file:
            return torch.from_numpy(np.array(file.convert(self.mode))), 0


def item_loader(images: np.ndarray, batch_size: int, workers: int) -> Run:
    """Returns an epoch over images in memory [N, ...], one an item, collated by PyTorch."""
    import torch

    items = TorchItems(torch.from_numpy(images))
    return _loader(items, workers, batch_size=batch_size, shuffle=True, drop_last=True)


def gather_loader(images: np.ndarray, batch_size: int, workers: int) -> Run:
    """Returns an epoch over images in memory [N, ...], each item a gather of a whole batch."""
    import torch
    from torch.utils.data import BatchSampler, RandomSampler

    items = TorchItems(torch.from_numpy(images))
    sampler = BatchSampler(RandomSampler(range(len(images))), batch_size, drop_last=True)
    return _loader(items, workers, batch_size=None, sampler=sampler)


def file_loader(paths: Sequence[Path], mode: str, batch_size: int, workers: int) -> Run:
    """Returns an epoch over files decoded by Pillow in `mode`, one an item."""
    files = TorchFiles(paths, mode)
    return _loader(files, workers, batch_size=batch_size, shuffle=True, drop_last=True)


def _loader(dataset: Any, workers: int, **how: Any) -> Run:
    from torch.utils.data import DataLoader

    if workers:
        how |= dict(num_workers=workers, persistent_workers=True, multiprocessing_context="spawn")
    loader = DataLoader(dataset, **how)

    def run() -> None:
        for _ in loader:
            pass

    return run
