"""Box arithmetic by hand numbers; area resampling beside the plain mean of each cell."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferjax.faces.mtcnn.area_resampling import resample_crops, summed_area
from ferjax.faces.mtcnn.boxes import inside, moved, squared, strongest

sides = st.integers(1, 40)


@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
def test_an_output_pixel_is_the_mean_of_what_its_cell_touches(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height + 3, width + 5, 3), np.uint8)
    crop = np.array([[2, 1, 2 + width, 1 + height]])
    found = resample_crops(summed_area(image), crop, rows, columns)
    assert found.shape == (1, rows, columns, 3)
    part = image[1 : 1 + height, 2 : 2 + width].astype(float)
    row, column = random.integers(rows), random.integers(columns)
    y0, y1 = math.floor(row * height / rows), math.ceil((row + 1) * height / rows)
    x0, x1 = math.floor(column * width / columns), math.ceil((column + 1) * width / columns)
    expected = part[y0:y1, x0:x1].mean((0, 1))
    np.testing.assert_allclose(found[0, row, column], expected, rtol=1e-5)


def test_sums_beyond_32_bits_wrap_and_their_differences_do_not() -> None:
    table = summed_area(np.full((5000, 4000, 1), 255, np.uint8))
    assert 255 * 5000 * 4000 > 2**32
    crops = np.array([[3000, 4000, 4000, 5000], [0, 0, 10, 10]])
    np.testing.assert_array_equal(resample_crops(table, crops, 2, 2), 255)


def test_the_stronger_of_two_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [20, 0, 30, 10], [2, 2, 6, 6]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    # The first two share 80 of 100; the fourth is a seventh of the second, and all inside it.
    np.testing.assert_array_equal(strongest(boxes, scores, 0.79), [1, 2, 3])
    np.testing.assert_array_equal(strongest(boxes, scores, 0.80), [1, 0, 2, 3])
    np.testing.assert_array_equal(strongest(boxes, scores, 0.79, of_smaller=True), [1, 2])
    assert strongest(boxes[:0], scores[:0], 0.5).shape == (0,)


def test_boxes_move_and_become_square() -> None:
    box = np.array([[10, 20, 29, 59]], np.float32)
    offsets = np.array([[0.1, -0.1, 0.5, 0]], np.float32)
    np.testing.assert_allclose(moved(box, offsets), [[12, 16, 39, 59]])
    np.testing.assert_allclose(moved(box, offsets, extent=0), [[11.9, 16.1, 38.5, 59]])
    np.testing.assert_allclose(squared(box), [[0, 20, 39, 59]])


def test_whole_pixels_inside_an_image() -> None:
    boxes = np.array([[-3.7, 2.9, 50.2, 8.1], [60, 2, 70, 8]])
    np.testing.assert_array_equal(inside(boxes, 30, 40), [[0, 1, 40, 8], [59, 1, 40, 8]])
