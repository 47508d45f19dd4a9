"""Deletion and insertion curves of models whose answers are known."""

import numpy as np

from ferjax.explain.faithfulness import area_under, deletion_and_insertion, importance_ranks
from ferjax.explain.replaced_pixels import blurred, mean_colour


def test_curves_of_a_sum_are_those_of_the_sorted_pixels() -> None:
    # 20 pixels and 4 parts: each step takes 5 pixels, the most important ones first.
    values = np.random.default_rng(0).permutation(20).reshape(1, 4, 5, 1).astype(np.float32)
    nothing = np.zeros_like(values)
    curves = deletion_and_insertion(
        lambda pixels: pixels.sum((1, 2, 3)), values, values[..., 0], nothing, steps=4
    )
    total = values.sum()
    first = np.array([0, 19 + 18 + 17 + 16 + 15, 0, 0, total])
    first[2], first[3] = first[1] + 14 + 13 + 12 + 11 + 10, total - (4 + 3 + 2 + 1 + 0)
    np.testing.assert_array_equal(curves[1, 0], first)
    np.testing.assert_array_equal(curves[0, 0], total - first)


def test_a_model_of_one_pixel_tells_a_map_that_knows_it_from_one_that_does_not() -> None:
    pixels = np.ones((2, 10, 10, 1), np.float32)
    knows, not_at_all = np.zeros((10, 10)), np.ones((10, 10))
    knows[3, 4], not_at_all[3, 4] = 1, 0
    curves = deletion_and_insertion(
        lambda images: images[:, 3, 4, 0],
        pixels,
        np.stack([knows, not_at_all]),
        np.zeros_like(pixels),
        steps=10,
    )
    deletion, insertion = area_under(curves)
    np.testing.assert_allclose(deletion, [0.05, 0.95], atol=1e-6)
    np.testing.assert_allclose(insertion, [0.95, 0.05], atol=1e-6)


def test_equally_important_pixels_are_taken_from_the_top_left() -> None:
    ranks = importance_ranks(np.array([[[1.0, 1.0], [2.0, 1.0]]]))
    np.testing.assert_array_equal(ranks, [[[1, 2], [0, 3]]])


def test_nothing_is_the_mean_colour_or_a_blur_that_keeps_flat_images() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3)).astype(np.uint8)
    np.testing.assert_allclose(mean_colour(faces)[:, 0, 0], faces.mean((1, 2)), rtol=1e-5)
    flat = np.full((1, 20, 30, 3), 77, np.uint8)
    np.testing.assert_allclose(blurred(flat), 77, rtol=1e-5)
    # The blur of one bright pixel is a Gaussian of a tenth of each side.
    spot = np.zeros((1, 41, 41, 1), np.float32)
    spot[0, 20, 20] = 1
    row = blurred(spot)[0, 20, :, 0]
    np.testing.assert_allclose(row[24] / row[20], np.exp(-0.5 * (4 / 4.1) ** 2), rtol=1e-4)
