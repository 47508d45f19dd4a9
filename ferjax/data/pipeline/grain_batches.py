"""Training and evaluation batches through Grain, with random access by step.

Grain takes about 50 µs per element of any size. So an element is a batch, or several small batches
that are read at once and then divided.
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

# A Grain element has up to this many batches, if they fit into this many bytes.
_BATCHES_PER_ELEMENT, _ELEMENT_BYTES = 8, 16 << 20
# Bytes read ahead: enough for a pause of the disk, few enough to stay in the processor's cache.
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
class _BatchRows:
    """Rows of a batch: positions int [B] in the split, mask bool [B], labels [N] if drawn."""

    positions: np.ndarray
    mask: np.ndarray
    labels: np.ndarray | None = None


def _read_batches(split: Split, batches: Sequence[_BatchRows]) -> list[dict[str, Any]]:
    """Returns batches of equal size; images and features are read once for all of them."""
    positions = np.concatenate([rows.positions for rows in batches])
    features = None if split.features is None else split.features[positions]
    images, index = split.read(positions), positions.astype(np.int32)
    size, filled_batches = len(batches[0].positions), []
    for number, rows in enumerate(batches):
        part = slice(number * size, (number + 1) * size)
        labels = split.labels if rows.labels is None else rows.labels
        batch = {
            "image": images[part],
            "label": labels[rows.positions].astype(np.int32, copy=False),
            "mask": rows.mask,
            "index": index[part],
        }
        # Labels that were drawn from the targets replace the targets.
        if split.targets is not None and rows.labels is None:
            batch["target"] = split.targets[rows.positions].astype(np.float32, copy=False)
        if features is not None:
            batch["feature"] = features[part]
        filled_batches.append(batch)
    return filled_batches


@dataclass(frozen=True)
class TrainBatches:
    """Training batches: element i is the batch of step i and depends only on (seed, i).

    Each epoch has a different permutation. The remainder that does not fill a batch is left out of
    that epoch; in the next epoch other images are left out.

    Attributes:
      split: the training split.
      batch_size: rows of the global batch.
      seed: seed of orders and drawn labels.
      epochs: number of epochs.
      shard: the rows of this process.
      balance: each epoch draws as many images as the split has, with replacement, every class
        that occurs with equal probability, instead of a permutation.
      draw_labels: each epoch draws one label for each image from its row of `split.targets`;
        batches then have that `label` and no `target`.

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
    # Epoch → its order and labels. They are kept, because drawing them takes as long as reading a
    # hundred batches; for two epochs, because one thread may start the next epoch before another
    # has read the end of this one.
    _drawn: dict[int, tuple[np.ndarray, np.ndarray | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.draw_labels and self.split.targets is None:
            raise UserError(
                f"labels cannot be drawn: the {self.split.name} split has hard labels only. "
                "Expected a data set with soft labels, as ferplus has; give other --labels."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Returns the number of whole batches in the split."""
        return len(self.split) // self.batch_size

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __getitem__(self, step: int) -> dict[str, Any]:
        return _read_batches(self.split, [self.rows(step)])[0]

    def rows(self, step: int) -> _BatchRows:
        """Returns the rows of the batch of a step, without reading images."""
        epoch, number = divmod(int(step), self.steps_per_epoch)
        order, labels = self._drawn.get(epoch) or self._draw(epoch)
        positions = order[number * self.batch_size :][: self.batch_size]
        positions = positions[self.shard.rows(self.batch_size)]
        return _BatchRows(positions, np.ones(len(positions), bool), labels)

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Draws and keeps the order of an epoch, and its labels if they are drawn."""
        order = (
            balanced_order(self.split.labels, self.seed, epoch)
            if self.balance
            else shuffled_order(len(self.split), self.seed, epoch)
        )
        targets = self.split.targets if self.draw_labels else None
        drawn = order, None if targets is None else drawn_labels(targets, self.seed, epoch)
        for old_epoch in {*self._drawn} - {epoch - 1, epoch + 1}:
            self._drawn.pop(old_epoch, None)
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
        return _read_batches(self.split, [self.rows(number)])[0]

    def rows(self, number: int) -> _BatchRows:
        """Returns the rows of a batch, without reading images."""
        positions = np.arange(self.batch_size) + int(number) * self.batch_size
        positions = positions[self.shard.rows(self.batch_size)]
        mask = positions < len(self.split)
        return _BatchRows(np.where(mask, positions, 0), mask)


@dataclass(frozen=True)
class _BatchGroups:
    """A Grain source of lists of `size` batches from batch `start` on; the first list has one."""

    batches: TrainBatches | EvalBatches
    start: int
    size: int

    def __len__(self) -> int:
        remaining = len(self.batches) - self.start
        return 1 + -(-(remaining - 1) // self.size) if remaining > 0 else 0

    def __getitem__(self, number: int) -> list[dict[str, Any]]:
        end = self.start + int(number) * self.size + 1
        steps = range(max(self.start, end - self.size), min(end, len(self.batches)))
        return _read_batches(self.batches.split, [self.batches.rows(step) for step in steps])


def iterate(batches: TrainBatches | EvalBatches, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yields the batches from element `start` on, read ahead in threads.

    Batches are dictionaries of this process's rows: `image` uint8 [B, H, W, C], `label` int32 [B],
    `mask` bool [B], `index` int32 [B] (position in the split); `target` float32 [B, K] if the split
    has soft labels, and `feature` float32 [B, V, ...] if it has features.

    Raises:
      UserError: from the split's `read`, for an image that cannot be read.
    """
    split, rows = batches.split, batches.batch_size // batches.shard.count
    features = 0 if split.features is None else 4 * prod(split.features.shape[1:])
    nbytes = rows * (prod(split.shape) + features)
    batches_per_element = min(_BATCHES_PER_ELEMENT, max(1, _ELEMENT_BYTES // max(1, nbytes)))
    elements_ahead = min(8, max(2, _AHEAD_BYTES // max(1, batches_per_element * nbytes)))
    source: Any = _BatchGroups(batches, start, batches_per_element)
    # Reading from a store releases the interpreter lock; decoding uses its own threads.
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=elements_ahead)
    for group in grain.MapDataset.source(source).to_iter_dataset(options):
        yield from group
