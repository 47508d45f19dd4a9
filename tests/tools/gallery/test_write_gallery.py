"""The gallery: which runs share a table, in which order, links, rows of runs without numbers."""

import base64
import fcntl
import io
import json
import os
import re
import statistics
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from ferjax.config.gallery_config import GalleryConfig
from ferjax.errors import UserError
from ferjax.report.pages.report_files import write_page, write_report, write_seeds_and_folds_report
from ferjax.report.pages.seeds_and_folds_report import seeds_and_folds_report
from ferjax.report.scores import scores
from ferjax.tools.gallery.thumbnails import confusion_thumbnail, curve_points
from ferjax.tools.gallery.write_gallery import run_gallery

CLASSES = ["anger", "<b>x</b>&|"]


def make_run(
    folder: Path, right: int, digest: str = "a" * 64, dataset: str = "ferplus", **config: Any
) -> dict[str, Any]:
    """Writes a finished run that names `right` of 100 val images rightly; returns its report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints").mkdir(exist_ok=True)
    settings = {"format": 2, "model": "cnn3", "dataset": dataset, "seed": 0, "epochs": 4, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    lines = [
        {"epoch": epoch, "step": epoch, "split": split, "accuracy": right * epoch / 400}
        for epoch in range(1, 5)
        for split in ("train", "val")
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    parts = {name: {"images": 100, "digest": digest} for name in ("train", "val")}
    (folder / "splits.json").write_text(json.dumps({"format": 2, "splits": parts}))
    matrix = np.array([[right // 2, 50 - right // 2], [50 - (right + 1) // 2, (right + 1) // 2]])
    result = {
        **scores(matrix, CLASSES),
        "epoch": 3,
        "loss": 0.5,
        "accuracy_interval": [right / 100 - 0.05, right / 100 + 0.05],
        "calibration": {
            "negative_log_likelihood": 0.5,
            "brier_score": 0.25,
            "expected_calibration_error": 0.03,
        },
    }
    report = {
        "title": "cnn3",
        "summary": "",
        "protocol": {"crop origin": config.pop("crops", "as released")},
        "results": {"val": {"last": {**result, "epoch": 4}, "selected": result}},
        "config": settings,
        "environment": {"git commit": "0123456789abcdef", "training wall time, minutes": 1.5},
        "network": {"parameters": 1234, "modules": {"head": 1234}},
        "costs": {"seconds": {"step": 90.0}},
        "warnings": ["val is small"],
        "notes": [],
        "figures": [],
    }
    write_report(report, folder)
    return report


class Page(HTMLParser):
    """The tables below each heading: a list of rows, each a list of its cells' texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[tuple[str, str], list[list[str]]] = {}
        self.headings = {"h2": "", "h3": ""}
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    @property
    def rows(self) -> list[list[str]]:
        return self.tables.setdefault((self.headings["h2"], self.headings["h3"]), [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        if tag in self.headings:
            self.headings["h3"] = ""
            self.headings[tag] = ""
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        while self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for heading in self.headings:
            if heading in self.open:
                self.headings[heading] += data
        if "tr" in self.open and self.rows and self.rows[-1]:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {' '.join(data.split())}".strip()


def gallery(out: Path, *places: Path) -> Page:
    run_gallery(GalleryConfig(str(out), progress=False), [str(place) for place in places])
    return Page(out.read_text("utf-8"))


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].split()[0] for row in rows[1:]]


def test_only_runs_on_the_same_images_share_a_table(tmp_path: Path) -> None:
    for name, right, digest, dataset in (
        *(("low", 60, "a" * 64, "ferplus"), ("high", 90, "a" * 64, "ferplus")),
        *(("other", 95, "b" * 64, "ferplus"), ("fer", 99, "a" * 64, "fer2013")),
    ):
        make_run(tmp_path / "runs" / "deep" / name, right, digest, dataset)
    page = gallery(tmp_path / "gallery.html", tmp_path / "runs")
    assert {key: names(rows) for key, rows in page.tables.items()} == {
        ("fer2013", "val of 100 images, fingerprint aaaaaaaa"): ["fer"],
        ("ferplus", "val of 100 images, fingerprint aaaaaaaa"): ["high", "low"],
        ("ferplus", "val of 100 images, fingerprint bbbbbbbb"): ["other"],
    }
    rows = page.tables["ferplus", "val of 100 images, fingerprint aaaaaaaa"]
    row = dict(zip(rows[0], rows[1], strict=True))
    assert row["val, selected"] == "90.00 % 85.0 to 95.0 %"
    assert (row["val, last"], row["test, selected"], row["macro-F1"]) == ("90.00 %", "–", "90.00 %")
    assert (row["calibration error"], row["minutes"], row["parameters"]) == (
        *("3.00 %", "1.5", "1,234"),
    )
    assert (row["epochs"], row["seed"], row["commit, date"].split()[0]) == (
        *("3 of 4", "0", "012345678"),
    )
    assert "1 warning val is small" in row["run"]


