"""Controls, and paired differences of areas: what is better, and how sure that is."""

import numpy as np
import pytest

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.explain import load_explainer
from ferjax.explain.compare_maps import (
    ANOTHER_FACE,
    GAUSSIAN,
    PATCHES,
    PIXELS,
    Curves,
    compared_curves,
    curves_of_maps,
    improvement,
)
from ferjax.explain.control_maps import centred_gaussian, random_patches, random_pixels
from ferjax.explain.replaced_pixels import FILLS

FACES = render_faces(np.arange(16) % 8, np.arange(16), size=48)


def test_controls_are_what_they_are_named() -> None:
    gaussian = centred_gaussian(48, 30)
    assert np.unravel_index(gaussian.argmax(), gaussian.shape) in [(23, 14), (24, 15), (24, 14)]
    np.testing.assert_allclose(gaussian, gaussian[::-1, ::-1])
    np.testing.assert_allclose(
        gaussian[23, 0] / gaussian[23, 14],
        np.exp(-0.5 * (14.5 / 7.5) ** 2 + 0.5 * (0.5 / 7.5) ** 2),
        rtol=1e-4,
    )
    patches = random_patches(5, 48, 48, (6, 6), seed=1)
    pixels = random_pixels(5, 48, 48, seed=1)

    def roughness(maps: np.ndarray) -> float:
        return float(np.abs(np.diff(maps, axis=2)).mean() / maps.std())

    assert roughness(pixels) > 3 * roughness(patches)
    np.testing.assert_array_equal(patches, random_patches(5, 48, 48, (6, 6), seed=1))
    assert (patches[0] != patches[1]).any()


def test_improvement_is_positive_where_deletion_is_smaller_and_insertion_larger() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.01, (2, 40, 5))
    good = Curves({"mean": np.stack([np.full((40, 5), 0.3), np.full((40, 5), 0.8)]) + noise})
    bad = Curves({"mean": np.full((2, 40, 5), 0.5)})
    for mean, low, high in improvement(good, bad, "mean"):
        assert low <= mean <= high
    (deletion, low, _), (insertion, *_) = improvement(good, bad, "mean")
    np.testing.assert_allclose([deletion, insertion], [0.2, 0.3], atol=0.01)
    assert low > 0.19
    (deletion, low, high), _ = improvement(bad, bad, "mean")
    assert (deletion, low, high) == (0, 0, 0)


@pytest.fixture(scope="module")
def curves() -> dict[str, Curves]:
    explainer = load_explainer("fernet-ferplus", batch_size=16)
    targets = explainer.predictor.probabilities(list(FACES)).argmax(-1)
    return dict(compared_curves(explainer, list(FACES), targets, ["layercam"], steps=10))


def test_each_control_and_each_method_has_curves(curves: dict[str, Curves]) -> None:
    assert list(curves) == [
        GAUSSIAN,
        PATCHES,
        PIXELS,
        "layercam",
        f"layercam of {ANOTHER_FACE}",
    ]
    for found in curves.values():
        assert set(found.values) == set(FILLS)
        for values in found.values.values():
            assert values.shape == (2, 16, 11)
            # Nothing deleted is the face itself, as everything inserted is.
            np.testing.assert_allclose(values[0, :, 0], values[1, :, -1], atol=1e-5)
            np.testing.assert_allclose(values[0, :, -1], values[1, :, 0], atol=1e-5)


def test_maps_are_better_than_random_ones_on_drawn_faces(curves: dict[str, Curves]) -> None:
    for control in (PATCHES, PIXELS):
        for mean, low, _ in improvement(curves["layercam"], curves[control], "mean"):
            assert low > 0, (control, mean)


def test_curves_do_not_depend_on_the_batch() -> None:
    maps = random_pixels(5, 48, 48, seed=0)
    found = []
    for size in (2, 8):
        explainer = load_explainer("fernet-ferplus", batch_size=size)
        found.append(curves_of_maps(explainer, list(FACES[:5]), np.arange(5), maps, steps=4))
    for fill in FILLS:
        np.testing.assert_allclose(found[0].values[fill], found[1].values[fill], atol=1e-4)
