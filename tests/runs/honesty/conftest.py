"""Runs on drawn faces of three emotions, with labels that a test may change.

Copies of images across splits, and labels of a known data set in another order, are tested where
they are found: tests/data/audit, tests/tools/test_prepare_data.py,
tests/data/datasets/test_permuted_labels.py, tests/evaluation/test_renumbered_labels.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.data.dataset_table import DATASETS
from ferjax.data.splits.from_arrays import bundle_from_arrays
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.experiment import run_train

# Three emotions that a small network tells apart after seconds.
CLASSES = ("happiness", "sadness", "surprise")
COUNTS = {"train": 360, "val": 60, "test": 210}
SETTINGS: dict[str, Any] = dict(
    epochs=6,
    eval_every=3,
    batch_size=10,
    optimizer="adam",
    learning_rate=2e-3,
    schedule="cosine",
    augment="none",
    dropout=0.1,
    channels=1,
    limit=None,
)
Labels = dict[str, np.ndarray]
Train = Callable[[Path, Mapping[str, np.ndarray]], dict[str, Any]]


@pytest.fixture(scope="session")
def true_labels() -> Labels:
    """Returns the labels of every split, as many of each class."""
    return {name: np.arange(count) % len(CLASSES) for name, count in COUNTS.items()}


@pytest.fixture(scope="session")
def train_with(
    true_labels: Labels,
    tiny_config: Callable[..., TrainConfig],
    without_figures: Callable[[], Any],
) -> Train:
    """Returns a function (run directory, labels that differ) → report of a run with them.

    The faces, the settings and the seed are the same in every run.
    """
    emotion_of = np.array([EMOTIONS.index(name) for name in CLASSES])
    images = {
        name: render_faces(emotion_of[labels], 10_000 * place + np.arange(len(labels)), size=32)
        for place, (name, labels) in enumerate(true_labels.items())
    }

    def train(run_dir: Path, changed: Mapping[str, np.ndarray]) -> dict[str, Any]:
        labels = {**true_labels, **changed}
        arrays = [(images[name], labels[name]) for name in ("train", "val", "test")]
        bundle = bundle_from_arrays(CLASSES, *arrays)
        entry = replace(DATASETS["synthetic"], load=lambda *_, **__: bundle)
        with pytest.MonkeyPatch.context() as patch, without_figures():
            patch.setitem(DATASETS, "synthetic", entry)
            return run_train(tiny_config(run_dir, **SETTINGS), jax.devices()[:1])

    return train


@pytest.fixture(scope="session")
def true_run(train_with: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the directory of the run with true labels."""
    run_dir = tmp_path_factory.mktemp("honesty") / "run"
    train_with(run_dir, {})
    return run_dir
