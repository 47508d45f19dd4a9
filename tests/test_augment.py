"""Augmentation draws: whose they are, how large, how often."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.augment import AUGMENTS, draw_geometry
from ferjax.rng import STREAMS, stream_key

INDEX = np.arange(2000, dtype=np.int32)


def draw(preset: str, key: int = 0, index: np.ndarray = INDEX) -> tuple[np.ndarray, np.ndarray]:
    run = jax.jit(lambda key, index: draw_geometry(AUGMENTS[preset], key, index, (48, 40)))
    geometry = run(jax.random.key(key), jnp.array(index))
    return np.asarray(geometry.flip), np.asarray(geometry.shift)


def test_none_draws_nothing() -> None:
    assert draw_geometry(AUGMENTS["none"], jax.random.key(0), jnp.array(INDEX), (48, 48)) is None


def test_a_draw_depends_on_key_and_index_alone() -> None:
    flip, shift = draw("standard")
    order = np.random.default_rng(0).permutation(INDEX)[:77]
    for one, whole in zip(draw("standard", index=order), (flip, shift), strict=True):
        np.testing.assert_array_equal(one, whole[order])
    other_flip, other_shift = draw("standard", key=1)
    assert 0.4 < (other_flip != flip).mean() < 0.6
    assert (other_shift != shift).mean() > 0.8


@pytest.mark.parametrize("preset", ["flip", "standard"])
def test_about_half_are_flipped(preset: str) -> None:
    flip, _ = draw(preset)
    assert abs(flip.mean() - 0.5) < 4 * 0.5 / len(INDEX) ** 0.5


def test_flip_shifts_nothing() -> None:
    assert not draw("flip")[1].any()


def test_shifts_are_whole_pixels_up_to_a_tenth_of_each_side() -> None:
    _, shift = draw("standard")
    pixels = shift * [48, 40]
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-5)
    for column in np.round(pixels).T:
        assert set(column) == set(range(-4, 5))


def test_keys_differ_by_seed_stream_and_step_and_follow_from_them() -> None:
    drawn = {
        tuple(np.asarray(jax.random.key_data(stream_key(seed, stream, step))))
        for seed in (0, 1)
        for stream in STREAMS
        for step in (0, 1, 7)
    }
    assert len(drawn) == 2 * len(STREAMS) * 3
    traced = jax.jit(lambda step: stream_key(1, "dropout", step))(jnp.int32(7))
    assert traced == stream_key(1, "dropout", 7)
