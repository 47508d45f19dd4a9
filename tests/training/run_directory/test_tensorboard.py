"""The metrics as TensorBoard reads them, in TensorBoard's own reader."""

import sys
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.training.run_directory.metrics_jsonl import append_lines
from ferjax.training.run_directory.tensorboard import FOLDER, open_board, scalars

LINES = [
    {"step": 10, "epoch": 1, "split": "train", "loss": 2.0, "seconds": {"data": 0.5}},
    {"step": 10, "epoch": 1, "split": "val", "accuracy": 0.25, "recall": {"fear": 1.0}},
]


def test_numbers_are_named_by_split() -> None:
    assert dict(scalars(LINES[0])) == {
        "train/epoch": 1.0,
        "train/loss": 2.0,
        "train/seconds/data": 0.5,
    }
    # What is nested deeper is no curve.
    assert list(scalars({"split": "val", "raw": {"recall": {"fear": 1.0}, "loss": 3}})) == [
        ("val/raw/loss", 3.0)
    ]


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write = open_board(tmp_path)
    for line in (*LINES, {**LINES[0], "step": 20, "loss": 1.0}):
        write(line)
    append_lines(tmp_path, LINES)
    # metrics.jsonl was cut back to step 10: step 20 comes again.
    write = open_board(tmp_path)
    write({**LINES[0], "step": 20, "loss": 1.5})
    events = accumulator.EventAccumulator(str(tmp_path / FOLDER))
    events.Reload()
    assert events.Tags()["tensors"] == [
        "train/epoch",
        "train/loss",
        "train/seconds/data",
        "val/epoch",
        "val/accuracy",
        "val/recall/fear",
    ]
    losses = events.Tensors("train/loss")
    assert [(e.step, e.tensor_proto.float_val[0]) for e in losses] == [(10, 2.0), (20, 1.5)]


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(UserError, match=r"pip install 'ferjax\[tensorboard\]'"):
        open_board(tmp_path)