def test_the_date_is_that_of_the_run_and_not_of_its_files(tmp_path: Path) -> None:
    for name, finished in (("a", "2024-02-29T23:30:00-02:00"), ("b", "2024-03-02T00:00:00+00:00")):
        report = make_run(tmp_path / "seeds" / name, 60)
        report = {"format": 2, **report, "finished": finished}
        (tmp_path / "seeds" / name / "report.json").write_text(json.dumps(report))
    # A report of an earlier version does not say it: that of its file stands in.
    make_run(tmp_path / "earlier", 60)
    noon = datetime(2023, 5, 6, 12, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "earlier" / "report.json", (noon, noon))
    (rows,) = gallery(tmp_path / "g.html", tmp_path).tables.values()
    found = {row[0].split()[0]: row[-1].split()[-1] for row in rows[1:]}
    assert [found["earlier"], found["a"], found["b"]] == [
        *("2023-05-06", "2024-03-01", "2024-03-02"),
    ]


def test_the_commit_is_never_that_of_an_evaluation(tmp_path: Path) -> None:
    """In earlier versions launch.evaluate put its own commit into the report of a run."""
    for command, commit in (("train", "012345678"), ("evaluate", "–")):
        report = make_run(tmp_path / command, 60)
        report["environment"]["command line"] = f"python -m launch.{command} --workdir=x"
        text = json.dumps({"format": 2, **report})
        (tmp_path / command / "report.json").write_text(text)
        (rows,) = gallery(tmp_path / f"{command}.html", tmp_path / command).tables.values()
        row = dict(zip(rows[0], rows[1], strict=True))
        assert (row["commit, date"].split()[0], row["minutes"]) == (commit, "1.5")


def test_differences_within_a_table_are_told(tmp_path: Path) -> None:
    make_run(tmp_path / "a", 60)
    settings = {"pretrained": "/x/imagenet", "smoke": True, "protocol": "swapped"}
    report = make_run(tmp_path / "b", 70, crops="MTCNN; 5 %", **settings)
    report["protocol"]["input"] = "64x64 → 48x48, 1 channel(s)"
    (tmp_path / "b" / "report.json").write_text(json.dumps({"format": 2, **report}))
    report = make_run(tmp_path / "c", 50)
    report["protocol"]["input"] = "64x64 → 32x32, 3 channel(s)"
    (tmp_path / "c" / "report.json").write_text(json.dumps({"format": 2, **report}))
    record = json.loads((tmp_path / "a" / "splits.json").read_text())
    record["splits"]["train"]["digest"] = "c" * 64
    (tmp_path / "a" / "splits.json").write_text(json.dumps(record))
    page = gallery(tmp_path / "g.html", tmp_path)
    text = (tmp_path / "g.html").read_text("utf-8")
    assert "The runs have 2 different sets of training images." in text
    (box,) = re.findall("<blockquote.*?</blockquote>", text, re.DOTALL)
    values = ["Image size (in storage → as the network sees it) differs:"]
    values += ["64x64 → 48x48 (b)", "64x64 → 32x32 (c)"]
    values += ["Protocols differ in crop origin:", "MTCNN; 5 % (b)", "as released (a, c)"]
    lines = [" ".join(re.sub("<[^>]*>", "", part).split()) for part in box.split("<li>")]
    assert lines[-6:] == values
    (rows,) = page.tables.values()
    assert "smoke or limited protocol swapped pretrained: imagenet" in rows[1][0]
    (tmp_path / "a" / "splits.json").unlink()
    page = gallery(tmp_path / "g.html", tmp_path)
    assert ("ferplus", "val of 100 images, not recorded") in page.tables


