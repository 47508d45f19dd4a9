"""The suite of faults finds what is changed, lost or torn; without this its zeros mean nothing."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import page_text
from results import Seen, differences, look
from tally import count_fault, count_result, new_tally, table

from ferjax.report.html.markdown_page import markdown_page_to_html


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


def change_a_page(run_dir: Path) -> None:
    text = (run_dir / "report.md").read_text("utf-8")
    (run_dir / "report.md").write_text(text.replace("macro-F1", "macro-F2", 1), "utf-8")


def change_a_number_of_a_page(run_dir: Path) -> None:
    text = (run_dir / "report.html").read_text("utf-8")
    number = re.search(r"accuracy (\d+\.\d\d)", text)
    assert number
    text = f"{text[: number.start(1)]}101.00{text[number.end(1) :]}"
    (run_dir / "report.html").write_text(text, "utf-8")


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
    change_a_page: "report.md: ",
    change_a_number_of_a_page: "report.html: ",
    leave_a_torn_file: ".report.md.1.tmp is left over",
    lose_a_file: "curves.png is missing",
    change_a_pixel: "curves.png: ",
    change_a_meta: "/meta/retries: 1 instead of",
}


def test_differences_are_found(tmp_path: Path, tiny_run: Path) -> None:
    # Copies are compared with each other: their files name the folder of the first run.
    whole = Path(shutil.copytree(tiny_run, tmp_path / "whole"))
    for harm, words in HARMS.items():
        run_dir = Path(shutil.copytree(tiny_run, tmp_path / harm.__name__))
        assert [*differences(run_dir, whole)] == []
        harm(run_dir)
        assert words in " ".join(differences(run_dir, whole)), harm.__name__


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


def test_times_and_speeds_are_not_compared(tmp_path: Path, tiny_run: Path) -> None:
    whole, run_dir = (Path(shutil.copytree(tiny_run, tmp_path / name)) for name in ("whole", "run"))
    report = json.loads((run_dir / "report.json").read_text("utf-8"))
    report["finished"] = "1999-12-31T23:59:59+00:00"
    report["costs"] = {}
    (run_dir / "report.json").write_text(json.dumps(report), "utf-8")
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    changed = [json.dumps({**line, "seconds": {}, "images_per_second": 0.1}) for line in lines]
    (run_dir / "metrics.jsonl").write_text("\n".join(changed) + "\n", "utf-8")
    page = (run_dir / "report.md").read_text("utf-8")
    changed_page, times = re.subn(r"(?<!_)minutes\": [\d.]+", 'minutes": 99', page)
    assert times
    (run_dir / "report.md").write_text(changed_page, "utf-8")
    assert [*differences(run_dir, whole)] == []


_PAGE = """# A run of 2026-11-30

accuracy {accuracy} %, after {minutes} minutes

| trial | accuracy | minutes |
| --: | --: | --: |
| 1 | {accuracy} | {minutes} |

| first | second | right alone |
| :-- | :-- | --: |
| a | b | {alone} |

## Time and memory

{measured}

## Notes

none

<details><summary>Environment</summary>

```json
{{
 "versions": {{
  "jax": "0.10"
 }},
 "command line": "{command}"
}}
```

</details>
{folded}
The end
"""
_FOLDED = """<details><summary>Environment of this evaluation</summary>

```json
{
 "command line": "other"
}
```

</details>

"""
_VALUES = {
    **{"accuracy": "50.00", "minutes": "1.5", "alone": "3 and 4", "measured": "9 s"},
    **{"command": "train --port=1", "folded": ""},
}


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"minutes": "2.25", "measured": "8 s\n\nwaiting for data 3 s"}, True),
        ({"command": "train --port=2", "folded": _FOLDED}, True),
        ({"accuracy": "50.01"}, False),
        ({"alone": "3 and 5"}, False),
    ],
)
def test_a_page_is_compared_without_its_times(
    changed: dict[str, str], same: bool, html: bool
) -> None:
    pages = [_PAGE.format(**_VALUES), _PAGE.format(**{**_VALUES, **changed})]
    if html:
        pages = [markdown_page_to_html(page, Path()) for page in pages]
    first, second = (page_text(page, html) for page in pages)
    assert "The end" in first
    assert (first == second) is same


def test_the_card_behind_a_program_is_compared_without_its_commit(tmp_path: Path) -> None:
    def write(folder: Path, program: bytes, accuracy: float, commit: str) -> None:
        folder.mkdir()
        (folder / "net.stablehlo").write_bytes(program)
        with zipfile.ZipFile(folder / "net.stablehlo", "a") as archive:
            card = {"accuracy": accuracy, "commit": commit}
            archive.writestr("ferjax_card.json", json.dumps(card))

    write(tmp_path / "whole", b"program", 0.5, 40 * "a")
    write(tmp_path / "same", b"program", 0.5, 40 * "b" + " +changes")
    write(tmp_path / "other card", b"program", 0.6, 40 * "a")
    write(tmp_path / "other program", b"programs", 0.5, 40 * "a")
    found = {
        name: len([*differences(tmp_path / name, tmp_path / "whole")])
        for name in ("same", "other card", "other program")
    }
    assert found == {"same": 0, "other card": 1, "other program": 1}


def test_the_table_has_a_row_of_every_fault_and_of_every_killed_command(tmp_path: Path) -> None:
    whole, lacking = tmp_path / "whole", tmp_path / "lacking"
    for folder in (whole, lacking):
        folder.mkdir()
    (whole / "p.csv").write_text("0.5\n", "utf-8")
    tallies = [new_tally("SIGKILL", "train"), new_tally("SIGKILL", "predict")]
    tallies += [new_tally("a full disk", "train"), new_tally("a full disk", "predict")]
    for tally in tallies:
        count_fault(tally, True, Seen(["half"], [], {}))
        assert count_result(tally, True, whole, whole) == []
    count_fault(tallies[3], False, Seen([], ["torn"], {}))
    assert count_result(tallies[3], False, lacking, whole) == []
    assert count_result(tallies[3], True, lacking, whole) == ["p.csv is missing"]
    assert table(tallies)[2:] == [
        "| SIGKILL | train | 1 | 1 | 1 | 0 | 0 | 0 |",
        "| SIGKILL | predict | 1 | 1 | 1 | 0 | 0 | 0 |",
        "| SIGKILL, all | 2 commands | 2 | 2 | 2 | 0 | 0 | 0 |",
        "| a full disk | 2 commands | 3 | 2 | 2 | 1 | 1 | 1 |",
        "| all | 2 commands | 5 | 4 | 4 | 1 | 1 | 1 |",
    ]
