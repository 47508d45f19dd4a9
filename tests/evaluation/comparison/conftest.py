"""Folders of runs with drawn predictions."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = ("anger", "fear", "happiness", "neutral")


@pytest.fixture
def drawn_run() -> Callable[..., Path]:
    """Returns a function that writes a run folder with predictions of the same drawn images.

    `right` is how often it predicts the true class; `classes` reorders or renames the columns.
    """

    def write(
        folder: Path,
        right: float = 0.7,
        *,
        count: int = 200,
        first: int = 0,
        seed: int = 0,
        split: str = "val",
        classes: tuple[str, ...] = CLASSES,
        report: dict[str, Any] | None = None,
        epochs: int = 0,
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        labels = np.random.default_rng(1).integers(0, 4, first + count)[first:]
        random = np.random.default_rng(seed)
        hit = random.random(count) < right
        predicted = np.where(hit, labels, (labels + random.integers(1, 4, count)) % 4)
        logits = random.normal(0, 0.5, (count, 4))
        logits[np.arange(count), predicted] = logits.max(1) + random.random(count)
        powers = np.exp(logits)
        probabilities = powers / powers.sum(1, keepdims=True)
        columns = [CLASSES.index(name) if name in CLASSES else 0 for name in classes]
        with (folder / f"predictions_{split}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["file", "label", "predicted", *classes])
            for row in range(count):
                name = f"faces/{first + row}.png"
                numbers = [f"{probabilities[row, k]:.6f}" for k in columns]
                table.writerow([name, CLASSES[labels[row]], CLASSES[predicted[row]], *numbers])
        values = {"title": f"cnn3 {folder.name}", "config": {"model": "cnn3"}, "warnings": []}
        (folder / "report.json").write_text(json.dumps({**values, **(report or {})}))
        lines = [
            {"epoch": epoch, "split": part, "loss": 1 / epoch, "accuracy": epoch / 9, "recall": {}}
            for epoch in range(1, epochs + 1)
            for part in ("train", "val")
        ]
        if lines:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (folder / "metrics.jsonl").write_text(text)
        return folder

    return write
