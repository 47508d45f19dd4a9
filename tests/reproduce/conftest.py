"""Made-up results of runs, so that judging and reporting are tested without any training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ferjax.reproduce.run_result import Predictions, RunResult, half_precision

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
LIBRARIES = {"devices": "1 x cpu (cpu)", "training wall time, minutes": 1.5}


def predictions(labels: np.ndarray, accuracy: float, seed: int, classes: int = 7) -> Predictions:
    """Returns predictions of which exactly the share `accuracy` is right, spread at random."""
    random = np.random.default_rng(seed)
    wrong = random.permutation(len(labels))[round(accuracy * len(labels)) :]
    predicted = labels.copy()
    predicted[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
    probabilities = random.dirichlet(np.ones(classes), len(labels))
    best = probabilities.argmax(1)
    rows = np.arange(len(labels))
    highest = probabilities[rows, best]
    probabilities[rows, best] = probabilities[rows, predicted]
    probabilities[rows, predicted] = highest
    return Predictions(half_precision(probabilities, predicted), labels.astype(np.uint8))


@pytest.fixture(scope="session")
def make_result() -> Callable[..., RunResult]:
    """Returns a function (experiment, seed, accuracy, ...) → a result with val and test."""

    def make(
        experiment: str,
        seed: int = 0,
        accuracy: float = 0.5,
        images: int = 700,
        classes: tuple[str, ...] = CLASSES,
        epochs: int = 4,
        **facts: Any,
    ) -> RunResult:
        labels = np.arange(images) % len(classes)
        number = seed + sum(map(ord, experiment))
        last = {
            split: predictions(labels, accuracy, number, len(classes)) for split in ("val", "test")
        }
        splits = {
            split: {
                "images": count,
                "classes": {name: count // len(classes) for name in classes},
                "source": f"drawn for {split}",
                "digest": f"{split}-{count}",
            }
            for split, count in (("train", 7 * images), ("val", images), ("test", images))
        }
        curves = [
            {
                "split": split,
                "epoch": epoch,
                "loss": 2.0 / epoch + 0.01 * seed,
                "accuracy": accuracy * epoch / epochs,
                "recall": dict.fromkeys(classes, accuracy * epoch / epochs),
            }
            for epoch in range(1, epochs + 1)
            for split in ("train", "val")
        ]
        return RunResult(
            experiment,
            seed,
            classes,
            {(split, epochs): part for split, part in last.items()},
            {"selected": epochs, "last": epochs, "phase_1": 2},
            tuple(curves),
            splits,
            facts={
                "config": {"augment": "flip", "protocol": None},
                "dataset": "fer2013",
                "environment": LIBRARIES,
                "costs": {"images_per_second": 512.0},
                "parameters": 1_234_567,
                **facts,
            },
        )

    return make
