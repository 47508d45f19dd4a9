"""Positions of line labels: gap, order, limits, least movement; shortened text."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ferjax.report.figures.line_end_labels import shorten, spread

heights = st.lists(st.floats(0, 1), max_size=9)


@given(heights, st.floats(0, 0.12))
def test_spread_keeps_gap_order_and_limits(values, gap):
    placed = spread(values, gap, 0.0, 1.0)
    assert placed.shape == (len(values),)
    assert (placed >= -1e-9).all()
    assert (placed <= 1 + 1e-9).all()
    for (a, x), (b, y) in itertools.combinations(zip(values, placed, strict=True), 2):
        assert abs(x - y) >= min(gap, 1 / (len(values) - 1)) - 1e-9
        assert (a < b) <= (x < y + 1e-9)


@given(heights, st.floats(0, 0.1))
def test_spread_does_not_move_values_that_are_apart(values, gap):
    assume(all(b - a >= gap for a, b in itertools.pairwise(sorted(values))))
    np.testing.assert_allclose(spread(values, gap, 0.0, 1.0), values, atol=1e-12)


def test_spread_moves_as_little_as_an_optimiser():
    for seed in range(5):
        values = np.sort(np.random.default_rng(seed).uniform(0, 0.4, 6))
        apart = {"type": "ineq", "fun": lambda x: np.diff(x) - 0.1}
        best = minimize(
            lambda x, values=values: ((x - values) ** 2).sum(),
            np.linspace(0, 1, 6),
            bounds=[(0, 1)] * 6,
            constraints=[apart],
        )
        np.testing.assert_allclose(spread(list(values), 0.1, 0, 1), best.x, atol=1e-4)


def test_spread_shrinks_the_gap_where_it_does_not_fit():
    np.testing.assert_allclose(spread([0.5] * 5, 9.0, 0.0, 1.0), [0, 0.25, 0.5, 0.75, 1])


@given(st.text(min_size=1), st.integers(2, 20), st.booleans())
def test_shorten_fits(text, limit, tail):
    short = shorten(text, limit, tail)
    assert len(short) <= limit
    assert (short == text) == (len(text) <= limit) or "…" in text


def test_shorten_keeps_the_requested_end():
    assert shorten("abcdefgh", 4) == "abc…"
    assert shorten("abcdefgh", 4, tail=True) == "…fgh"


@pytest.mark.parametrize("count", [0, 1])
def test_spread_of_few(count):
    assert spread([0.3] * count, 0.1, 0, 1).tolist() == [0.3] * count
