"""What a log, a notebook and a terminal show of a run while it trains."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

import ferjax
from ferjax.config.train_config import TrainConfig
from ferjax.experiment import run_train
from ferjax.runs.epoch_lines import duration, epoch_line

TRAIN = {"epoch": 3, "loss": 1.25, "accuracy": 0.5, "learning_rate": 1e-3}
TRAIN |= {"images_per_second": 200.0, "seconds": {"evaluate": 2.0}}
VAL = {"accuracy": 0.4875}


def test_a_line_by_hand() -> None:
    # 17 epochs of 1,000 / 200 + 2 seconds are 119.
    assert epoch_line(20, 1000, TRAIN, VAL) == (
        "epoch  3/20  loss 1.2500  accuracy  50.0 %  val  48.8 %  lr 0.001     200 images/s"
        "  ETA 1:59"
    )
    without = epoch_line(20, 1000, TRAIN, None)
    assert "val       -  lr" in without
    assert len(without) == len(epoch_line(20, 1000, TRAIN, VAL))
    assert "loss 2.50e+07  accuracy" in epoch_line(20, 1000, {**TRAIN, "loss": 2.5e7}, VAL)
    assert epoch_line(3, 1000, {**TRAIN, "images_per_second": 0.0}, VAL).endswith("ETA 0:00")
    assert epoch_line(4, 1000, {**TRAIN, "images_per_second": 0.0}, VAL).endswith("ETA -")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36_061, "10:01:01")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.usefixtures("toy_network", "no_figures")
def test_every_epoch_has_its_line_in_a_log(
    tmp_path: Path, tiny_config: Callable[..., TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also from Python; an epoch that is not evaluated says so; --noprogress shows nothing."""
    given: dict[str, Any] = dict(model="toy", epochs=3, eval_every=2, progress=True)
    seen: list[int] = []
    config = tiny_config(tmp_path / "run", **given)
    ferjax.train(config, jax.devices()[:1], watch=lambda epoch, _: seen.append(epoch))
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert lines[0] == "reading synthetic"
    assert "compiling" in lines[1]
    assert [line[:9] for line in lines[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert [bool(re.search(r"val +[\d.]+ %", line)) for line in lines[2:5]] == [False, True, True]
    assert "report" in lines[5]
    assert output.isascii()
    assert errors == ""
    assert seen == [2, 3]
    run_train(tiny_config(tmp_path / "quiet", **{**given, "progress": False}), jax.devices()[:1])
    assert capsys.readouterr() == ("", "")
