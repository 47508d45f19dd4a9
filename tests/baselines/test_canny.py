"""Canny's edges against loops over pixels, scikit-image, and a line by hand."""

import numpy as np
import pytest
from scipy import ndimage

from ferjax.baselines.canny import canny_edges, sobel_gradients
from ferjax.data.synthetic.load_synthetic import render_faces


def faces(count: int = 4) -> np.ndarray:
    return render_faces(np.arange(count), np.arange(count), size=40).mean(-1)


def slow_edges(image: np.ndarray) -> np.ndarray:
    """Returns the edges of an image [H, W] by loops over its pixels."""
    smooth = ndimage.gaussian_filter(image, 2**0.5, mode="nearest")
    padded = np.pad(smooth, 1, mode="edge")
    height, width = image.shape
    right, down = np.zeros(image.shape), np.zeros(image.shape)
    mask = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for y in range(height):
        for x in range(width):
            right[y, x] = (padded[y : y + 3, x : x + 3] * mask).sum()
            down[y, x] = (padded[y : y + 3, x : x + 3] * mask.T).sum()
    size = np.sqrt(right**2 + down**2)
    high = np.quantile(size, 0.7)
    edges, candidates = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            gx, gy = right[y, x], down[y, x]
            if size[y, x] <= 0.4 * high:
                continue
            share = min(abs(gx), abs(gy)) / max(abs(gx), abs(gy))
            step = (int(np.sign(gy)), int(np.sign(gx)))
            straight = (step[0], 0) if abs(gy) > abs(gx) else (0, step[1])
            both = [
                (1 - share) * size[y + side * straight[0], x + side * straight[1]]
                + share * size[y + side * step[0], x + side * step[1]]
                for side in (1, -1)
            ]
            candidates[y, x] = size[y, x] >= max(both)
    reached = [tuple(place) for place in np.argwhere(candidates & (size >= high))]
    while reached:
        y, x = reached.pop()
        if candidates[y, x] and not edges[y, x]:
            edges[y, x] = True
            reached += [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return edges


def test_edges_are_those_of_loops_over_the_pixels() -> None:
    images = faces(3)
    found = canny_edges(images)
    assert 0.03 < found.mean() < 0.3
    for image, edges in zip(images, found, strict=True):
        np.testing.assert_array_equal(edges, slow_edges(image))


@pytest.mark.parity
def test_edges_are_those_of_scikit_image() -> None:
    feature = pytest.importorskip("skimage.feature")
    images = np.concatenate([faces(7), np.random.default_rng(0).uniform(0, 255, (3, 40, 40))])
    found = canny_edges(images)
    for image, edges in zip(images, found, strict=True):
        smooth = ndimage.gaussian_filter(image, 2**0.5, mode="nearest")
        down, right = sobel_gradients(smooth[None])
        high = np.quantile(np.hypot(down, right), 0.7)
        expected = feature.canny(image, 2**0.5, 0.4 * high, high, mode="nearest")
        np.testing.assert_array_equal(edges, expected)


def test_a_step_has_one_line_of_edges() -> None:
    image = np.zeros((1, 12, 13))
    image[:, :, 6:] = 9
    found = canny_edges(image)[0]
    # Both sides of the step have the same gradient, and each is at least that of the other.
    assert found[1:-1, 5:7].all()
    assert not found[:, :5].any()
    assert not found[:, 7:].any()
    assert not found[[0, -1]].any()


def test_a_weak_edge_needs_a_strong_one_that_touches_it() -> None:
    image = np.zeros((2, 40, 40))
    image[:, 20:, :] = np.linspace(100, 30, 40)  # a step that fades out
    image[1, 20:, 20:22] = 0  # and with a gap
    image[:, :6, :6] = 40
    found = canny_edges(image, deviation=0, not_edges=0.98, low=0.2)
    assert found[0, 19:21, 1:38].any(0).all()
    assert found[1, 19:21, 1:18].any(0).all()
    assert not found[1, 19:21, 25:38].any()


def test_flat_images_have_no_edges_and_gain_changes_none() -> None:
    assert not canny_edges(np.full((2, 9, 9), 200.0)).any()
    images = faces()
    np.testing.assert_array_equal(canny_edges(images), canny_edges(0.25 * images + 8))


def test_images_of_a_batch_do_not_touch() -> None:
    images = faces()
    np.testing.assert_array_equal(canny_edges(images)[1:2], canny_edges(images[1:2]))
