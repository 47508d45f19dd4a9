"""The drawing primitives, against areas and curves known in closed form."""

import numpy as np
import pytest

from ferjax.data.synthetic.antialiased_shapes import (
    arch,
    below,
    cover,
    ellipse,
    over,
    pixel_grid,
    spot,
    stroke,
    where_float32,
)


@pytest.mark.parametrize("size", [32, 48, 224])
def test_covered_area_of_an_ellipse_is_its_area(size):
    x, y = pixel_grid(size)
    alpha = cover(ellipse(x, y, 0.5, 0.7), 2 / size)
    assert alpha.sum() * (2 / size) ** 2 == pytest.approx(np.pi * 0.5 * 0.7, rel=0.005)


@pytest.mark.parametrize("size", [32, 64])
def test_edges_are_about_one_pixel_wide(size):
    x, y = pixel_grid(size)
    alpha = cover(ellipse(x, y, 0.6, 0.6), 2 / size)[0]
    soft = ((alpha > 0) & (alpha < 1))[size // 2, : size // 2].sum()
    assert soft in (1, 2)


def test_a_stroke_is_bent_and_ends_at_its_given_length():
    x, y = pixel_grid(400)
    inside = stroke(x, y, 0.3, 0.5, 0.02)[0] < 0
    rows, columns = np.nonzero(inside)
    assert abs(columns.min() - 100) <= 1
    assert abs(columns.max() - 299) <= 1
    assert abs(rows[columns == 200].mean() - (0.3 + 1) * 200) <= 1


def test_arch_derivative_is_its_slope():
    t = np.linspace(-1.2, 1.2, 2001)
    for roundness in (0.0, 0.4, 1.0):
        value, slope = arch(t, roundness)
        np.testing.assert_allclose(slope[1:-1], np.gradient(value, t)[1:-1], atol=1e-4)
        np.testing.assert_allclose(arch(np.array([-1.0, 1.0]), roundness)[0], 0)


def test_below_a_slanted_line_is_the_distance_to_it():
    # The line y = x and the point (0, 1) are sqrt(1/2) apart; y points down.
    assert below(np.ones(1), np.zeros(1), np.ones(1))[0] == pytest.approx(-(0.5**0.5))


def test_over_mixes_by_alpha():
    image, colour = np.full((1, 3, 2, 2), 0.2), np.full((1, 3, 1, 1), 0.8)
    alpha = np.array([[[0.0, 1.0], [0.5, 0.25]]])
    expected = np.array([[0.2, 0.8], [0.5, 0.35]])
    np.testing.assert_allclose(over(image, colour, alpha), np.broadcast_to(expected, (1, 3, 2, 2)))


def test_nothing_widens_to_float64():
    x, y = pixel_grid(32)
    shapes = (ellipse(x, y, 0.3, 0.5), spot(x, y, 0.3, 0.5), stroke(x, y, 0.1, 0.5, 0.02))
    shapes += (where_float32(x > 0, 0.3), cover(x, 0.1), *arch(x, 0.4))
    assert all(shape.dtype == np.float32 for shape in shapes)
