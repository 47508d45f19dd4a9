"""Means and intervals against scipy; the report of made-up results."""

import json
from pathlib import Path

import pytest
from scipy import stats

from ferjax.bench.speedrun.report_files import speedrun_table, write_speedrun
from ferjax.bench.speedrun.results import (
    BEST,
    OURS,
    RunResult,
    SpeedrunResult,
    estimate,
    run_from_json,
)

ACCURACIES = {OURS: (0.62, 0.60, 0.61), BEST: (0.58, 0.60, 0.595)}


def run(side: str, seed: int, accuracy: float, steps: float, note: str = "") -> RunResult:
    seconds = {"preparation": 1.0, "compile": 5.0, "steps": steps, "evaluation": 0.5}
    return RunResult(side, "made_up", seed, accuracy, seconds, 1234, 100, 10, None, note)


RESULT = SpeedrunResult(
    0.6,
    False,
    {OURS: {"batch_size": 256, "shift": 4}, BEST: {"batch_size": 128}},
    tuple(
        run(side, seed, ACCURACIES[side][seed], steps + seed, note)
        for seed in range(3)
        for side, steps, note in ((OURS, 10.0, ""), (BEST, 27.0, "torch.compile did not run"))
    ),
    ("a side is left out",),
)


def test_intervals_are_those_of_scipy() -> None:
    values = ACCURACIES[OURS]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert found == pytest.approx((sum(values) / 3, expected.low, expected.high))
    assert estimate([0.5]) == (0.5, None, None)


def test_a_side_reaches_the_target_by_its_mean() -> None:
    ours, best = RESULT.summaries()
    assert (ours.side, ours.runs, ours.reaches(0.6)) == (OURS, 3, True)
    assert (best.side, best.reaches(0.6)) == (BEST, False)
    assert ours.seconds.mean == pytest.approx(17.5)
    assert ours.parts["steps"] == pytest.approx(11)


def test_report_of_made_up_results(tmp_path: Path) -> None:
    write_speedrun(tmp_path, RESULT, 60.0)
    record = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert [side["reaches the target"] for side in record["sides"]] == [True, False]
    assert record["runs"][1]["total seconds"] == pytest.approx(33.5)
    assert run_from_json(record["runs"][1]) == RESULT.runs[1]
    page = (tmp_path / "bench.md").read_text("utf-8")
    assert page.startswith("# Time to 60.0 % on FER2013's PublicTest")
    assert "61.00 (58.52 to 63.48) %" in page
    assert "| yes | 17.5 (15.0 to 20.0) | 1.00x |" in page
    assert "| no | 34.5 (32.0 to 37.0) | 1.97x |" in page
    assert "| shift | 4 | – |" in page
    assert "not finite" in page
    assert "- PyTorch best: torch.compile did not run." in page
    assert "- a side is left out." in page
    assert (tmp_path / "bench.html").is_file()
    assert "note: a side is left out" in speedrun_table(RESULT)


def test_a_quick_run_claims_nothing(tmp_path: Path) -> None:
    quick = SpeedrunResult(0.6, True, RESULT.recipes, RESULT.runs[:2])
    write_speedrun(tmp_path, quick, 1.0)
    page = (tmp_path / "bench.md").read_text("utf-8")
    assert "This is a quick run" in page
    assert "| yes |" not in page
    record = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert record["sides"][0]["reaches the target"] is None
    assert "says nothing about the target" in speedrun_table(quick)
