"""Rows of the ledger: proxies, other data, smoke runs, what did not run, the honest side."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.ledger import SMOKE_REASON, Row, judge_claims
from ferjax.reproduce.judging.verdicts import NOT_REPRODUCED, NOT_TESTED, REDRAWN, REPRODUCED
from ferjax.reproduce.run_result import RunResult

Make = Callable[..., RunResult]
NUMBER = Claim(
    "accuracy", "number", "", "", 0.5, "50 %", measure=Measure("one"), honest=Measure("honest")
)
BETTER = Claim("better", "better", "", "", measure=Measure("two"), than=Measure("one"))
FALLS = Claim("trend", "trend", "", "", measure=Measure("one"), along=("two", "one"))
COUNT = Claim("count", "count", "", "", 4900, "4,900", measure=Measure("one"), counted="train")
FIGURE = Claim("curves", "figure", "", "", measure=Measure("one"), figure="curves")
STATED = Claim("said", "statement", "", "", untestable="it is about people")
CLAIMS = (NUMBER, BETTER, FALLS, COUNT, FIGURE, STATED)


@pytest.fixture(scope="module")
def results(make_result: Make) -> dict[str, list[RunResult]]:
    levels = {"one": 0.5, "two": 0.6, "honest": 0.45}
    return {n: [make_result(n, s, a + 0.002 * s) for s in range(3)] for n, a in levels.items()}


def words(rows: tuple[Row, ...]) -> dict[str, str]:
    return {row.claim.name: row.verdict.word for row in rows}


def test_every_kind(results: dict[str, list[RunResult]]) -> None:
    rows = judge_claims(CLAIMS, results, {})
    assert words(rows) == {
        "accuracy": REPRODUCED,
        "better": REPRODUCED,
        "trend": NOT_REPRODUCED,
        "count": REPRODUCED,
        "curves": REDRAWN,
        "said": NOT_TESTED,
    }
    number, better, trend, count, *_ = rows
    assert number.honest is not None
    assert number.honest.ours is not None
    assert number.honest.ours.mean == pytest.approx(0.452, abs=1e-3)
    assert better.ours is not None
    assert better.ours.mean == pytest.approx(0.1, abs=1e-3)
    assert (trend.tau, count.count) == (-1, 4900)
    assert rows[-1].verdict.reason == "it is about people"


def test_smoke_decides_nothing(results: dict[str, list[RunResult]]) -> None:
    rows = judge_claims(CLAIMS, results, {}, smoke=True)
    assert {word for name, word in words(rows).items() if name != "curves"} == {NOT_TESTED}
    assert rows[0].verdict.reason == SMOKE_REASON
    assert rows[0].ours is not None


def test_proxies(results: dict[str, list[RunResult]]) -> None:
    smaller = {name: [replace(run, facts={**run.facts, "departs": ["48 px instead of 224"]})
                      for run in runs] for name, runs in results.items()}  # fmt: skip
    for row in judge_claims(CLAIMS[:4], smaller, {}):
        assert row.verdict.proxy == ("48 px instead of 224",)
    other = {name: [replace(run, facts={**run.facts, "other_data": "fer2013 instead of rafdb"})
                    for run in runs] for name, runs in results.items()}  # fmt: skip
    rows = judge_claims(CLAIMS, other, {})
    found = words(rows)
    # A number of one data set says nothing about another; a comparison does.
    assert (found["accuracy"], found["count"]) == (NOT_TESTED, NOT_TESTED)
    assert (found["better"], found["trend"]) == (REPRODUCED, NOT_REPRODUCED)
    assert rows[0].verdict.reason == "its number is of other data: fer2013 instead of rafdb"
    carried = judge_claims([replace(NUMBER, other_data=True)], other, {})
    assert carried[0].verdict.word == REPRODUCED


def test_the_honest_row_and_figures_follow_the_same_rules(
    results: dict[str, list[RunResult]],
) -> None:
    more = {"other_data": "fer2013 instead of rafdb", "departs": ["48 px instead of 224"]}
    other = {name: [replace(run, facts={**run.facts, **more}) for run in runs]
             for name, runs in results.items()}  # fmt: skip
    for row in judge_claims([NUMBER], other, {}) + judge_claims([NUMBER], results, {}, smoke=True):
        assert row.honest is not None
        assert row.honest.verdict.word == NOT_TESTED
    (figure,) = judge_claims([FIGURE], other, {})
    assert (figure.verdict.word, figure.verdict.proxy) == (REDRAWN, ("48 px instead of 224",))
    (figure,) = judge_claims([FIGURE], results, {}, smoke=True)
    assert (figure.verdict.word, figure.verdict.reason) == (REDRAWN, SMOKE_REASON)


def test_a_count_of_a_part_of_the_data_decides_nothing(
    results: dict[str, list[RunResult]],
) -> None:
    runs = [replace(run, facts={**run.facts, "config": {"limit": 100}}) for run in results["one"]]
    (row,) = judge_claims([replace(COUNT, paper=7000)], {"one": runs}, {})
    assert row.verdict.word == NOT_TESTED
    assert row.verdict.reason == "at most 100 images of each split were read"
    # The copy may be complete: only a part of it was read.
    whole = replace(COUNT, counted="train+val+test", complete=("train+val+test", 35_887))
    (row,) = judge_claims([whole], {"one": runs}, {})
    assert row.verdict.reason == "at most 100 images of each split were read"
    without = [replace(run, splits={"train": run.splits["train"]}) for run in runs]
    (row,) = judge_claims([whole], {"one": without}, {})
    assert row.verdict.reason == "at most 100 images of each split were read"
    (row,) = judge_claims([whole], {"one": results["one"]}, {})
    assert row.verdict.reason == "the copy at hand has 6,300 of 35,887 images"


NO_PRIVATE_TEST = (
    "PrivateTest is not on disk: the protocol was applied to the images that are there"
)


@pytest.mark.parametrize(
    ("protocol", "split", "proxy"),
    [
        ("iut", "test", (NO_PRIVATE_TEST,)),
        ("iut", "val", ()),  # a fifth of Training
        ("kumari", "val", (NO_PRIVATE_TEST,)),  # cut from all images
        (None, "test", (NO_PRIVATE_TEST,)),
    ],
)
def test_half_of_the_test_images_is_a_proxy(
    protocol: str | None,
    split: str,
    proxy: tuple[str, ...],
    results: dict[str, list[RunResult]],
) -> None:
    more = {"config": {"protocol": protocol}, "notes": ["2 images are damaged", NO_PRIVATE_TEST]}
    runs = [replace(run, facts={**run.facts, **more}) for run in results["one"]]
    (row,) = judge_claims([replace(NUMBER, measure=Measure("one", split=split))], {"one": runs}, {})
    assert (row.verdict.word, row.verdict.proxy) == (REPRODUCED, proxy)
    (row,) = judge_claims([FIGURE], {"one": runs}, {})
    assert row.verdict.proxy == ()


def test_val_in_place_of_test_is_a_proxy(results: dict[str, list[RunResult]]) -> None:
    without = {name: [replace(run, splits={k: v for k, v in run.splits.items() if k != "test"})
                      for run in runs] for name, runs in results.items()}  # fmt: skip
    row, *_ = judge_claims([NUMBER], without, {})
    assert row.verdict.proxy == ("val instead of test, which these data lack",)
    # Another split than test is what the claim names.
    over_fits = replace(BETTER, measure=Measure("one", split="val"), than=Measure("one"))
    (row,) = judge_claims([over_fits], without, {})
    assert row.verdict.proxy == ("val instead of test, which these data lack",)
    (row,) = judge_claims([over_fits], results, {})
    assert row.verdict.proxy == ()


def test_what_did_not_run_says_why(results: dict[str, list[RunResult]]) -> None:
    only = {"one": results["one"]}
    rows = judge_claims(CLAIMS, only, {"two": "its weights are not at hand"})
    better, trend = rows[1], rows[2]
    assert better.verdict.word == trend.verdict.word == NOT_TESTED
    assert better.verdict.reason == "two: its weights are not at hand"
    none = judge_claims([NUMBER], {}, {})
    assert none[0].verdict.reason == "one: not run yet"


def test_an_honest_experiment_that_did_not_run_is_named(
    results: dict[str, list[RunResult]],
) -> None:
    (row,) = judge_claims([NUMBER], {"one": results["one"]}, {"honest": "no weights"})
    assert row.verdict.word == REPRODUCED
    assert row.honest is not None
    assert (row.honest.ours, row.honest.verdict.word) == (None, NOT_TESTED)
    assert row.honest.verdict.reason == "not run: honest (why: see Experiments)"
    # A comparison needs both honest sides.
    compared = replace(BETTER, honest=Measure("honest"), honest_than=Measure("one"))
    (row,) = judge_claims([compared], results, {})
    assert row.honest is not None
    assert row.honest.ours is not None
    assert row.honest.ours.mean == pytest.approx(-0.05, abs=1e-3)
    (row,) = judge_claims([replace(BETTER, honest=None)], results, {})
    assert row.honest is None


def test_what_cannot_be_tested_shows_no_number(results: dict[str, list[RunResult]]) -> None:
    """Our number would be that of other images than those of the claim."""
    (row,) = judge_claims([replace(NUMBER, untestable="nobody has these faces")], results, {})
    assert (row.verdict.word, row.verdict.reason) == (NOT_TESTED, "nobody has these faces")
    assert (row.ours, row.honest, row.verdict.proxy) == (None, None, ())


def test_a_count_of_other_data_says_so_first(results: dict[str, list[RunResult]]) -> None:
    facts = {"config": {}, "other_data": "fer2013 instead of sfew"}
    runs = [replace(run, facts=facts, splits={k: v for k, v in run.splits.items() if k != "test"})
            for run in results["one"]]  # fmt: skip
    for claim in (COUNT, replace(COUNT, counted="train+test")):
        (row,) = judge_claims([claim], {"one": runs}, {})
        assert row.verdict.word == NOT_TESTED
        assert row.verdict.reason == "its number is of other data: fer2013 instead of sfew"
        assert row.count is None


def test_the_reason_is_that_of_experiments_without_runs(
    results: dict[str, list[RunResult]],
) -> None:
    """What the finished side lacks, such as a seed, does not explain the row."""
    missing = {"one": "seed 2 not run yet"}
    (row,) = judge_claims([BETTER], {"one": results["one"]}, missing)
    assert row.verdict.reason == "two: not run yet"
