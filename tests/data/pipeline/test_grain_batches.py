"""Batches: permutations by seed, shards, padding, random access, drawn labels, errors."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.pipeline import grain_batches
from ferjax.data.pipeline.epoch_order import drawn_labels
from ferjax.data.pipeline.grain_batches import (
    EvalBatches,
    Shard,
    TrainBatches,
    iterate,
)
from ferjax.data.splits.split import Split, join_splits, subset, without_images
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


def soft(count: int) -> Split:
    """Returns `numbered` with targets: image i is of class i mod 7 or the next, three to one."""
    split, targets = numbered(count), np.zeros((count, 7), np.float32)
    targets[np.arange(count), split.labels] = 0.75
    targets[np.arange(count), (split.labels + 1) % 7] = 0.25
    return replace(split, targets=targets)


def featured(count: int) -> Split:
    """Returns `soft` with two vectors of features an image, unlike any other image's."""
    features = np.arange(count * 2 * 3, dtype=np.float32).reshape(count, 2, 3)
    return replace(soft(count), features=features)


KINDS: dict[str, Callable[[int, int], TrainBatches | EvalBatches]] = {
    "train": lambda size, seed: TrainBatches(soft(45), size, seed, epochs=3),
    "balanced": lambda size, seed: TrainBatches(soft(45), size, seed, epochs=3, balance=True),
    "drawn": lambda size, seed: TrainBatches(soft(45), size, seed, epochs=3, draw_labels=True),
    "eval": lambda size, seed: EvalBatches(soft(45), size),
    "features": lambda size, seed: TrainBatches(featured(45), size, seed, epochs=3),
    "features, eval": lambda size, seed: EvalBatches(featured(45), size),
}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([*KINDS]),
    st.integers(1, 12),
    st.integers(0, 2**40),
    st.floats(0, 1),
    st.integers(1, 40),
)
def test_a_resumed_run_gets_the_batches_of_the_whole_run(
    kind: str, size: int, seed: int, share: float, together: int
) -> None:
    whole = list(iterate(KINDS[kind](size, seed)))
    start = int(share * len(whole))
    # Batches do not depend on the batches per element or on the order of requests.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grain_batches, "_BATCHES_PER_ELEMENT", together)
        found = list(iterate(KINDS[kind](size, seed), start))
    again = KINDS[kind](size, seed)
    chosen = [again[i] for i in reversed(range(start, len(again)))][::-1]
    assert len(whole) == len(again)
    for one, other, third in zip(found, chosen, whole[start:], strict=True):
        assert_same(one, other)
        assert_same(one, third)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*KINDS]), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_shards_together_are_the_whole_batch_in_order(
    kind: str, count: int, share: int, step: int
) -> None:
    whole = KINDS[kind](share * count, 5)
    parts = [replace(whole, shard=Shard(index, count)) for index in range(count)]
    step %= len(whole)
    assert_same(joined([part[step] for part in parts]), whole[step])


def test_targets_stay_with_their_images() -> None:
    split = soft(21)
    for batches in (TrainBatches(split, 6, 0, epochs=2), EvalBatches(split, 6)):
        for batch in iterate(batches):
            assert batch["target"].dtype == np.float32
            np.testing.assert_array_equal(batch["target"], split.targets[batch["index"]])
    assert "target" not in TrainBatches(numbered(21), 6, 0, epochs=2)[0]


def batches_of(split: Split) -> list[TrainBatches | EvalBatches]:
    return [TrainBatches(split, 6, 0, epochs=2), EvalBatches(split, 6)]


def test_features_stay_with_their_images() -> None:
    split = featured(21)
    assert isinstance(split.features, np.ndarray)
    for batches in batches_of(split):
        for batch in iterate(batches):
            assert batch["feature"].dtype == np.float32
            np.testing.assert_array_equal(batch["feature"], split.features[batch["index"]])
            np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], batch["index"])
    assert "feature" not in TrainBatches(soft(21), 6, 0, epochs=2)[0]


def test_parts_of_splits_gather_only_what_is_asked_for(tmp_path: Path) -> None:
    # Mapped 64 GiB, almost all of them a hole.
    count, row = 1 << 15, (1, 1 << 19)
    (tmp_path / "f").touch()
    os.truncate(tmp_path / "f", 4 * count * row[1])
    features = np.memmap(tmp_path / "f", np.float32, "r+", shape=(count, *row))
    features[5, 0, 7], features[-1, 0, 7] = 5, 9
    labels, ids = np.zeros(count, np.int32), ("",) * count
    split = Split("train", labels, ids, (1, 1, 1), failing, features=features)
    backwards = subset(split, np.arange(count)[::-1])
    part = subset(backwards, np.array([count - 6, 0]))
    assert part.features is not None
    assert (len(part.features), part.features.shape) == (2, (2, *row))
    batch = EvalBatches(without_images(part), 3)[0]
    assert batch["feature"][:, 0, 7].tolist() == [5, 9, 5]
    assert batch["feature"].sum() == 19
    both = join_splits([part, backwards], "both")
    assert both.features is not None
    assert both.features.shape == (count + 2, *row)
    assert both.features[np.array([2, 1, 3, count - 4])][:, 0, 7].tolist() == [9, 9, 0, 5]
    assert join_splits([part, replace(split, features=None)], "both").features is None


