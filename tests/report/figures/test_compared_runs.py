"""Figures of comparisons and of rankings are drawn for any number of runs and emotions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.report.figures.compared_runs import draw_compared_curves, draw_differences
from ferjax.report.figures.ranking_curves import draw_ranking


def is_drawn(path: Path) -> bool:
    """Returns whether a picture has dark and coloured pixels."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return bool(pixels.min() < 100 and np.ptp(pixels, axis=2).max() > 50)


@pytest.mark.parametrize("count", [2, 11])
def test_curves_and_differences(count: int, tmp_path: Path) -> None:
    names = [f"a run with a long name, number {k}" for k in range(count)]
    lines = [
        {"epoch": epoch, "split": split, "loss": 2 / epoch, "accuracy": epoch / 20}
        for epoch in range(1, 15)
        for split in ("train", "val")
    ]
    curves = {name: [lines, lines[:8]] for name in names} | {"nothing": [[]]}
    draw_compared_curves(curves, tmp_path / "curves.png", "curves $x$")
    found = {"difference": 0.01, "low": -0.02, "high": 0.04, "p": 0.03, "holm": 0.01}
    pairs = [
        {"first": names[0], "second": name, "accuracy": found, "macro_f1": {**found, "holm": None}}
        for name in names[1:]
    ]
    draw_differences(pairs, tmp_path / "differences.png", "differences")
    assert is_drawn(tmp_path / "curves.png")
    assert is_drawn(tmp_path / "differences.png")


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], [0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1]])
def test_rankings(labels: list[int], tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    classes = ["anger", "a class of a very long name", "neutral"]
    draw_ranking(probabilities, np.array(labels), classes, tmp_path / "ranking.png", "ranking")
    assert is_drawn(tmp_path / "ranking.png") or len(set(labels)) == 1
