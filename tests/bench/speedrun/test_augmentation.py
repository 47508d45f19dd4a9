"""Flip, shift and smaller faces against plain numpy and Pillow; the plan of an epoch."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ferjax.bench.speedrun import epoch
from ferjax.bench.speedrun.augmentation import (
    cut_batch,
    mirrored_faces,
    padded_faces,
    smaller_faces,
)
from ferjax.bench.speedrun.epoch import plan_epoch
from ferjax.bench.speedrun.recipes import SpeedRecipe

KEY = jax.random.key(3)


def test_alternating_flip_mirrors_each_face_in_every_second_epoch() -> None:
    epochs = np.stack([mirrored_faces("alternating", KEY, 400, number) for number in range(4)])
    assert (epochs[0] ^ epochs[1]).all()
    np.testing.assert_array_equal(epochs[0], epochs[2])
    np.testing.assert_array_equal(epochs[1], epochs[3])
    assert 150 < epochs[0].sum() < 250


def test_random_flip_is_drawn_anew_in_each_epoch() -> None:
    first, second = (np.asarray(mirrored_faces("random", KEY, 400, e)) for e in (0, 1))
    assert 150 < (first ^ second).sum() < 250
    assert not np.asarray(mirrored_faces("none", KEY, 400, 0)).any()


def test_shifted_and_mirrored_faces_equal_numpys() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    rows = np.array([4, 0, 5, 4], np.int32)
    offsets = np.array([[0, 0], [2, 2], [4, 1], [3, 4]], np.int32)
    mirrored = np.array([False, True, True, False])
    padded = padded_faces(jnp.asarray(images), 2)
    batch = np.asarray(
        cut_batch(padded, jnp.asarray(rows), jnp.asarray(offsets), jnp.asarray(mirrored), 8)
    )
    for row, (top, left), mirror, face in zip(rows, offsets, mirrored, batch, strict=True):
        wide = np.pad(images[row, ..., 0], 2, "reflect")
        expected = wide[top : top + 8, left : left + 8]
        expected = expected[:, ::-1] if mirror else expected
        np.testing.assert_array_equal(face[..., 0], expected)
    # The middle window is the face itself.
    np.testing.assert_array_equal(batch[1], images[0][:, ::-1])


def test_smaller_faces_are_those_of_pillow() -> None:
    smooth = np.random.default_rng(0).normal(size=(2, 48, 48)).cumsum(1).cumsum(2)
    images = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)[..., None]
    found = smaller_faces(jnp.asarray(images), 24)
    assert found.dtype == jnp.uint8
    for face, image in zip(np.asarray(found), images, strict=True):
        expected = Image.fromarray(image[..., 0]).resize((24, 24), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(face[..., 0], np.asarray(expected), atol=1)
    assert smaller_faces(jnp.asarray(images), 48).shape == images.shape


def test_an_epoch_takes_each_face_at_most_once() -> None:
    recipe = SpeedRecipe(batch_size=8)
    plans = [plan_epoch(number, 2, recipe=recipe, count=30, seed=0) for number in (0, 1)]
    for plan in plans:
        assert plan.order.shape == (3, 8)
        assert len({*np.asarray(plan.order).ravel().tolist()} & {*range(30)}) == 24
        assert {*np.asarray(plan.offsets).ravel().tolist()} == {0, 1, 2, 3, 4}
        assert plan.offsets.shape == (30, 1, 2)
    assert (plans[0].order != plans[1].order).any()
    assert (plans[0].mirrored ^ plans[1].mirrored).all()


def test_versions_of_a_face_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = SpeedRecipe(batch_size=8, crops=2)
    plan = plan_epoch(3, 1, recipe=recipe, count=30, seed=0)
    # Two versions are mirrored as in two epochs: one of them is the mirror image.
    assert (plan.mirrored[:, 0] ^ plan.mirrored[:, 1]).all()
    assert (plan.offsets[:, 0] != plan.offsets[:, 1]).any()
    monkeypatch.setattr(epoch, "train_step", lambda state, sums, batch, settings: batch)
    settings: Any = SimpleNamespace(spec=SimpleNamespace(size=6))
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(30, dtype=np.int32) % 7
    batch: Any = epoch.planned_step(
        (None, None),  # type: ignore[arg-type]
        jnp.asarray(images),
        jnp.asarray(labels),
        plan,
        jnp.asarray(1),
        settings=settings,
    )
    faces = np.asarray(plan.order[1])
    np.testing.assert_array_equal(batch["index"], np.repeat(faces, 2))
    np.testing.assert_array_equal(batch["label"], labels[np.repeat(faces, 2)])
    assert batch["mask"].shape == (16,)
    for row, found in enumerate(np.asarray(batch["image"])):
        face, version = faces[row // 2], row % 2
        top, left = np.asarray(plan.offsets[face, version])
        expected = images[face, top : top + 6, left : left + 6]
        expected = expected[:, ::-1] if plan.mirrored[face, version] else expected
        np.testing.assert_array_equal(found, expected)
