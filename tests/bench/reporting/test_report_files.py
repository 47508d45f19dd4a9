"""Speed-ups and ratios by hand; tables, bench.json, bench.md and bench.png."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ferjax.bench.measuring.case import OURS, TORCH, XLA
from ferjax.bench.measuring.case_result import (
    CaseResult,
    memory_ratio,
    over_floor,
    speedup,
    to_json,
)
from ferjax.bench.measuring.machine_ceilings import Ceilings
from ferjax.bench.measuring.operation_counts import Work
from ferjax.bench.reporting.report_files import terminal_table, write_report

FULL = CaseResult(
    suite="ops",
    name="a|b",
    shape="8x8",
    work=Work(flops=100, bytes=40),
    floor=0.5,
    seconds={OURS: (1.0, 2.0, 4.0), XLA: (6.0, 2.0), TORCH: (0.5, 1.5, 1.0)},
    peak_bytes={OURS: 10, XLA: 40, TORCH: None},
    setting="contiguous",
    trials={"contiguous": 0.9, "channels_last": "did not run: why | ever"},
    images=8,
)
BARE = CaseResult("train", "bare", "1", Work(0, 4), 0.001, {OURS: (0.01,), XLA: (0.02,)})
ALONE = replace(BARE, seconds={OURS: (0.01,)})
FOUR = replace(FULL, seconds={**FULL.seconds, "computed": (9.0,), "no guide": (0.9,)})
RESULTS = [FULL, BARE]


def test_ratios_by_hand() -> None:
    # Pairs: 6/1 and 2/2; the third round of plain XLA was not taken.
    assert speedup(FULL, XLA) == pytest.approx(3.5)
    assert speedup(FULL, TORCH) == pytest.approx(0.5)
    assert speedup(BARE, TORCH) is None
    assert over_floor(FULL) == 4
    assert memory_ratio(FULL, XLA) == 4
    assert memory_ratio(FULL, TORCH) is None


def test_json_of_a_result() -> None:
    found = json.loads(json.dumps(to_json(FULL)))
    assert found["sides"][OURS]["median seconds"] == 2
    assert found["sides"][OURS]["spread"] == 1.5
    assert found["sides"][OURS]["images per second"] == 4
    assert found["sides"][XLA]["seconds"] == [6, 2]
    assert found["speedup over"] == {XLA: 3.5, TORCH: 0.5}
    assert found["memory ratio to"] == {XLA: 4, TORCH: None}
    assert found["times the floor"] == 4


def test_terminal_table_is_aligned() -> None:
    ops = replace(BARE, suite="ops")
    lines = terminal_table([FULL, ops]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert "3.5x" in lines[2]
    assert "–" in lines[3]
    assert "memory" not in terminal_table([BARE])


def test_each_suite_has_a_table_with_a_column_per_peer() -> None:
    guide = CaseResult("guide", "g", "1", Work(0, 4), 0.001, {OURS: (1.0,), "no guide": (0.9,)})
    ops, train, own = terminal_table([FULL, BARE, guide, replace(FULL, name="b")]).split("\n\n")
    assert [line.split()[0] for line in ops.splitlines()[2:]] == ["a|b", "b"]
    assert ("PyTorch" in ops, "PyTorch" in train, "plain XLA" in train) == (True, False, True)
    header, _, row = own.splitlines()
    assert re.split(r"  +", header.strip()) == ["case", "vs no guide", "vs floor", OURS, "no guide"]
    assert row.split() == ["g", "0.9x", "1000x", "1.00", "s", "900", "ms"]


@pytest.mark.parametrize("results", [RESULTS, [BARE], [ALONE], [FOUR]])
def test_files(tmp_path: Path, results: list[CaseResult]) -> None:
    folder = tmp_path / "new" / "bench"
    write_report(folder, results, Ceilings(2e11, 1e10), "PyTorch is not installed", 60.0)
    names = {path.name for path in folder.iterdir()}
    assert names == {"bench.json", "bench.md", "bench.html", "bench.png"}
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert [case["case"] for case in record["cases"]] == [result.name for result in results]
    assert record["ceilings"]["flops per second"] == 2e11
    assert record["environment"]["wall time, minutes"] == 1
    assert record["environment"]["processor"]
    assert record["environment"]["compiler options dropped"]
    page = (folder / "bench.md").read_text("utf-8")
    assert "> PyTorch is not installed." in page
    assert "200 GFLOP/s" in page
    widths = [line.count("|") - line.count("\\|") for line in page.splitlines() if line[:1] == "|"]
    assert min(widths) >= 3
    if FULL in results or FOUR in results:
        assert "a\\|b" in page
        assert "did not run: why \\| ever" in page
    with Image.open(folder / "bench.png") as image:
        assert image.size[0] > 1000