def test_runs_without_numbers_say_why(tmp_path: Path) -> None:
    for name in ("good", "stopped", "lock", "broken", "newer", "lacking", "older", "line", "empty"):
        make_run(tmp_path / name, 60)
    for name in ("stopped", "lock"):
        (tmp_path / name / "report.json").unlink()
    (tmp_path / "broken" / "report.json").write_text('{"format": 2, "res')
    (tmp_path / "newer" / "report.json").write_text('{"format": 99}')
    (tmp_path / "lacking" / "report.json").write_text('{"format": 2, "config": {}, "results": {}}')
    older = json.loads((tmp_path / "older" / "report.json").read_text())
    for kinds in older["results"].values():
        for found in kinds.values():
            del found["accuracy_interval"], found["calibration"]
    del older["format"], older["network"]
    (tmp_path / "older" / "report.json").write_text(json.dumps(older))
    (tmp_path / "older" / "report.html").unlink()
    (tmp_path / "line" / "metrics.jsonl").write_text("{\n")
    for path in (tmp_path / "empty").iterdir():
        path.unlink() if path.is_file() else None
    with open(tmp_path / "lock" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = gallery(tmp_path / "g.html", tmp_path)
    rows = {row[0].split()[0]: row for row in page.tables["Without numbers", ""][1:]}
    expected = {
        "stopped": "not finished: epoch 4 of 4, highest val accuracy so far 60.00 %. It has no",
        "lock": "is being trained: epoch 4 of 4",
        "broken": "report.json: not valid JSON",
        "newer": "format 99 is of a later ferjax",
        "lacking": "is not as ferjax writes it",
        "line": "metrics.jsonl, line 1: not valid JSON",
        "empty": "not finished: epoch 0",
    }
    assert {name: text in rows[name][4] for name, text in expected.items()} == dict.fromkeys(
        expected, True
    )
    assert set(rows) == set(expected)
    (ranked,) = [rows for key, rows in page.tables.items() if key[0] == "ferplus"]
    assert sorted(names(ranked)) == ["good", "older"]
    old = next(row for row in ranked if row[0].startswith("older"))
    assert old[4:6] == ["60.00 %", "60.00 %"]
    assert "of an earlier version (format 1)" in old[0]
    assert "older/report.md" in page.links


def test_one_odd_report_leaves_the_others_alone(tmp_path: Path) -> None:
    """Whatever is wrong in a report is the reason of its row."""
    selected = ("results", "val", "selected")
    odd: dict[str, tuple[tuple[str, ...], Any]] = {
        "finished": (("finished",), "yesterday"),
        "minutes": (("environment", "training wall time, minutes"), "3"),
        "parameters": (("network", "parameters"), "1M"),
        "fraction": (("network", "parameters"), 1.5),
        "ragged": ((*selected, "confusion"), [[1, 2], [3]]),
        "flat": ((*selected, "confusion"), 7),
        "words": ((*selected, "confusion"), [["a", "b"], ["c", "d"]]),
        "protocol": (("protocol",), ["as released"]),
        "environment": (("environment",), "here"),
        "warnings": (("warnings",), 3),
        "accuracy": ((*selected, "accuracy"), "90 %"),
        "nan": ((*selected, "accuracy"), float("nan")),
        "huge": ((*selected, "accuracy"), 10**400),
        "last": (("results", "val", "last", "accuracy"), [1]),
        "interval": ((*selected, "accuracy_interval"), ["low", "high"]),
        "f1": ((*selected, "macro", "f1"), "high"),
        "epoch": ((*selected, "epoch"), "third"),
        "classes": ((*selected, "classes"), None),
        "count": ((*selected, "count"), -1),
        "results": (("results",), [1]),
    }
    for name, (keys, value) in odd.items():
        report = make_run(tmp_path / name, 60)
        part = report
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        (tmp_path / name / "report.json").write_text(json.dumps({"format": 2, **report}))
    for name in ("curve", "unfinished"):
        make_run(tmp_path / name, 60)
        line = {"epoch": "first", "step": 1, "split": "val", "accuracy": 0.5}
        (tmp_path / name / "metrics.jsonl").write_text(f"{json.dumps(line)}\n")
    (tmp_path / "unfinished" / "report.json").unlink()
    report = make_run(tmp_path / "texts", 60)
    report["protocol"] = {"crop origin": [1, None], "selection": {"by": 2}}
    (tmp_path / "texts" / "report.json").write_text(json.dumps({"format": 2, **report}))
    make_run(tmp_path / "good", 60)
    page = gallery(tmp_path / "g.html", tmp_path)
    rows = {row[0].split()[0]: row[4] for row in page.tables["Without numbers", ""][1:]}
    assert set(rows) == {*odd, "curve", "unfinished"}
    assert all("is not as ferjax writes it" in reason for reason in rows.values())
    assert "'1M' where a number is expected" in rows["parameters"]
    assert "curve/metrics.jsonl, is not" in rows["curve"]
    (ranked,) = [rows for key, rows in page.tables.items() if key[0] == "ferplus"]
    assert sorted(names(ranked)) == ["good", "texts"]


def test_runs_of_a_series_stand_below_it(tmp_path: Path) -> None:
    rights, top = (60, 70, 65), tmp_path / "s"
    reports = {k: make_run(top / f"seed_{k}", right, seed=k) for k, right in enumerate(rights)}
    (top / "config.json").write_text(json.dumps({"format": 2, "model": "cnn3", "seeds": [0, 1, 2]}))
    write_seeds_and_folds_report(seeds_and_folds_report("seed", reports), top)
    # Named beside its series, by a link too, a run is not there twice.
    os.symlink(top / "seed_1", tmp_path / "link")
    page = gallery(tmp_path / "g.html", top / "seed_1", tmp_path, top)
    (rows,) = page.tables.values()
    assert names(rows) == ["s", "seed_0", "seed_1", "seed_2"]
    spread = 100 * statistics.stdev(right / 100 for right in rights)
    assert rows[1][4] == f"65.00 % ± {spread:.2f} %"
    assert rows[1][0].startswith("s mean of 3 seeds")
    assert [row[10] for row in rows[1:]] == ["0, 1, 2", "0", "1", "2"]
    assert rows[1][11] == "4.5"
    lines = run_gallery(GalleryConfig(str(tmp_path / "g.html"), progress=False), [str(top)])
    assert lines[0] == "4 rows in 1 table"
    report = json.loads((top / "report.json").read_text())
    report["deviation"]["val_selected_accuracy"] = "0.05"
    (top / "report.json").write_text(json.dumps(report))
    page = gallery(tmp_path / "g.html", top)
    reason = page.tables["Without numbers", ""][1][4]
    assert "'0.05' where a number is expected" in reason
    (top / "report.json").unlink()
    page = gallery(tmp_path / "g.html", top)
    assert (
        "all 3 runs in it are finished, and the report over them"
        in page.tables["Without numbers", ""][1][4]
    )
    assert names(page.tables["ferplus", "val of 100 images, fingerprint aaaaaaaa"]) == [
        *("seed_1", "seed_2", "seed_0"),
    ]


def test_the_images_of_all_folds_are_counted(tmp_path: Path) -> None:
    top, reports = tmp_path / "folds", {}
    for fold, images in enumerate((30, 33, 47), 1):
        run_dir = top / f"fold_{fold:02}"
        report = make_run(run_dir, 60, fold=fold)
        report["results"]["test"] = report["results"]["val"]
        reports[fold] = report
        write_report(reports[fold], run_dir)
        parts = {"val": {"images": images, "digest": str(fold) * 64}}
        (run_dir / "splits.json").write_text(json.dumps({"format": 2, "splits": parts}))
    (top / "config.json").write_text(json.dumps({"format": 2, "model": "cnn3", "folds": 3}))
    write_seeds_and_folds_report(seeds_and_folds_report("fold", reports), top)
    ((_, heading),) = gallery(tmp_path / "g.html", top).tables
    assert heading.startswith("val of 110 images, fingerprint ")


def test_a_search_is_ranked_by_its_best_trial(tmp_path: Path) -> None:
    top = tmp_path / "search"
    for number in range(23):
        make_run(top / f"trial_{number:04}", 50 + number)
    (top / "study.json").write_text("{}")
    (top / "report.json").write_text(
        json.dumps({"format": 2, "best": {"directory": "trial_0022"}, "results": {}})
    )
    page = gallery(tmp_path / "g.html", top)
    (rows,) = page.tables.values()
    assert rows[1][4].startswith("72.00 %")
    assert "best of 23 trials, chosen on val (trial_0022)" in rows[1][0]
    assert names(rows[:22]) == ["search", *(f"trial_{k:04}" for k in range(22, 2, -1))]
    assert rows[22] == ["3 more are in the report above"]


def test_links_lead_from_the_page_to_the_reports(tmp_path: Path) -> None:
    odd = "a <b>#1 %20 ?é"
    make_run(tmp_path / "runs" / odd, 60)
    page = gallery(tmp_path / "pages" / "g.html", tmp_path / "runs")
    (link,) = page.links
    assert (tmp_path / "pages" / unquote(link)).resolve() == (
        tmp_path / "runs" / odd / "report.html"
    ).resolve()
    assert "#" not in link
    assert "?" not in link
    assert not {"b", "script"} & page.tags
    (rows,) = page.tables.values()
    assert rows[1][0].startswith(odd)


def test_only_an_earlier_gallery_is_written_anew(tmp_path: Path) -> None:
    make_run(tmp_path / "run", 60)
    out = tmp_path / "g.html"
    gallery(out, tmp_path / "run")
    gallery(out, tmp_path / "run")
    out.write_text("<!doctype html>\n<title>mine</title>")
    with pytest.raises(UserError, match=r"exists and is no page of launch\.gallery"):
        gallery(out, tmp_path / "run")
    assert "mine" in out.read_text()
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UserError, match="Name a new file"):
        gallery(tmp_path / "folder.html", tmp_path / "run")
    with pytest.raises(UserError, match=r"\.html, is expected"):
        GalleryConfig("gallery.pdf")


