"""The four label rules of FER+ against a simple implementation, and counts of the real votes."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ferjax.data.datasets.ferplus.votes_to_labels import CLASSES, COLUMNS, MODES, vote_labels
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

UNKNOWN = 8


def simple_rule(votes: list[int], mode: str) -> dict[int, int] | None:
    """Returns column → votes that count for one face, or None where it is dropped."""
    remaining = {column: n for column, n in enumerate(votes) if n > 1}
    total = sum(remaining.values())
    chosen: dict[int, int] = {}
    if mode == "majority":
        chosen = {column: n for column, n in remaining.items() if n > 0.5 * total}
    elif mode == "multi_target":
        chosen = {column: n for column, n in remaining.items() if n / total >= 0.3}
    else:
        taken = 0
        while remaining and len(chosen) < 3 and taken < 0.75 * total:
            peak = max(remaining.values())
            peaks = [column for column in sorted(remaining) if remaining[column] == peak]
            chosen |= {column: peak for column in peaks if column < UNKNOWN}
            if peaks[-1] >= UNKNOWN:
                chosen = chosen or {peaks[-1]: peak}
                break
            taken += peak * len(peaks)
            remaining = {column: n for column, n in remaining.items() if column not in peaks}
        if len(chosen) > 3:
            return None
    if sum(chosen.values()) <= 0.5 * total or not chosen:
        return None
    if max(chosen, key=lambda column: (chosen[column], -column)) >= UNKNOWN:
        return None
    return {column: n for column, n in chosen.items() if column < UNKNOWN}


def check(votes: np.ndarray, mode: str) -> None:
    kept, labels, targets = vote_labels(votes, mode)
    assert (labels.dtype, targets.dtype) == (np.int32, np.float32)
    for row, (face, keep) in enumerate(zip(votes.tolist(), kept, strict=True)):
        wanted = simple_rule(face, mode)
        assert (wanted is not None) == keep, (mode, face)
        expected = np.zeros(8)
        for column, n in (wanted or {}).items():
            share = 1 if mode == "multi_target" else n / sum((wanted or {}).values())
            expected[CLASSES.index(COLUMNS[column])] = share
        np.testing.assert_allclose(targets[row], expected, atol=1e-6)
        if wanted:
            assert face[COLUMNS.index(CLASSES[labels[row]])] == max(wanted.values())


def test_the_class_list_is_the_canonical_one() -> None:
    assert CLASSES == EMOTIONS


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=100)
@given(arrays(np.int64, (20, 10), elements=st.integers(0, 10)))
def test_any_votes(mode: str, votes: np.ndarray) -> None:
    check(votes, mode)


@pytest.mark.parametrize("mode", MODES)
def test_votes_of_ten_people(mode: str) -> None:
    rng = np.random.default_rng(0)
    check(rng.multinomial(10, rng.dirichlet(np.full(10, 0.4), 3000)), mode)


@pytest.mark.parametrize(
    ("face", "mode", "wanted"),
    [
        # neutral happiness surprise sadness anger disgust fear contempt unknown NF
        ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], "majority", {"neutral": 1}),
        ([5, 0, 0, 5, 0, 0, 0, 0, 0, 0], "majority", None),
        ([5, 1, 1, 1, 1, 1, 0, 0, 0, 0], "majority", {"neutral": 1}),  # single votes are none
        ([0, 0, 0, 0, 0, 0, 0, 0, 9, 0], "majority", None),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "majority", None),
        ([1] * 10, "majority", None),
        ([0] * 10, "crossentropy", None),
        ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], "crossentropy", {"neutral": 0.6, "sadness": 0.4}),
        ([8, 0, 0, 2, 0, 0, 0, 0, 0, 0], "crossentropy", {"neutral": 1}),  # 80 % already
        ([4, 0, 0, 0, 3, 0, 0, 0, 3, 0], "crossentropy", {"neutral": 4 / 7, "anger": 3 / 7}),
        ([4, 0, 0, 0, 0, 0, 0, 0, 6, 0], "crossentropy", None),
        ([5, 0, 0, 0, 0, 0, 0, 0, 5, 0], "crossentropy", None),  # half is not enough
        ([4, 2, 2, 2, 0, 0, 0, 0, 0, 0], "crossentropy", None),  # four at once
        ([3, 3, 0, 4, 0, 0, 0, 0, 0, 0], "multi_target", dict.fromkeys(COLUMNS[:2], 1)),
        ([4, 0, 0, 2, 2, 2, 0, 0, 0, 0], "multi_target", None),
    ],
)
def test_cases(face: list[int], mode: str, wanted: dict[str, float] | None) -> None:
    if wanted and mode == "multi_target":
        wanted = wanted | {"sadness": 1}
    kept, _, targets = vote_labels(np.array([face]), mode)
    assert kept[0] == (wanted is not None)
    expected = [(wanted or {}).get(name, 0) for name in CLASSES]
    np.testing.assert_allclose(targets[0], expected, atol=1e-6)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UserError, match=r"'majority_vote'\. Did you mean 'majority'"):
        vote_labels(np.zeros((1, 10), int), "majority_vote")


# Of the label.csv lists. fer2013new.csv's votes, on which the published counts rest, differ in
# some rows: 25,060, 27,956 and 27,671 of Training, 3,199, 3,505 and 3,472 of PublicTest.
REAL = {
    "FER2013Train": {"majority": 25045, "crossentropy": 27947, "multi_target": 27667},
    "FER2013Valid": {"majority": 3191, "crossentropy": 3508, "multi_target": 3472},
}


@pytest.mark.faces
@pytest.mark.parametrize("own", REAL)
def test_real_counts(faces: Path, own: str) -> None:
    path = faces / "ferplus" / own / "label.csv"
    if not path.is_file():
        pytest.skip("FERJAX_FACES holds no ferplus/ (see unpack.py)")
    with open(path, encoding="utf-8") as file:
        votes = np.array([[int(vote) for vote in row[2:]] for row in csv.reader(file)])
    for mode, count in {**REAL[own], "probability": REAL[own]["crossentropy"]}.items():
        assert vote_labels(votes, mode)[0].sum() == count
        check(votes[::50], mode)
