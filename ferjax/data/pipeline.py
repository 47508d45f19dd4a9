"""Batches through Grain: a source whose element i is the i-th whole batch of a run or evaluation.

Grain costs some 50 µs an element whatever it holds, so its elements are batches, each one gather.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np

from ferjax.data.split import Split

# One reader thread: decoding holds the interpreter lock, and more threads are slower. The buffer
# bridges a checkpoint's or a slow disk's pause.
_READ_OPTIONS = grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)


@dataclass(frozen=True)
class Shard:
    """The rows of each global batch that one process reads: part `index` of `count` equal parts."""

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> slice:
        """Returns the slice of a global batch of `batch_size` rows."""
        share = batch_size // self.count
        return slice(self.index * share, (self.index + 1) * share)


def _batch(split: Split, positions: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    return {
        "image": split.read(positions),
        "label": split.labels[positions].astype(np.int32),
        "mask": mask,
        "index": positions.astype(np.int32),
    }


@dataclass(frozen=True)
class TrainBatches:
    """Training batches: element i is the batch of step i, following from (seed, i) alone.

    Each epoch is a permutation of its own; the remainder that fills no batch is left out of that
    epoch, and other images are left out of the next.
    """

    split: Split
    batch_size: int
    seed: int
    epochs: int
    shard: Shard = Shard()

    @property
    def steps_per_epoch(self) -> int:
        """Returns the number of whole batches in the split."""
        return len(self.split) // self.batch_size

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __getitem__(self, step: int) -> dict[str, Any]:
        epoch, position = divmod(int(step), self.steps_per_epoch)
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        order = generator.permutation(len(self.split))
        positions = order[position * self.batch_size :][: self.batch_size]
        positions = positions[self.shard.rows(self.batch_size)]
        return _batch(self.split, positions, np.ones(len(positions), bool))


@dataclass(frozen=True)
class EvalBatches:
    """Evaluation batches in the split's order; the last is padded with rows whose mask is False."""

    split: Split
    batch_size: int
    shard: Shard = Shard()

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, number: int) -> dict[str, Any]:
        positions = np.arange(self.batch_size) + int(number) * self.batch_size
        positions = positions[self.shard.rows(self.batch_size)]
        mask = positions < len(self.split)
        return _batch(self.split, np.where(mask, positions, 0), mask)


def iterate(batches: TrainBatches | EvalBatches, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yields the batches from element `start` on, read ahead in a thread.

    Batches are dictionaries of this process's rows: `image` uint8 [B, H, W, C], `label` int32 [B],
    `mask` bool [B], `index` int32 [B] (position in the split).

    Raises:
      UserError: from the split's `read`, for an image that cannot be read.
    """
    source: Sequence[Any] = batches  # pyright: ignore[reportAssignmentType]
    dataset = grain.MapDataset.source(source)[start:]
    yield from dataset.to_iter_dataset(_READ_OPTIONS)
