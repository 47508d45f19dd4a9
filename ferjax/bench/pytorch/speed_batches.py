"""Batches of PyTorch's sides of the suite `speedrun`: a DataLoader, or faces on the device."""

from collections.abc import Iterator
from typing import Any

from ferjax.bench.measuring.fixed_recipe import scaled_shift
from ferjax.bench.pytorch.speed_recipes import TorchRecipe

# Faces that are resized at once.
_CHUNK = 4096


def smaller_faces(images: Any, side: int) -> Any:
    """Returns faces uint8 [N, 1, side, side], resized with antialiasing."""
    import torch
    from torch.nn import functional

    if images.shape[-1] == side:
        return images
    parts = [
        functional.interpolate(part.float(), (side, side), mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for part in images.split(_CHUNK)
    ]
    return torch.cat(parts)


def mirrored_faces(flip: str, count: int, seed: int, epoch: int) -> Any:
    """Returns which faces are mirrored in an epoch, bool [count]; `flip` as in the recipes."""
    import torch

    if flip == "none":
        return torch.zeros(count, dtype=torch.bool)
    # The alternating flip has the same draw in all epochs.
    draw = torch.Generator().manual_seed(seed if flip == "alternating" else 1000 * seed + epoch)
    mirrored = torch.rand(count, generator=draw) < 0.5
    return mirrored ^ (flip == "alternating" and epoch % 2 == 1)


def loader_batches(images: Any, labels: Any, recipe: TorchRecipe) -> Iterator[tuple[Any, Any]]:
    """Yields the batches of an epoch from a DataLoader, each face mirrored with probability 1/2."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(images, labels)
    for batch, targets in DataLoader(data, recipe.batch_size, shuffle=True, drop_last=True):
        mirrored = torch.rand(len(batch), 1, 1, 1, device=batch.device) < 0.5
        yield torch.where(mirrored, batch.flip(-1), batch), targets


def resident_batches(
    images: Any, labels: Any, recipe: TorchRecipe, seed: int, epoch: int
) -> Iterator[tuple[Any, Any]]:
    """Yields the batches of an epoch, shifted and mirrored as ferjax's side does it.

    Args:
      images: uint8 [N, 1, S, S] on the device.
      labels: int64 [N] on the device.
      recipe: the recipe.
      seed: the seed of the run.
      epoch: number of the epoch, from 0.
    """
    import torch
    from torch.nn import functional

    count, side, device = len(labels), images.shape[-1], images.device
    shift = scaled_shift(recipe.shift, side)
    padded = functional.pad(images.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
    order = torch.randperm(count).to(device)
    mirrored = mirrored_faces(recipe.flip, count, seed, epoch).to(device)
    positions = torch.arange(side, device=device)
    for first in range(0, count - recipe.batch_size + 1, recipe.batch_size):
        rows = order[first : first + recipe.batch_size]
        top, left = torch.randint(0, 2 * shift + 1, (2, len(rows), 1), device=device)
        down, right = (top + positions)[:, :, None], (left + positions)[:, None, :]
        batch = padded[rows[:, None, None], 0, down, right][:, None]
        yield torch.where(mirrored[rows][:, None, None, None], batch.flip(-1), batch), labels[rows]
