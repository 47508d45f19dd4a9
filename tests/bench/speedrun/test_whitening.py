"""Whitening filters against numpy: their outputs are uncorrelated, with variance 1."""

import numpy as np
import pytest

from ferjax.bench.speedrun.whitening import face_statistics, whitening_filters


@pytest.mark.parametrize("side", [2, 3, 4])
def test_outputs_have_the_identity_as_covariance(side: int) -> None:
    # Sums of noise along both axes: neighbouring pixels are strongly correlated.
    noise = np.random.default_rng(0).normal(size=(40, 14, 12))
    images = noise.cumsum(1).cumsum(2)
    filters = whitening_filters(images, side, epsilon=0)
    assert filters.shape == (side, side, 1, 2 * side**2)
    patches = np.lib.stride_tricks.sliding_window_view(images, (side, side), (1, 2))
    outputs = patches.reshape(-1, side**2) @ filters.reshape(side**2, -1).astype(np.float64)
    covariance = np.cov(outputs[:, : side**2].T)
    np.testing.assert_allclose(covariance, np.eye(side**2), atol=1e-3)
    np.testing.assert_array_equal(filters[..., side**2 :], -filters[..., : side**2])


def test_the_first_filter_is_the_direction_of_the_largest_variance() -> None:
    # All pixels of an image are equal: the sum of a patch varies, and nothing else does.
    images = np.ones((30, 6, 6)) * np.random.default_rng(1).normal(size=(30, 1, 1))
    first = whitening_filters(images, 2)[..., 0].ravel()
    np.testing.assert_allclose(first, first[0], rtol=1e-4)
    assert first[0] != 0


def test_statistics_of_faces() -> None:
    images = np.random.default_rng(0).integers(20, 90, (2_500, 8, 8, 1), dtype=np.uint8)
    found = face_statistics(images, 2)
    assert found.mean == pytest.approx(images.mean() / 255)
    assert found.std == pytest.approx(images.std() / 255)
    # Each second face, 1,000 of them.
    normalized = (images[::2][:1000, ..., 0] / 255 - found.mean) / found.std
    assert found.filters is not None
    np.testing.assert_allclose(found.filters, whitening_filters(normalized, 2), rtol=1e-5)
    assert face_statistics(images, 0).filters is None
