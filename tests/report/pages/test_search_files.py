"""Report of a hyper-parameter search: table and figure, with no trial, few and many."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.report.pages.search_files import write_trials_report
from ferjax.report.scores import scores

FIELDS: dict[str, dict[str, Any]] = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "batch_size": {"low": 8, "high": 64, "log": True},
    "label_smoothing": {"low": 0.0, "high": 0.2, "log": False},
    "freeze": {"choices": ("none", "all_but_head,none", "(stem|stage[12]).*")},
}


def make_rows(count: int, states: tuple[str, ...] = ("complete", "pruned", "failed")) -> list[Any]:
    random = np.random.default_rng(0)
    return [
        {
            "number": k,
            "state": state,
            "accuracy": None if state == "failed" else float(random.uniform(0.2, 0.7)),
            "epochs": k,
            "minutes": 0.25 * k,
            "failure": "the loss | is not finite" if state == "failed" else None,
            "directory": f"trial_{k:04}",
            "values": {
                "learning_rate": float(10 ** random.uniform(-4, -1)),
                "batch_size": int(random.integers(8, 65)),
                "label_smoothing": float(random.uniform(0, 0.2)),
                "freeze": str(random.choice(FIELDS["freeze"]["choices"])),
            },
        }
        for k, state in ((k, states[k % len(states)]) for k in range(count))
    ]


def report(rows: list[Any]) -> dict[str, Any]:
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: row["accuracy"], default=None)
    result = {**scores(np.array([[3, 1], [0, 2]]), ["anger", "fear"]), "epoch": 1, "loss": 1.0}
    return {
        "title": "search: cnn3 on synthetic",
        "summary": "best",
        "warnings": [],
        "rows": rows,
        "best": best,
        "command": "python -m launch.train --model=cnn3" if best else None,
        "results": {"val": {"selected": result}} if best else {},
        "fields": FIELDS,
        "protocol": {"trials": "9"},
        "config": {"model": "cnn3"},
        "environment": {},
    }


@pytest.mark.parametrize("count", [2, 60])
def test_report_and_picture(tmp_path: Path, count: int) -> None:
    trials = make_rows(count)
    path = write_trials_report(report(trials), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.json", "report.md", "report.html", "trials.png"}
    assert json.loads((tmp_path / "report.json").read_text())["rows"] == trials
    table = [line for line in path.read_text().splitlines() if line.startswith("|")]
    lines = [line for line in table if "trial_0" in line or "pruned" in line or "failed" in line]
    assert len(lines) == count
    for row, line in zip(trials, lines, strict=True):
        accuracy = "–" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} %"
        assert accuracy in line
        assert f"{row['values']['learning_rate']}" in line
    with Image.open(tmp_path / "trials.png") as image:
        assert image.size == pytest.approx((160 * 9.4, 160 * 8.85), abs=2)
        pixels = np.asarray(image.convert("RGB"))
    # The dots are blue; a failed trial is a red cross.
    assert (pixels == (0, 114, 178)).all(-1).sum() > 50
    assert ((pixels == (213, 94, 0)).all(-1).sum() > 5) == (count > 2)


def test_the_best_is_first_and_bold(tmp_path: Path) -> None:
    trials = make_rows(9)
    text = write_trials_report(report(trials), tmp_path).read_text()
    best = max((r for r in trials if r["state"] == "complete"), key=lambda row: row["accuracy"])
    assert text.index("python -m launch.train --model=cnn3") < text.index("## Trials")
    bold = [line for line in text.splitlines() if line.startswith("| **[")]
    assert len(bold) == 1
    assert f"**[{best['number']}](trial_{best['number']:04}/report.md)**" in bold[0]
    assert "- trial 2: the loss \\| is not finite" in text


@pytest.mark.parametrize(
    ("count", "state"), [(0, ""), (3, "failed"), (3, "running"), (3, "pruned")]
)
def test_no_trial_completed(tmp_path: Path, count: int, state: str) -> None:
    text = write_trials_report(report(make_rows(count, (state,))), tmp_path).read_text()
    assert "launch.train" not in text
    assert "## Trials" in text