def test_places_without_runs(tmp_path: Path) -> None:
    out, file = tmp_path / "g.html", tmp_path / "run.log"
    file.touch()
    (tmp_path / "evaluated").mkdir()
    for name in (".inputs", "report.json"):
        (tmp_path / "evaluated" / name).touch()
    with pytest.raises(UserError, match="no such folder"):
        gallery(out, tmp_path / "missing")
    with pytest.raises(UserError, match="no ferjax run in"):
        gallery(out, tmp_path / "evaluated", file)
    with pytest.raises(UserError, match="no runs given"):
        gallery(out)
    make_run(tmp_path / "run", 60)
    lines = run_gallery(GalleryConfig(str(out)), [str(tmp_path / "run"), str(file)])
    assert lines == [f"left out: {file}: a file", "1 row in 1 table", str(out)]


def test_links_that_lead_nowhere_are_left_out(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 60)
    os.symlink("loop", tmp_path / "runs" / "loop")
    os.symlink("missing", tmp_path / "runs" / "dangling")
    page = gallery(tmp_path / "g.html", tmp_path / "runs")
    (rows,) = page.tables.values()
    assert names(rows) == ["a"]


def test_reports_over_several_runs_have_a_table_of_their_own(tmp_path: Path) -> None:
    make_run(tmp_path / "paper" / "runs" / "cnn3", 60)
    for name in ("comparison", "paper"):
        (tmp_path / name).mkdir(exist_ok=True)
        write_page({"title": f"of a <b>{name}</b>", "pairs": []}, [f"# {name}"], tmp_path / name)
    out = tmp_path / "g.html"
    lines = run_gallery(GalleryConfig(str(out), progress=False), [str(tmp_path)])
    assert lines[0] == "1 row in 1 table, 2 reports over several runs"
    page = Page(out.read_text("utf-8"))
    (_, *rows) = page.tables["Reports over several runs", ""]
    assert [row[:2] for row in rows] == [
        ["of a <b>comparison</b>", "comparison"],
        ["of a <b>paper</b>", "paper"],
    ]
    assert "comparison/report.html" in page.links
    assert "b" not in page.tags


def test_thumbnails_are_small_and_right() -> None:
    confusion = [[10, 0, 0], [0, 0, 0], [5, 0, 5]]
    uri = confusion_thumbnail(confusion)
    assert uri is not None
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as picture:
        pixels = np.array(picture)
    assert pixels.shape == (3, 3, 3)
    assert tuple(pixels[0, 0]) == (0, 114, 178)
    assert {tuple(pixels[k]) for k in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1))} == {(255,) * 3}
    # The root of one half is between white and full.
    np.testing.assert_allclose(
        pixels[2, 0], 255 + 0.5**0.5 * (np.array([213, 94, 0]) - 255), atol=1
    )
    assert confusion_thumbnail([[1, 2]]) is None
    assert confusion_thumbnail(np.zeros((99, 99), int).tolist()) is None
    (points,) = curve_points([[(k, k / 1000) for k in range(1, 1001)]], 1000)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert len(places) <= 60
    assert places[-1] == (108.0, 2.0)
    assert all(2 <= x <= 108 and 2 <= y <= 42 for x, y in places)
