"""C and gamma by cross-validation: scikit-learn's scores, whole people, and a kill between."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.svm import SVC

from ferjax.baselines import cross_validation
from ferjax.baselines.cross_validation import JOURNAL, candidates_for, cross_validate, cut_parts
from ferjax.baselines.support_vector_machine import squared_distances
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

CONFIG = BaselineConfig("lpq", "synthetic", progress=False)
POINTS, LABELS = make_blobs(80, 6, centers=3, cluster_std=4.0, random_state=0)


@pytest.fixture
def train(make_split: Callable[..., Split]) -> Split:
    return make_split(np.zeros((80, 1, 1, 1), np.uint8), LABELS, "train")


def test_scores_are_scikit_learns(train: Split, tmp_path: Path) -> None:
    distances = squared_distances(POINTS, POINTS)
    parts = cut_parts(train, 4, seed=3)
    assert "4 parts" in parts.words
    best, rows = cross_validate(CONFIG, distances, train, 3, parts, tmp_path)
    part_of = np.zeros(80, int)
    for number, part in enumerate(parts.held_out):
        part_of[part] = number
    grid = candidates_for("rbf", distances)
    # 80 images in 4 stratified parts: equal parts, so that the mean of shares is the whole share.
    for candidate, row in zip(grid, rows, strict=True):
        machine = SVC(C=candidate.c, gamma=candidate.gamma, break_ties=True)
        scores = cross_val_score(machine, POINTS, LABELS, cv=PredefinedSplit(part_of))
        assert row["accuracy"] == pytest.approx(scores.mean(), abs=1e-9), row
    assert best == grid[int(np.argmax([row["accuracy"] for row in rows]))]


def test_what_is_in_the_journal_is_not_computed_again(
    train: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, parts = POINTS.astype(np.float32), cut_parts(train, 3, 0)
    config = replace(CONFIG, kernel="linear")
    whole = cross_validate(config, values, train, 3, parts, tmp_path / ".")
    lines = (tmp_path / JOURNAL).read_text().splitlines(keepends=True)
    assert len(lines) == len(candidates_for("linear", values))
    (tmp_path / JOURNAL).write_text("".join(lines[:3]) + '{"c": 16.0, "ga')  # killed while writing
    calls = []
    original = cross_validation.held_out_decisions
    monkeypatch.setattr(
        cross_validation,
        "held_out_decisions",
        lambda *given: calls.append(given[0]) or original(*given),
    )
    assert cross_validate(config, values, train, 3, parts, tmp_path) == whole
    assert calls == candidates_for("linear", values)[3:]
    assert (tmp_path / JOURNAL).read_text() == "".join(lines)


def test_no_person_is_in_two_parts(train: Split) -> None:
    subjects = np.array([f"S{k % 7}" for k in range(80)])
    parts = cut_parts(replace(train, subjects=subjects), 5, 0)
    people = [set(subjects[part]) for part in parts.held_out]
    assert sum(map(len, people)) == 7
    assert sorted(np.concatenate(parts.held_out)) == list(range(80))
    assert "no person in two parts" in parts.words
    # Of three people there are three parts.
    three = np.array([f"S{k % 3}" for k in range(80)])
    assert len(cut_parts(replace(train, subjects=three), 5, 0).held_out) == 3


def test_too_few_images_or_people_are_refused(train: Split) -> None:
    with pytest.raises(UserError, match="one person"):
        cut_parts(replace(train, subjects=np.array(["S1"] * 80)), 5, 0)
    with pytest.raises(UserError, match="too few"):
        cut_parts(replace(train, labels=np.array([0] * 79 + [1], np.int32)), 5, 0)
