"""What the page says of runs and in its summary: weights without places, proxies, single seeds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.ledger import judge_claims
from ferjax.reproduce.paper_table import Figure, OpenPoint, Paper
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.build_report import build_report
from ferjax.reproduce.reporting.draw_figures import what_is_shown
from ferjax.reproduce.reporting.page import render_report
from ferjax.reproduce.reporting.run_tables import data_of, experiments_of
from ferjax.reproduce.reporting.summary import sentences_of
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.at_hand import AtHand
from ferjax.reproduce.running.collect_result import command_of
from ferjax.reproduce.running.plan import plan_runs

Make = Callable[..., RunResult]
SETTINGS = {"smoke": False, "written": "", "commands": [], "environment": {}}
NO_PRIVATE_TEST = (
    "PrivateTest is not on disk: the protocol was applied to the images that are there"
)


def report_of(
    results: dict[str, list[RunResult]],
    claims: tuple[Claim, ...] = (),
    open_points: tuple[OpenPoint, ...] = (),
) -> dict[str, Any]:
    paper = Paper("yang", "title", ("fer2013",), (), claims, (), open_points)
    return build_report(paper, results, {}, SETTINGS)


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


def test_bounds_and_counts_are_numbers_that_were_held_against_ours(make_result: Make) -> None:
    runs = [make_result("one", seed, 0.50 + 0.002 * seed) for seed in range(3)]
    bound = Claim("bound", "at_most", "", "", 0.9, "90 %", measure=Measure("one"))
    better = Claim("better", "better", "", "", measure=Measure("one"), than=Measure("two"))
    results = {"one": runs, "two": [replace(run, experiment="two") for run in runs]}
    for claims, text in (
        ([bound, better], "No printed rate was judged as a number; bounds, counts and other"),
        ([better], "No printed number could be held against ours."),
    ):
        rows = judge_claims(claims, results, {})
        assert sentences_of(rows, [], smoke=False)[1].startswith(text)


def test_the_honest_number_stands_with_its_images_and_departures(make_result: Make) -> None:
    claim = Claim(
        "accuracy", "number", "", "", 0.5, "50 %", measure=Measure("one"), honest=Measure("two")
    )
    results = {
        "one": [make_result("one", seed, departs=["random weights"]) for seed in range(2)],
        "two": [make_result("two", seed, departs=["weights of FER+"]) for seed in range(3)],
    }
    report = report_of(results, (claim,))
    (row,) = report["ledger"]
    assert row["proxy"] == ["random weights"]
    assert row["honest_proxy"] == ["weights of FER+"]
    assert row["texts"]["honest_n"].startswith("3 seeds, 700 images of test; interval over")
    page = render_report(report, {}, {})
    assert '<span data-cell="ledger.accuracy.honest_proxy">weights of FER+</span>' in page


def test_protocols_state_what_the_runs_did(make_result: Make) -> None:
    one = make_result("one")
    without_test = {name: part for name, part in one.splits.items() if name != "test"}
    last = tuple(line for line in one.curves if line["split"] != "val" or line["epoch"] == 4)
    facts = {**one.facts, "config": {"protocol": "iut"}, "notes": ["a note", NO_PRIVATE_TEST]}
    results = {
        "one": [one],
        "again": [one],
        "no_test": [replace(one, splits=without_test)],
        "last_epoch": [replace(one, curves=last)],
        "baseline": [replace(one, curves=(), draws=False, splits=without_test)],
        "iut": [replace(one, facts=facts)],
    }
    report = report_of(results)
    found = {tuple(row["experiments"]): row for row in report["protocols"]}
    assert {names: row["breach"] for names, row in found.items() if row["name"] == "none"} == {
        ("one", "again"): "ferjax's own splits: val selects the epoch, test is read once",
        ("no_test",): "ferjax's own splits: val selects the epoch, there is no test split",
        ("last_epoch",): "ferjax's own splits: the last epoch alone is evaluated, so that nothing"
        " selects it, test is read once",
        ("baseline",): "ferjax's own splits: there are no epochs to select from, there is no test"
        " split",
    }
    assert found["iut",]["notes"] == [NO_PRIVATE_TEST]
    for kind, said in (("histogram", True), ("confusion", True), ("augmentation", False)):
        shown = what_is_shown(Figure("figure", kind, "", "", "iut"), results, {})
        assert (NO_PRIVATE_TEST in shown) == said
    page = render_report(report, {}, {})
    assert f'<span data-cell="protocol.5.notes">{NO_PRIVATE_TEST}</span>' in page
    # What is not true of every run is not said of all of them.
    assert page.count("val selects the epoch") == 2


@pytest.mark.parametrize(("seeds", "draws", "said"), [(1, True, True), (2, True, False),
                                                     (1, False, False)])  # fmt: skip
def test_single_seeds_of_tried_values_are_said_where_there_are_any(
    seeds: int, draws: bool, said: bool, make_result: Make
) -> None:
    results = {name: [replace(make_result(name, seed), draws=draws) for seed in range(seeds)]
               for name in ("one", "two")}  # fmt: skip
    point = OpenPoint("epochs", "", "", (("4", "one"), ("8", "two")))
    report = report_of(results, open_points=(point,))
    assert ("tried with one seed" in render_report(report, {}, {})) == said
    assert ("have one seed" in report["summary"]["sentences"][2]) == said


def test_val_and_test_of_the_same_images_have_a_row_each(make_result: Make) -> None:
    run = make_result("one")
    splits = {**run.splits, "test": {**run.splits["test"], "digest": run.splits["val"]["digest"]}}
    rows = data_of({"one": [replace(run, splits=splits)], "two": [run]})
    assert [(row["split"], row["experiments"]) for row in rows] == [
        ("train", ["one", "two"]),
        ("val", ["one", "two"]),
        ("test", ["one"]),
        ("test", ["two"]),
    ]
