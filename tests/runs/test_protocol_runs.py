"""A run by a protocol that is not ferjax's: stamped everywhere, recorded, resumed, evaluated."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.training.run_directory.splits_file import read_split_record

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")


@pytest.fixture
def config(tiny_config: Callable[..., Any], make_rafdb: Any, tmp_path: Path) -> TrainConfig:
    data = make_rafdb(tmp_path / "rafdb")
    given = dict(dataset="rafdb", data_dir=str(data), batch_size=8, epochs=2, smoke=False)
    return tiny_config(tmp_path / "run", model="toy", protocol="liu", **given)


def test_the_stamp_is_in_every_report_of_the_run(config: TrainConfig, tmp_path: Path) -> None:
    report = run_train(config)
    run_dir = Path(config.workdir or "")
    written = json.loads((run_dir / "report.json").read_text("utf-8"))
    assert written["protocol"]["name"] == "liu"
    assert written["protocol"]["breach"].startswith("P5's: what the paper calls validation")
    assert written["protocol"]["test"].startswith("read after every epoch, because it selects")
    assert written["warnings"][0].startswith("protocol liu, not ferjax's splits: P5's")
    assert report["summary"].startswith("protocol liu (a breach, see the warnings): test accuracy")
    markdown, page = ((run_dir / f"report.{kind}").read_text("utf-8") for kind in ("md", "html"))
    assert "| breach | P5's: what the paper calls validation" in markdown
    assert "protocol liu (a breach, see the warnings): test accuracy" in page
    results = written["results"]
    assert results["val"]["selected"]["confusion"] == results["test"]["selected"]["confusion"]

    record = read_split_record(run_dir)
    assert record is not None
    assert record.splits["val"].ids == record.splits["test"].ids
    assert len(record.splits["train"]) == 35

    # Again by the record, and one split of it.
    assert run_evaluate(EvalConfig(workdir=str(run_dir)))["protocol"]["name"] == "liu"
    judged = run_evaluate(EvalConfig(workdir=str(run_dir), split="test"))
    assert judged["protocol"]["name"] == "liu"
    assert judged["warnings"][0].startswith("protocol liu, not ferjax's splits")
    assert judged["summary"].startswith("protocol liu")
    assert judged["protocol"]["images trained on"] == "0 of the 7 images judged"

    # It resumes as it is, and not by another protocol.
    assert run_train(replace(config, resume=True))["path"] == report["path"]
    for other in (None, "select_on_test"):
        longer = replace(config, resume=True, protocol=other, epochs=3)
        with pytest.raises(UserError, match="protocol: liu → "):
            run_train(longer)


def test_a_series_of_seeds_carries_the_stamp_first(config: TrainConfig) -> None:
    report = run_train(replace(config, seeds=(0, 1), epochs=1))
    assert report["protocol"]["name"] == "liu"
    assert report["summary"].startswith("protocol liu (a breach")
    assert report["warnings"][0].startswith("protocol liu")
