"""What the page says of runs and in its summary: weights without places, proxies, single seeds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.ledger import judge_claims
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.run_tables import experiments_of
from ferjax.reproduce.reporting.summary import sentences_of
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.at_hand import AtHand
from ferjax.reproduce.running.collect_result import command_of
from ferjax.reproduce.running.plan import plan_runs

Make = Callable[..., RunResult]


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("random initialisation", "random initialisation"),
        (
            ["vgg16: onnx weights from /home/me/vgg16.onnx", "sha256 0ab1", "license: MIT"],
            "vgg16: onnx weights from vgg16.onnx; sha256 0ab1",
        ),
        (
            ["resnet18: weights from https://x.org/r.pth"],
            "resnet18: weights from https://x.org/r.pth",
        ),
        (None, ""),
    ],
)
def test_weights_are_named_and_their_place_is_not(
    origin: Any, shown: str, make_result: Make
) -> None:
    facts = {"protocol": {"weights' origin": origin}} if origin else {}
    rows = experiments_of(find_paper("yang"), {"cnn3": [make_result("cnn3", **facts)]}, {})
    assert next(row for row in rows if row["name"] == "cnn3")["weights"] == shown


def test_the_command_of_a_baseline_trains_that_baseline() -> None:
    config = ReproduceConfig(paper="farahani", only=("lpq_faces",))
    (run,) = plan_runs(config, find_paper("farahani"), AtHand({}, {}, {}), Path("out"))
    assert command_of(run) == (
        "python -m launch.baseline --features=lpq --dataset=fer2013 --limit=489"
    )


def test_the_summary_says_what_is_by_proxy_and_what_has_one_seed(make_result: Make) -> None:
    claim = Claim("accuracy", "number", "", "", 0.6, "60 %", measure=Measure("one"))
    runs = [make_result("one", seed, 0.50 + 0.002 * seed) for seed in range(3)]
    departing = [replace(run, facts={**run.facts, "departs": ["48 px"]}) for run in runs]
    for group, end in ((runs, "%."), (departing, "%, by proxy.")):
        rows = judge_claims([claim], {"one": group}, {})
        assert sentences_of(rows, [], smoke=False)[1].endswith(end)
    for seeds, end in ((3, ")."), (1, "part of it may be chance.")):
        tried = [{"value": name, "text": "50 %", "ours": {"seeds": seeds}} for name in "ab"]
        point = {"name": "epochs", "moves": 0.02, "tried": tried}
        assert sentences_of([], [point], smoke=False)[2].endswith(end)
