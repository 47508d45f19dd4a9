"""Augmentation: random parameters (range, frequency, dependence on key and index), devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.images.augment import AUGMENTS, Augment, Draw, draw_geometry
from ferjax.images.augment import draw as draw_all
from ferjax.images.preprocess import prepare
from ferjax.runtime.random_keys import STREAMS, stream_key
from ferjax.runtime.sharding import batch_sharded, data_mesh
from ferjax.specs import InputSpec

INDEX = np.arange(2000, dtype=np.int32)
# One program for each augmentation and shape.
jitted_geometry = jax.jit(draw_geometry, static_argnums=(0, 3))
jitted_draw = jax.jit(draw_all, static_argnums=(0, 3))


def draw_flip_and_shift(
    preset: str, key: int = 0, index: np.ndarray = INDEX
) -> tuple[np.ndarray, np.ndarray]:
    geometry = jitted_geometry(AUGMENTS[preset], jax.random.key(key), jnp.array(index), (48, 40))
    return np.asarray(geometry.flip), np.asarray(geometry.shift)


def draw_batch(augment: Augment, key: int = 0, index: np.ndarray = INDEX) -> Draw:
    drawn = jitted_draw(augment, jax.random.key(key), jnp.array(index), (48, 40))
    return jax.tree.map(np.asarray, drawn)


def test_none_draws_nothing() -> None:
    key, index = jax.random.key(0), jnp.array(INDEX)
    assert draw_geometry(AUGMENTS["none"], key, index, (48, 48)) is None
    assert draw_all(AUGMENTS["none"], key, index, (48, 48)) == Draw(None, None, None)


def test_a_preset_draws_only_its_own_transformations() -> None:
    standard, paper = draw_batch(AUGMENTS["standard"]), draw_batch(AUGMENTS["paper"])
    assert (standard.colour, standard.erased) == (paper.colour, paper.erased) == (None, None)
    assert standard.geometry is not None
    assert (standard.geometry.window, standard.geometry.rotation) == (None, None)


def test_flip_and_shift_depend_on_key_and_index_alone() -> None:
    flip, shift = draw_flip_and_shift("standard")
    order = np.random.default_rng(0).permutation(INDEX)[:77]
    for one, whole in zip(draw_flip_and_shift("standard", index=order), (flip, shift), strict=True):
        np.testing.assert_array_equal(one, whole[order])
    other_flip, other_shift = draw_flip_and_shift("standard", key=1)
    assert 0.4 < (other_flip != flip).mean() < 0.6
    assert (other_shift != shift).mean() > 0.8


@pytest.mark.parametrize("preset", ["flip", "standard"])
def test_about_half_are_flipped(preset: str) -> None:
    flip, _ = draw_flip_and_shift(preset)
    assert abs(flip.mean() - 0.5) < 4 * 0.5 / len(INDEX) ** 0.5


def test_flip_shifts_nothing() -> None:
    assert not draw_flip_and_shift("flip")[1].any()


def test_shifts_are_whole_pixels_up_to_a_tenth_of_each_side() -> None:
    _, shift = draw_flip_and_shift("standard")
    pixels = shift * [48, 40]
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-5)
    for column in np.round(pixels).T:
        assert set(column) == set(range(-4, 5))


@pytest.mark.parametrize("augment", [AUGMENTS["standard"], Augment(shift=0.05)])
def test_every_shift_is_equally_likely(augment: Augment) -> None:
    """Rounding uniform numbers would give the two ends half of their share."""
    index = jnp.arange(20000, dtype=jnp.int32)
    geometry = jitted_geometry(augment, jax.random.key(3), index, (48, 40))
    for side, column in zip((48, 40), np.asarray(geometry.shift).T, strict=True):
        largest = int(augment.shift * side)
        found, counts = np.unique(np.round(column * side), return_counts=True)
        np.testing.assert_array_equal(found, np.arange(-largest, largest + 1))
        expected = len(index) / len(found)
        assert ((counts - expected) ** 2 / expected).sum() < 40  # chi-squared, 8 degrees at most


def test_the_rotation_of_preset_paper_is_72_degrees_in_both_directions() -> None:
    geometry = draw_batch(AUGMENTS["paper"]).geometry
    assert geometry is not None
    degrees = np.degrees(geometry.rotation)
    assert 70 < degrees.max() <= 72
    assert -72 <= degrees.min() < -70
    np.testing.assert_allclose(degrees.std(), 72 / 3**0.5, rtol=0.05)
    assert not geometry.shift.any()


def test_every_draw_of_preset_strong_depends_on_key_and_index_alone() -> None:
    whole = draw_batch(AUGMENTS["strong"])
    order = np.random.default_rng(0).permutation(INDEX)[:77]
    part = draw_batch(AUGMENTS["strong"], index=order)
    assert len(jax.tree.leaves(whole)) == 7
    jax.tree.map(lambda one, all_: np.testing.assert_array_equal(one, all_[order]), part, whole)
    other = draw_batch(AUGMENTS["strong"], key=1)
    assert all(
        (one != all_).any()
        for one, all_ in zip(jax.tree.leaves(other), jax.tree.leaves(whole), strict=True)
    )


def test_more_transformations_do_not_change_flip_and_shift() -> None:
    flip, shift = draw_flip_and_shift("standard")
    more_draws = draw_batch(
        Augment(flip=True, shift=0.1, rotation=0.1, zoom=0.2, erase=0.5)
    ).geometry
    assert more_draws is not None
    np.testing.assert_array_equal(more_draws.flip, flip)
    np.testing.assert_array_equal(more_draws.shift, shift)


@pytest.mark.parametrize("area", [(0.3, 0.6), (0.8, 1.0)])
def test_a_random_resized_crop_lies_within_the_image(area: tuple[float, float]) -> None:
    geometry = draw_batch(Augment(random_resized_crop=area)).geometry
    assert geometry is not None
    assert geometry.window is not None
    assert (np.abs(geometry.shift) + geometry.window / 2 <= 0.5 + 1e-6).all()
    areas = geometry.window.prod(1)
    assert areas.min() >= area[0] - 0.1
    assert areas.max() <= area[1] + 1e-6
    unclipped = (geometry.window < 1).all(1)
    assert (areas[unclipped] >= area[0] - 1e-6).all()
    ratio = (geometry.window[:, 1] / geometry.window[:, 0])[unclipped]
    assert ratio.min() > 0.75 - 1e-6
    assert ratio.max() < 4 / 3 + 1e-6


def test_zoom_keeps_centre_and_aspect() -> None:
    geometry = draw_batch(Augment(zoom=0.2)).geometry
    assert geometry is not None
    assert geometry.window is not None
    assert not geometry.shift.any()
    np.testing.assert_array_equal(geometry.window[:, 0], geometry.window[:, 1])
    assert 0.8 <= geometry.window.min() < 0.81
    assert 1.19 < geometry.window.max() <= 1.2


def test_factors_lie_around_one() -> None:
    colour = draw_batch(Augment(brightness=0.3, contrast=0.1)).colour
    assert colour is not None
    for factors, reach in zip(colour, (0.3, 0.1), strict=True):
        assert 1 - reach <= factors.min() < 1 - 0.95 * reach
        assert 1 + 0.95 * reach < factors.max() <= 1 + reach
    assert abs(np.corrcoef(*colour)[0, 1]) < 0.1


def test_number_and_area_of_erased_boxes() -> None:
    boxes = draw_batch(Augment(erase=0.25, erase_area=(0.05, 0.2))).erased
    assert boxes is not None
    assert boxes.min() >= 0
    assert boxes.max() <= 1 + 1e-6
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert abs((areas > 0).mean() - 0.25) < 4 * (0.25 * 0.75 / len(INDEX)) ** 0.5
    erased = areas[areas > 0]
    assert 0.05 - 1e-5 <= erased.min() < 0.06
    assert 0.19 < erased.max() <= 0.2 + 1e-5


@pytest.mark.parametrize("preset", ["paper", "strong"])
def test_four_devices_get_the_same_images_as_one_without_communication(preset: str) -> None:
    spec = InputSpec((48, 40), 32, 3, (0.5,) * 3, (0.25,) * 3)
    images = np.random.default_rng(0).integers(0, 256, (8, 48, 40, 3), np.uint8)

    def run(images: jax.Array, index: jax.Array) -> tuple[Draw, jax.Array]:
        drawn = draw_all(AUGMENTS[preset], jax.random.key(0), index, (48, 40))
        return drawn, prepare(images, spec, *drawn)

    drawn, inputs = jax.jit(run)(images, INDEX[:8])
    mesh = data_mesh(jax.devices()[:4])
    placed = jax.device_put((images, INDEX[:8]), batch_sharded(mesh))
    program = jax.jit(run, out_shardings=batch_sharded(mesh)).lower(*placed).compile()
    drawn_on_four, inputs_on_four = program(*placed)
    jax.tree.map(np.testing.assert_array_equal, drawn_on_four, drawn)
    # XLA fuses the same operations in other groups: the results differ by rounding.
    np.testing.assert_allclose(inputs_on_four, inputs, rtol=0, atol=1e-5)
    text = program.as_text()
    assert not [word for word in ("all-gather", "all-to-all", "all-reduce") if word in text]


def test_keys_are_determined_by_seed_stream_and_step() -> None:
    drawn = {
        tuple(np.asarray(jax.random.key_data(stream_key(seed, stream, step))))
        for seed in (0, 1)
        for stream in STREAMS
        for step in (0, 1, 7)
    }
    assert len(drawn) == 2 * len(STREAMS) * 3
    traced = jax.jit(lambda step: stream_key(1, "dropout", step))(jnp.int32(7))
    assert traced == stream_key(1, "dropout", 7)