def test_a_split_without_images_keeps_the_rest() -> None:
    split = featured(21)
    bare = without_images(replace(split, read=failing))
    assert bare.shape == (1, 1, 1)
    for one, other in zip(batches_of(bare), batches_of(split), strict=True):
        for batch, whole in zip(iterate(one), iterate(other), strict=True):
            assert batch["image"].dtype == np.uint8
            assert not batch["image"].any()
            assert batch["image"].shape == (6, 1, 1, 1)
            assert_same({**batch, "image": 0}, {**whole, "image": 0})


def test_bytes_of_features_bound_what_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(rows: np.ndarray) -> np.ndarray:
        read.append(len(rows))
        return np.zeros((len(rows), 1, 1, 1), np.uint8)

    split = replace(without_images(featured(48)), read=counting)
    # Four images of 1 + 24 bytes are a hundred: three batches fit.
    monkeypatch.setattr(grain_batches, "_ELEMENT_BYTES", 300)
    # One thread, so that reads are recorded in their order.
    monkeypatch.setattr(grain_batches, "_THREADS", 1)
    list(iterate(EvalBatches(split, 4)))
    # The first batch is read alone, so that it is available early.
    assert read == [4, 12, 12, 12, 8]


def test_balanced_epochs_show_classes_alike() -> None:
    labels = np.repeat([0, 2, 5], [4000, 400, 40]).astype(np.int32)
    split = replace(numbered(7), labels=labels, ids=tuple(map(str, range(4440))))
    split = replace(split, read=lambda rows: np.zeros((len(rows), 2, 3, 1), np.uint8))
    batches = TrainBatches(split, 444, 1, epochs=2, balance=True)
    epochs = [joined([batches[10 * e + i] for i in range(10)]) for e in range(2)]
    for epoch in epochs:
        counts = np.bincount(epoch["label"], minlength=6)
        assert counts[[1, 3, 4]].sum() == 0
        # Each count is binomial(4440, 1/3), with a standard deviation of 31.
        assert np.abs(counts[[0, 2, 5]] - 1480).max() < 160
        np.testing.assert_array_equal(epoch["label"], labels[epoch["index"]])
        # Within a class too all images are alike: 37 draws each of the rarest.
        assert np.bincount(epoch["index"], minlength=4440)[4400:].min() > 10
    assert not np.array_equal(epochs[0]["index"], epochs[1]["index"])


def test_drawn_labels_follow_the_targets() -> None:
    split = soft(7)
    batches = TrainBatches(split, 7, 3, epochs=4000, draw_labels=True)
    drawn = np.zeros((7, 7))
    for step in range(4000):
        batch = batches[step]
        assert "target" not in batch
        assert batch["label"].dtype == np.int32
        drawn[batch["index"], batch["label"]] += 1
    assert split.targets is not None
    # The standard deviation is sqrt(4000 * 0.75 * 0.25) = 27.
    assert np.abs(drawn - 4000 * split.targets).max() < 140
    assert (drawn[split.targets == 0] == 0).all()


def test_an_image_has_one_label_an_epoch_in_any_order() -> None:
    split = soft(45)
    plain = TrainBatches(split, 45, 3, epochs=2, draw_labels=True)
    balanced = replace(plain, balance=True)
    for epoch in range(2):
        label = dict(zip(plain[epoch]["index"].tolist(), plain[epoch]["label"], strict=True))
        batch = balanced[epoch]
        assert [label[i] for i in batch["index"].tolist()] == batch["label"].tolist()
    assert (np.sort(plain[0]["index"]) == np.sort(plain[1]["index"])).all()


def test_labels_are_drawn_from_targets_only() -> None:
    with pytest.raises(UserError, match="the train split has hard labels only"):
        TrainBatches(numbered(9), 3, 0, epochs=1, draw_labels=True)


@given(st.integers(0, 9), st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_drawn_labels_have_a_positive_target(seed: int, votes: list[int]) -> None:
    targets = np.array([votes, votes[::-1]], np.float32) + 0
    targets[:, 0] += 1e-3
    labels = drawn_labels(np.tile(targets / 7, (20, 1)), seed, 0)
    assert (np.tile(targets, (20, 1))[np.arange(40), labels] > 0).all()


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
