"""Files of anybody: no pipes and devices, JSON of bounded depth and size, in one place."""

import ast
import os
from pathlib import Path

import pytest

import ferjax
from ferjax.config import given_files
from ferjax.config.given_files import (
    bounded_lines,
    check_no_special_file,
    check_text_file,
    fitting_values,
    parse_json,
    read_json,
    read_json_object,
)
from ferjax.errors import UserError

# Values that the same process wrote, round trips, and readers with limits of their own.
OWN = {
    "export/calibrated_run.py", "export/conversion/exchange.py", "export/fresh_process.py",
    "export/conversion/run_converter.py", "export/run_export.py", "live/video_table.py",
    "live/follow_faces.py",
    "predict/journal.py", "predict/rows.py", "reproduce/reporting/embedded_results.py",
    "report/private_paths.py", "reproduce/reporting/verify_page.py",
    "reproduce/running/stored_results.py", "reproduce/studies/measure_answers.py",
    "runtime/processes.py", "runtime/rendezvous.py",
    "search/search_plan.py", "training/run_directory/verified_reads.py", "config/given_files.py",
}  # fmt: skip


def test_json_of_files_is_parsed_in_one_place() -> None:
    root = Path(ferjax.__file__).parent
    users = set()
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        if name.startswith(("bench/", "export/usage/")):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("json.loads", "json.load"):
                users.add(name)
    assert users - OWN == set(), "use ferjax.config.given_files.read_json"


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b""])
def test_no_json_is_one_error(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(UserError, match=r"a\.json: not valid JSON \(.*\)\. Copy it\.$"):
        read_json(tmp_path / "a.json", "Copy it.")


def test_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1]}')
    assert read_json(tmp_path / "a.json", "") == {"a": [1]}
    assert parse_json("3", "x", "") == 3
    (tmp_path / "b.json").write_text("3")
    with pytest.raises(UserError, match="a JSON object expected, found int"):
        read_json_object(tmp_path / "b.json", "")
    with pytest.raises(UserError, match=r"lost\.json cannot be read"):
        read_json(tmp_path / "lost.json", "")


def test_pipes_and_large_files_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for check in (check_no_special_file, lambda path: read_json(path, "")):
        with pytest.raises(UserError, match="pipe is a pipe, expected a file"):
            check(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a device"):
        check_no_special_file("/dev/null")
    for name, read in (("MOST_JSON_BYTES", read_json), ("MOST_TEXT_BYTES", check_text_file)):
        monkeypatch.setattr(given_files, name, 3)
        (tmp_path / "long").write_text('"abc"')
        with pytest.raises(UserError, match=r"5 bytes, expected .* of at most 3\. Shorten it"):
            read(tmp_path / "long", "Shorten it.")


def test_a_line_that_does_not_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_files, "LONGEST_LINE", 4)
    (tmp_path / "a").write_text("abc\nabcd\n")
    with open(tmp_path / "a") as file:
        lines = bounded_lines(file)
        assert next(lines) == "abc\n"
        with pytest.raises(ValueError, match="a line of more than 4 characters"):
            next(lines)


def test_values_that_do_not_fit_are_one_error() -> None:
    values: dict[str, int] = {}
    found = pytest.raises(UserError, match=r"f\.json: a value is missing .* \(KeyError: 'a'\)")
    with found, fitting_values("f.json", "Copy it."):
        values["a"]
    with pytest.raises(UserError, match=r"^own$"), fitting_values("f.json", ""):
        raise UserError("own")
