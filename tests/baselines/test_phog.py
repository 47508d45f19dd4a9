"""PHOG against loops over pixels, numbers by hand, and what it is invariant to."""

import numpy as np
import pytest

from ferjax.baselines.canny import canny_edges, sobel_gradients
from ferjax.baselines.phog import phog_features
from ferjax.data.synthetic.load_synthetic import render_faces


def faces(side: int = 40) -> np.ndarray:
    return render_faces(np.arange(3), np.arange(3), size=side).mean(-1)


def slow_phog(image: np.ndarray, bins: int, degrees: int, levels: int) -> np.ndarray:
    """Returns the features of an image [H, W], pixel by pixel and cell by cell."""
    height, width = image.shape
    edges = canny_edges(image[None])[0]
    down, right = (gradient[0] for gradient in sobel_gradients(image[None]))
    found = []
    for level in range(levels + 1):
        cells = np.zeros((2**level, 2**level, bins))
        for y in range(height):
            for x in range(width):
                if not edges[y, x]:
                    continue
                angle = np.degrees(np.arctan2(down[y, x], right[y, x])) % degrees
                size = np.hypot(down[y, x], right[y, x])
                for b in range(bins):
                    centre = (b + 0.5) * degrees / bins
                    away = abs(angle - centre)
                    away = min(away, degrees - away) * bins / degrees
                    row = max(i for i in range(2**level) if i * height // 2**level <= y)
                    column = max(i for i in range(2**level) if i * width // 2**level <= x)
                    cells[row, column, b] += size * max(0, 1 - away)
        found.append(cells.ravel())
    whole = np.concatenate(found)
    return whole / whole.sum()


@pytest.mark.parametrize(("bins", "degrees"), [(8, 360), (20, 180)])
def test_features_are_those_of_loops_over_the_pixels(bins: int, degrees: int) -> None:
    images = faces(32)[:2, :30, :27]
    found = phog_features(images, bins, degrees, levels=2)
    assert found.shape == (2, bins * 21)
    for image, features in zip(images, found, strict=True):
        np.testing.assert_allclose(features, slow_phog(image, bins, degrees, 2), atol=1e-12)


def test_sizes_are_those_of_the_paper() -> None:
    images = faces()
    assert phog_features(images).shape == (3, 680)
    assert phog_features(images, 20, 180).shape == (3, 1700)
    np.testing.assert_allclose(phog_features(images).sum(1), 1)


def test_a_step_to_the_right_by_hand() -> None:
    image = np.zeros((1, 16, 16))
    image[:, :, 8:] = 100
    features = phog_features(image, bins=4, degrees=360, levels=1).reshape(5, 4)
    # The gradient points to the right, 0 degrees, halfway between the centres of the bins 3 and 0.
    # Each of two levels has half of the sum; the step lies at the border of left and right cells.
    np.testing.assert_allclose(features[0], [0.25, 0, 0, 0.25])
    np.testing.assert_allclose(features[1:], [[0.0625, 0, 0, 0.0625]] * 4)


def test_rotated_images_have_rotated_bins() -> None:
    image = faces()[:1]
    whole = phog_features(image, levels=0)
    # By a quarter turn against the clock, "right" becomes "up": 270 degrees, as rows go down.
    turned = phog_features(np.rot90(image, axes=(1, 2)), levels=0)
    np.testing.assert_allclose(turned, np.roll(whole, -2, axis=1), atol=1e-3)


def test_a_negative_is_the_same_over_180_degrees_only() -> None:
    images = faces()
    np.testing.assert_allclose(
        phog_features(images, 9, 180), phog_features(255 - images, 9, 180), atol=1e-12
    )
    assert np.abs(phog_features(images) - phog_features(255 - images)).max() > 1e-3


def test_gain_and_offset_change_nothing_and_flat_images_are_zero() -> None:
    images = faces()
    np.testing.assert_allclose(phog_features(images), phog_features(0.5 * images + 3), atol=1e-12)
    assert not phog_features(np.full((1, 16, 16), 5.0)).any()
