"""Permuted labels give chance: nothing but the training labels tells a network the classes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

# The exact interval that holds the hits of a network without knowledge in 99.9 % of the cases.
LEVEL = 0.999


def test_permuted_labels_give_chance_and_true_labels_do_not(
    true_run: Path,
    train_with: Callable[..., dict[str, Any]],
    true_labels: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    """Val is permuted too: else its true labels would select an epoch that is right by luck."""
    random = np.random.default_rng(0)
    permuted = {name: random.permutation(true_labels[name]) for name in ("train", "val")}
    report = train_with(tmp_path / "run", permuted)
    count, classes = len(true_labels["test"]), len(report["protocol"]["classes"])
    low, high = binom.interval(LEVEL, count, 1 / classes)
    for which in ("selected", "last"):
        hits = round(count * report["results"]["test"][which]["accuracy"])
        assert low <= hits <= high, f"{which}: {hits} of {count} right, {low} to {high} by chance"
    # With the same faces, settings and seed, true labels are learned.
    learned = json.loads((true_run / "report.json").read_text("utf-8"))["results"]["test"]
    assert learned["selected"]["accuracy"] > 0.65
    assert learned["selected"]["accuracy"] * count > high
