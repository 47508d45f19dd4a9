"""Occlusion against a plain loop, and the places of its square."""

import numpy as np

from ferjax.explain.occlusion import occlusion, squares_over

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.random((2, 12, 15, 1)).astype(np.float32)
WEIGHTS = RANDOM.standard_normal((12, 15, 1)).astype(np.float32)


def scores(pixels: np.ndarray) -> np.ndarray:
    return (WEIGHTS * pixels).sum((1, 2, 3))


def test_map_is_the_mean_fall_over_the_squares_that_cover_a_pixel() -> None:
    found = occlusion(scores, PIXELS, np.full_like(PIXELS, 0.5))
    side, falls = 2, np.zeros((2, 12, 15, 200))
    counts = np.zeros((12, 15), int)
    for top in range(11):
        for left in range(14):
            for image in range(2):
                covered = PIXELS[image].copy()
                covered[top : top + side, left : left + side] = 0.5
                fall = scores(PIXELS[image][None])[0] - scores(covered[None])[0]
                for i in range(top, top + side):
                    for j in range(left, left + side):
                        falls[image, i, j, counts[i, j]] = fall
            counts[top : top + side, left : left + side] += 1
        # Only falls so far are stored; the rest of the last axis stays 0.
    np.testing.assert_allclose(found, falls.sum(-1) / counts, atol=1e-4)


def test_every_pixel_is_covered_also_where_the_squares_do_not_fit() -> None:
    for size in ((6, 6), (47, 48), (100, 33)):
        squares = squares_over(*size)
        assert squares.any(0).all()
        sides = {(square.any(1).sum(), square.any(0).sum()) for square in squares}
        assert sides == {(round(min(size) / 6), round(min(size) / 6))}


def test_a_face_without_anything_under_the_square_falls_by_nothing() -> None:
    found = occlusion(scores, PIXELS, PIXELS)
    np.testing.assert_allclose(found, 0, atol=1e-6)
