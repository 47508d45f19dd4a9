"""The suite of faults finds what is changed, lost or torn; without this its zeros mean nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from results import differences, look


def repeat_a_line(run_dir: Path) -> None:
    lines = (run_dir / "metrics.jsonl").read_text("utf-8").splitlines(keepends=True)
    (run_dir / "metrics.jsonl").write_text("".join([*lines[:1], *lines]), "utf-8")


def drop_a_line(run_dir: Path) -> None:
    lines = (run_dir / "metrics.jsonl").read_text("utf-8").splitlines(keepends=True)
    (run_dir / "metrics.jsonl").write_text("".join(lines[1:]), "utf-8")


def change_a_result(run_dir: Path) -> None:
    report = json.loads((run_dir / "report.json").read_text("utf-8"))
    report["results"]["val"]["last"]["accuracy"] += 1e-9
    (run_dir / "report.json").write_text(json.dumps(report), "utf-8")


def leave_a_torn_file(run_dir: Path) -> None:
    (run_dir / ".report.md.1.tmp").touch()


def lose_a_file(run_dir: Path) -> None:
    (run_dir / "curves.png").unlink()


def change_a_pixel(run_dir: Path) -> None:
    data = bytearray((run_dir / "curves.png").read_bytes())
    data[len(data) // 2] ^= 1
    (run_dir / "curves.png").write_bytes(data)


def change_a_meta(run_dir: Path) -> None:
    path = max(run_dir.glob("checkpoints/*/meta/metadata"))
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "retries": 1}), "utf-8")


HARMS: dict[Callable[[Path], None], str] = {
    repeat_a_line: "metrics.jsonl: ",
    drop_a_line: "metrics.jsonl: ",
    change_a_result: "report.json: /results/val/last/accuracy",
    leave_a_torn_file: ".report.md.1.tmp is left over",
    lose_a_file: "curves.png is missing",
    change_a_pixel: "curves.png: ",
    change_a_meta: "/meta/retries: 1 instead of",
}


def test_differences_are_found(tmp_path: Path, tiny_run: Path) -> None:
    copy = Path(shutil.copytree(tiny_run, tmp_path / "copy"))
    assert [*differences(copy, tiny_run)] == []
    for harm, words in HARMS.items():
        run_dir = tmp_path / harm.__name__
        shutil.copytree(tiny_run, run_dir)
        harm(run_dir)
        assert words in " ".join(differences(run_dir, tiny_run)), harm.__name__


@pytest.mark.parametrize("name", ["report.json", "report.md", "report.html", "curves.png"])
def test_what_is_torn_is_found(tmp_path: Path, tiny_run: Path, name: str) -> None:
    run_dir = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    whole = look(run_dir)
    assert (whole.torn, whole.unfinished) == ([], [])
    assert whole.reached["report.json"] == 1
    data = (run_dir / name).read_bytes()
    (run_dir / name).write_bytes(data[: len(data) // 2])
    assert [each.partition(":")[0] for each in look(run_dir).torn] == [name]


def test_what_is_unfinished_is_told_from_what_is_torn(tmp_path: Path, tiny_run: Path) -> None:
    run_dir = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run_dir / ".report.json.17.tmp").write_text("{")
    (run_dir / "metrics.jsonl").write_text('{"step": 1')
    seen = look(run_dir)
    assert (sorted(seen.unfinished), seen.torn) == ([".report.json.17.tmp", "metrics.jsonl"], [])
    reached = seen.reached["checkpoints"]
    shutil.rmtree(max((run_dir / "checkpoints").iterdir(), key=lambda path: int(path.name)))
    assert look(run_dir).reached["checkpoints"] < reached
