"""Votes beside a network: brute force over persons, divergences by SciPy, votes of the reader."""

from fractions import Fraction

import numpy as np
import pytest

from ferjax.data.datasets.ferplus.votes_to_labels import CLASSES, COLUMNS, vote_labels
from ferjax.emotions import EMOTIONS
from ferjax.evaluation.vote_agreement import vote_agreement, vote_shares


def drawn_votes(count: int, seed: int = 0) -> np.ndarray:
    """Returns ten votes an image, from almost equal to almost unanimous ones."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(len(COLUMNS), 0.3), count)
    return np.stack([random.multinomial(10, share) for share in shares])


def drawn_probabilities(count: int, classes: int = 8) -> np.ndarray:
    return np.random.default_rng(7).dirichlet(np.ones(classes), count)


def brute_force(votes: np.ndarray, named: list[str]) -> tuple[float, float]:
    """Returns the agreement of persons, and of a network that names `named`, with the others."""
    person, network = [], []
    for row, name in zip(votes, named, strict=True):
        votes_cast = [
            column for column, count in zip(COLUMNS, row, strict=True) for _ in range(count)
        ]
        for i, own in enumerate(votes_cast):
            others = votes_cast[:i] + votes_cast[i + 1 :]
            most = max(others.count(column) for column in COLUMNS)
            top = [column for column in COLUMNS if others.count(column) == most]
            person.append(Fraction(own in top, len(top) * len(votes_cast)))
            network.append(Fraction(name in top, len(top) * len(votes_cast)))
    return float(sum(person) / len(votes)), float(sum(network) / len(votes))


def test_persons_against_brute_force() -> None:
    votes, probabilities = drawn_votes(200), drawn_probabilities(200)
    found = vote_agreement(probabilities, votes, CLASSES)
    named = [CLASSES[k] for k in probabilities.argmax(1)]
    person, network = brute_force(votes, named)
    assert found["annotator_with_majority_of_others"] == pytest.approx(person)
    assert found["network_with_majority_of_others"] == pytest.approx(network)
    assert found["images"] == 200


@pytest.mark.parametrize(
    ("votes", "person", "of_others", "of_all"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1, 1, 1),
        # Nine agree with the eight others of their kind, the tenth with nobody.
        ([9, 0, 0, 0, 1, 0, 0, 0, 0, 0], 0.9, 1, 1),
        # Without one of five the other five are the majority: nobody agrees.
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], 0, 0.5, 0.5),
        # Without a neutral vote: 5 to 4. Without a happy one: 6 to 3.
        ([6, 4, 0, 0, 0, 0, 0, 0, 0, 0], 0.6, 1, 1),
        # One of six is left out: a tie with five, half agreement; else six win.
        ([6, 5, 0, 0, 0, 0, 0, 0, 0, 0], 6 / 11 / 2, 1 - 6 / 11 / 2, 1),
        ([0, 0, 0, 0, 0, 0, 0, 0, 8, 2], 0.8, 0, 0),
        ([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], 0, 0.5, 0.5),
    ],
)
def test_agreement_by_hand(
    votes: list[int], person: float, of_others: float, of_all: float
) -> None:
    """The network names neutral."""
    probabilities = np.eye(8)[[CLASSES.index("neutral")]] * 0.92 + 0.01
    found = vote_agreement(probabilities, np.array([votes]), CLASSES)
    assert found["annotator_with_majority_of_others"] == pytest.approx(person)
    assert found["network_with_majority_of_others"] == pytest.approx(of_others)
    assert found["network_with_majority"] == pytest.approx(of_all)


def test_divergence_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    votes, probabilities = drawn_votes(100), drawn_probabilities(100)
    votes[3] = [0] * 8 + [6, 4]
    shares, voted = vote_shares(votes, CLASSES)
    assert not voted[3]
    np.testing.assert_allclose(shares.sum(1), 1)
    own = probabilities[voted]
    found = vote_agreement(probabilities, votes, CLASSES)
    divergence = stats.entropy(shares, own, axis=1).mean()
    assert found["kl_divergence"] == pytest.approx(divergence)
    expected = divergence + stats.entropy(shares, axis=1).mean()
    assert found["cross_entropy"] == pytest.approx(expected)


def test_a_network_that_says_what_people_said() -> None:
    votes = drawn_votes(100)
    shares, voted = vote_shares(votes, CLASSES)
    found = vote_agreement(shares, votes[voted], CLASSES)
    assert found["kl_divergence"] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(vote_agreement(1 - shares, votes[voted], CLASSES)["kl_divergence"])


def test_other_class_lists_are_found_by_name() -> None:
    votes = np.array([[1, 2, 0, 0, 0, 0, 0, 7, 0, 0]])
    shares, _ = vote_shares(votes, ["happiness", "boredom", "neutral"])
    np.testing.assert_allclose(shares, [[2 / 3, 0, 1 / 3]])
    bored = vote_agreement(np.array([[0.1, 0.8, 0.1]]), votes, ["happiness", "boredom", "neutral"])
    assert bored["network_with_majority"] == bored["network_with_majority_of_others"] == 0
    assert bored["annotator_with_majority_of_others"] == pytest.approx(0.7)


def test_nothing_depends_on_the_order_of_classes_and_images() -> None:
    votes, probabilities = drawn_votes(50), drawn_probabilities(50)
    rows, order = np.random.default_rng(0).permutation(50), [3, 1, 7, 0, 2, 6, 5, 4]
    names = [CLASSES[k] for k in order]
    one = vote_agreement(probabilities, votes, CLASSES)
    assert vote_agreement(probabilities[rows][:, order], votes[rows], names) == pytest.approx(one)


def test_without_votes_there_is_no_mean() -> None:
    found = vote_agreement(drawn_probabilities(2), np.eye(10, dtype=int)[[8, 0]], CLASSES)
    assert found["images"] == 0
    assert found["annotator_with_majority_of_others"] is None
    assert found["kl_divergence"] is not None
    empty = vote_agreement(np.zeros((0, 8)), np.zeros((0, 10), int), CLASSES)
    assert empty["kl_divergence"] is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    for probabilities, votes in (
        (np.ones((2, 7)), np.ones((2, 10))),
        (np.ones((2, 8)), np.ones(2)),
    ):
        with pytest.raises(ValueError, match=r"\[N, 10\]"):
            vote_agreement(probabilities, votes, EMOTIONS)


def test_the_label_is_the_majority_of_a_clear_vote() -> None:
    votes = drawn_votes(300)
    kept, labels, _ = vote_labels(votes, "majority")
    found = vote_agreement(np.eye(8)[labels[kept]], votes[kept], CLASSES)
    # More than half of the votes after single ones are dropped is the highest of all columns.
    assert found["network_with_majority"] == 1
