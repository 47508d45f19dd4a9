"""Labels of a split in another order are noticed by the confusion matrix, honest ones never are."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.evaluation.renumbered_labels import exchanged_order, renumbering_warnings

CLASSES = ("anger", "fear", "happiness", "neutral")
# 40 images a class, of which 28 and more are right.
GOOD = np.array([[30, 6, 2, 2], [8, 28, 2, 2], [0, 1, 37, 2], [3, 3, 4, 30]])


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_every_other_order_of_a_whole_split_is_found(order: tuple[int, ...]) -> None:
    """The images of class k lie under the name of class order[k]."""
    confusion = np.empty_like(GOOD)
    confusion[[*order]] = GOOD
    found = exchanged_order(confusion)
    assert found.tolist() == np.argsort(order).tolist()
    warnings = renumbering_warnings({"test": confusion, "val": GOOD}, CLASSES)
    assert len(warnings) == (order != (0, 1, 2, 3))
    if warnings:
        assert "the labels of test look numbered in another order" in warnings[0]
        assert "78.1 % would be right, and not" in warnings[0]


def test_the_warning_names_the_classes() -> None:
    (warning,) = renumbering_warnings({"test": GOOD[[1, 0, 2, 3]]}, CLASSES)
    assert "most images of anger as fear, fear as anger;" in warning
    assert "and not 50.6 %. Check the class names of test" in warning


def test_the_least_images_and_shares_that_count_as_exchanged() -> None:
    """Five images of a class, of which half are the other class and a quarter its own."""
    exchanged = np.eye(4, dtype=int)[[1, 0, 2, 3]]
    assert len(renumbering_warnings({"test": 5 * exchanged}, CLASSES)) == 1
    assert renumbering_warnings({"test": 4 * exchanged}, CLASSES) == []
    rows = {"just": [5, 10, 5, 0], "too few": [5, 9, 6, 0], "too many": [6, 10, 4, 0]}
    for name, first in rows.items():
        confusion = 20 * exchanged
        confusion[0] = first
        assert len(renumbering_warnings({"test": confusion}, CLASSES)) == (name == "just"), name


@pytest.mark.parametrize(
    "confusion",
    [
        # Everything is called happiness; one class has most images; few images; no images.
        np.eye(4, dtype=int)[[2, 2, 2, 2]] * 40,
        np.diag([1, 2, 300, 1])[[2, 1, 2, 2]],
        np.eye(4, dtype=int)[[1, 0, 2, 3]] * 4,
        np.zeros((4, 4), int),
        # Fear is called anger, but anger is called anger too.
        np.array([[35, 5, 0, 0], [30, 10, 0, 0], [0, 0, 40, 0], [0, 0, 0, 40]]),
    ],
)
def test_what_a_bad_network_does_is_no_other_order(confusion: np.ndarray) -> None:
    assert renumbering_warnings({"test": confusion}, CLASSES) == []


@settings(max_examples=100)
@given(st.integers(2, 8), st.integers(0, 10**6), st.floats(0.05, 1))
def test_networks_that_guess_are_never_accused(k: int, seed: int, spread: float) -> None:
    """Rows alike up to chance: the network knows nothing of the classes."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(k, spread))
    confusion = np.stack([random.multinomial(60, shares) for _ in range(k)])
    assert renumbering_warnings({"test": confusion}, [str(i) for i in range(k)]) == []
