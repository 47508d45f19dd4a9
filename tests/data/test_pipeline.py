"""Batches: permutations that follow from the seed, shards, padding, random access, errors."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.data.pipeline import EvalBatches, Shard, TrainBatches, iterate
from ferjax.data.split import Split
from ferjax.errors import UserError


def numbered(count: int) -> Split:
    """Returns a split whose image i is filled with i, of class i mod 7."""
    labels = (np.arange(count) % 7).astype(np.int32)
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    ids = tuple(map(str, range(count)))
    return Split("train", labels, ids, (2, 3, 1), lambda indices: images[indices])


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_rows_belong_together(batch: dict[str, Any]) -> None:
    assert {name: value.dtype.name for name, value in batch.items()} == {
        "image": "uint8",
        "label": "int32",
        "mask": "bool",
        "index": "int32",
    }
    np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], batch["index"])
    np.testing.assert_array_equal(batch["label"], batch["index"] % 7)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**40))
def test_an_epoch_shows_no_image_twice(count: int, batch_size: int, seed: int) -> None:
    batches = TrainBatches(numbered(count), min(batch_size, count), seed, epochs=2)
    steps = batches.steps_per_epoch
    assert (len(batches), steps) == (2 * steps, count // batches.batch_size)
    for epoch in range(2):
        batch = joined([batches[epoch * steps + step] for step in range(steps)])
        assert_rows_belong_together(batch)
        assert batch["mask"].all()
        assert len(set(batch["index"].tolist())) == steps * batches.batch_size


def test_epochs_and_seeds_order_the_images_differently() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(TrainBatches(numbered(50), 50, seed, epochs=3)[epoch]["index"])

    orders = {order(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(o) == list(range(50)) for o in orders)
    assert order(2, 1) == order(2, 1)


def test_images_left_out_of_one_epoch_come_in_others() -> None:
    batches = TrainBatches(numbered(10), 7, 0, epochs=8)
    assert set(np.concatenate([batches[i]["index"] for i in range(8)])) == set(range(10))


@pytest.mark.parametrize("start", [0, 1, 3, 7, 8])
def test_iteration_is_random_access_from_any_start(start: int) -> None:
    batches = TrainBatches(numbered(21), 5, 3, epochs=2)
    expected = [batches[i] for i in reversed(range(start, len(batches)))][::-1]
    found = list(iterate(batches, start))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("kind", ["train", "eval"])
def test_shards_together_are_the_whole_batch_in_order(kind: str, count: int) -> None:
    batches: dict[str, TrainBatches | EvalBatches] = {
        "train": TrainBatches(numbered(27), 8, 5, epochs=2),
        "eval": EvalBatches(numbered(27), 8),
    }
    whole = batches[kind]
    parts = [replace(whole, shard=Shard(index, count)) for index in range(count)]
    for i in range(len(whole)):
        assert_same(joined([part[i] for part in parts]), whole[i])


@given(st.integers(1, 40), st.integers(1, 40))
def test_evaluation_covers_every_image_once_in_order(count: int, batch_size: int) -> None:
    batches = EvalBatches(numbered(count), batch_size)
    every = [batches[i] for i in range(len(batches))]
    assert all(len(batch["image"]) == batch_size for batch in every)
    batch = joined(every)
    assert_rows_belong_together(batch)
    assert batch["index"][batch["mask"]].tolist() == list(range(count))
    # Padding comes last, and less than a batch of it.
    assert batch["mask"].tolist() == sorted(batch["mask"].tolist(), reverse=True)
    assert len(batch["mask"]) - count < batch_size


def failing(indices: np.ndarray) -> np.ndarray:
    if 9 in indices:
        raise UserError("faces/0009.png: not an image. Delete it, or download it anew.")
    return np.zeros((len(indices), 2, 3, 1), np.uint8)


@pytest.mark.parametrize(
    "make", [lambda s: EvalBatches(s, 4), lambda s: TrainBatches(s, 4, 0, epochs=1)]
)
def test_an_unreadable_image_is_the_users_error(make: Callable[[Split], Any]) -> None:
    batches = iterate(make(replace(numbered(16), read=failing)))
    with pytest.raises(UserError, match=r"^faces/0009\.png: not an image\."):
        list(batches)
