"""predictions_<split>.csv: one row and one line an image, whatever the file names are."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferjax.data.splits.from_arrays import split_from_arrays
from ferjax.evaluation.predictions_csv import write_predictions_csv
from ferjax.training.metrics import evaluation

NAMES = ('a,"b"\n.png', "bad\udcff.png", "fer2013.csv:3", "=ünï .png")


def test_rows_are_read_back(tmp_path: Path) -> None:
    logits, labels = np.array([[2.0, 0], [0, 1], [3, 0], [0, 0.1]]), np.array([0, 0, 1, 1])
    split = replace(split_from_arrays("test", np.zeros((4, 2, 2), np.uint8), labels), ids=NAMES)
    result = evaluation(logits, labels)
    name = write_predictions_csv(result, split, ("anger", "a,b"), tmp_path)
    assert name == "predictions_test.csv"
    with open(tmp_path / name, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "label", "predicted", "anger", "a,b"]
    assert [row[0] for row in rows] == [r'a,"b"\n.png', r"bad\xff.png", NAMES[2], "'=ünï .png"]
    assert [row[1] for row in rows] == ["anger", "anger", "a,b", "a,b"]
    assert [row[2] for row in rows] == ["anger", "a,b", "anger", "a,b"]
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = np.array([[float(cell) for cell in row[3:]] for row in rows])
    assert found == pytest.approx(expected, abs=1e-6)
