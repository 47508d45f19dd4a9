"""Batches through Grain, random access by the step of a run or the number in an evaluation.

Grain costs some 50 µs an element whatever it holds: its elements are batches, and where batches are
small several of them, read at once and cut apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import grain
import numpy as np

from ferjax.data.pipeline.epoch_order import balanced_order, drawn_labels, shuffled_order
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

# Batches of one Grain element: up to 8, as far as they fit into these bytes.
_TOGETHER, _ELEMENT_BYTES = 8, 16 << 20
# What is read ahead bridges a pause of the disk, and is still in the processor's cache when used.
_AHEAD_BYTES = 8 << 20
_THREADS = 2


@dataclass(frozen=True)
class Shard:
    """The rows of each global batch that one process reads: part `index` of `count` equal parts."""

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> slice:
        """Returns the slice of a global batch of `batch_size` rows."""
        share = batch_size // self.count
        return slice(self.index * share, (self.index + 1) * share)


@dataclass(frozen=True)
class _Rows:
    """What a batch holds: positions int [B] in the split, mask bool [B], labels [N] if drawn."""

    positions: np.ndarray
    mask: np.ndarray
    labels: np.ndarray | None = None


def _read(split: Split, batches: Sequence[_Rows]) -> list[dict[str, Any]]:
    """Returns batches of equal size, all of their images and features from one read each."""
    positions = np.concatenate([rows.positions for rows in batches])
    features = None if split.features is None else split.features[positions]
    images, index = split.read(positions), positions.astype(np.int32)
    size, read = len(batches[0].positions), []
    for number, rows in enumerate(batches):
        part = slice(number * size, (number + 1) * size)
        labels = split.labels if rows.labels is None else rows.labels
        batch = {
            "image": images[part],
            "label": labels[rows.positions].astype(np.int32, copy=False),
            "mask": rows.mask,
            "index": index[part],
        }
        # Labels that were drawn from the targets stand for them.
        if split.targets is not None and rows.labels is None:
            batch["target"] = split.targets[rows.positions].astype(np.float32, copy=False)
        if features is not None:
            batch["feature"] = features[part]
        read.append(batch)
    return read


@dataclass(frozen=True)
class TrainBatches:
    """Training batches: element i is the batch of step i, following from (seed, i) alone.

    Each epoch is a permutation of its own; the remainder that fills no batch is left out of that
    epoch, and other images are left out of the next.

    Attributes:
      split: what to train on.
      batch_size: rows of the global batch.
      seed: of orders and drawn labels.
      epochs: how many to give.
      shard: the rows of this process.
      balance: each epoch draws as many images as the split has, with replacement, every class
        that occurs with equal probability, instead of a permutation.
      draw_labels: each epoch draws one label an image from its row of `split.targets`; batches then
        have that `label` and no `target`.

    Raises:
      UserError: `draw_labels` without targets.
    """

    split: Split
    batch_size: int
    seed: int
    epochs: int
    shard: Shard = Shard()
    balance: bool = False
    draw_labels: bool = False
    # An epoch in use → its order and labels: drawing them takes as long as a hundred gathers. Two,
    # as one thread may read the end of an epoch while another begins the next.
    _drawn: dict[int, tuple[np.ndarray, np.ndarray | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.draw_labels and self.split.targets is None:
            raise UserError(
                f"labels cannot be drawn: the {self.split.name} split has hard labels only. "
                "Expected a data set with soft labels, as ferplus has; leave the option out."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Returns the number of whole batches in the split."""
        return len(self.split) // self.batch_size

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __getitem__(self, step: int) -> dict[str, Any]:
        return _read(self.split, [self.rows(step)])[0]

    def rows(self, step: int) -> _Rows:
        """Returns what the batch of a step holds, without reading it."""
        epoch, number = divmod(int(step), self.steps_per_epoch)
        order, labels = self._drawn.get(epoch) or self._draw(epoch)
        positions = order[number * self.batch_size :][: self.batch_size]
        positions = positions[self.shard.rows(self.batch_size)]
        return _Rows(positions, np.ones(len(positions), bool), labels)

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        order = (
            balanced_order(self.split.labels, self.seed, epoch)
            if self.balance
            else shuffled_order(len(self.split), self.seed, epoch)
        )
        targets = self.split.targets if self.draw_labels else None
        drawn = order, None if targets is None else drawn_labels(targets, self.seed, epoch)
        for other in {*self._drawn} - {epoch - 1, epoch + 1}:
            self._drawn.pop(other, None)
        self._drawn[epoch] = drawn
        return drawn


@dataclass(frozen=True)
class EvalBatches:
    """Evaluation batches in the split's order; the last is padded with rows whose mask is False."""

    split: Split
    batch_size: int
    shard: Shard = Shard()

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return _read(self.split, [self.rows(number)])[0]

    def rows(self, number: int) -> _Rows:
        """Returns what a batch holds, without reading it."""
        positions = np.arange(self.batch_size) + int(number) * self.batch_size
        positions = positions[self.shard.rows(self.batch_size)]
        mask = positions < len(self.split)
        return _Rows(np.where(mask, positions, 0), mask)


@dataclass(frozen=True)
class _Groups:
    """A Grain source of lists of `size` batches from `start` on; the first list has one alone."""

    batches: TrainBatches | EvalBatches
    start: int
    size: int

    def __len__(self) -> int:
        left = len(self.batches) - self.start
        return 1 + -(-(left - 1) // self.size) if left > 0 else 0

    def __getitem__(self, number: int) -> list[dict[str, Any]]:
        end = self.start + int(number) * self.size + 1
        steps = range(max(self.start, end - self.size), min(end, len(self.batches)))
        return _read(self.batches.split, [self.batches.rows(step) for step in steps])


def iterate(batches: TrainBatches | EvalBatches, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yields the batches from element `start` on, read ahead in threads.

    Batches are dictionaries of this process's rows: `image` uint8 [B, H, W, C], `label` int32 [B],
    `mask` bool [B], `index` int32 [B] (position in the split) and, where the split has soft labels,
    `target` float32 [B, K], where it has features, `feature` float32 [B, V, ...].

    Raises:
      UserError: from the split's `read`, for an image that cannot be read.
    """
    split, rows = batches.split, batches.batch_size // batches.shard.count
    features = 0 if split.features is None else 4 * prod(split.features.shape[1:])
    nbytes = rows * (prod(split.shape) + features)
    together = min(_TOGETHER, max(1, _ELEMENT_BYTES // max(1, nbytes)))
    ahead = min(8, max(2, _AHEAD_BYTES // max(1, together * nbytes)))
    source: Any = _Groups(batches, start, together)
    # Gathers from a store let go of the interpreter lock; decoding has threads of its own.
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=ahead)
    for group in grain.MapDataset.source(source).to_iter_dataset(options):
        yield from group
