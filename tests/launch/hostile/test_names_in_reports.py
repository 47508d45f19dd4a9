"""Names of classes, files and runs that are markup or formulas, in every page and table.

Each writer gets names that a spreadsheet would compute, a browser would take for a tag, Markdown
for a link, a table for a new column, matplotlib for a formula, and a reader for two lines.
"""

import csv
import io
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.compare_config import CompareConfig
from ferjax.config.gallery_config import GalleryConfig
from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.predict_and_export import ExportConfig, PredictConfig
from ferjax.config.tool_configs import EvalConfig, PrepareConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.predict.run_predict import run_predict
from ferjax.tools.gallery.write_gallery import run_gallery
from ferjax.tools.prepare_data import run_prepare

CLASSES = ("=1+1", "<i>x</i>", "[x](y)", "a|b", "$\\frac{a$")
FILES = ("=1+1", "@a", "<i>x", "[x](y)", "a|b", "$\\frac{a$", "-1", "two\nlines", "'a\"")
RUN = "=run <i>x a|b"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a list of faces with these names, of these classes, in train, val and test."""
    folder = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(0)
    rows = io.StringIO(newline="")
    writer = csv.writer(rows)
    writer.writerow(("path", "label", "split"))
    for split in ("train", "val", "test"):
        (folder / split).mkdir()
        for k, name in enumerate(FILES * 4):
            path = f"{split}/{name}{k}.png"
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(folder / path)
            writer.writerow((path, CLASSES[k % len(CLASSES)], split))
    (folder / "list.csv").write_text(rows.getvalue(), newline="")
    return folder / "list.csv"


@pytest.fixture(scope="module")
def named_run(faces: Path, tiny_config: Any) -> Path:
    """Returns a run on them, with all its figures."""
    run = faces.parent / "runs" / RUN
    given = {"dataset": "folder", "data_dir": str(faces), "batch_size": 16, "smoke": False}
    run_train(tiny_config(run, **given, epochs=1))
    return run


class Tags(HTMLParser):
    """The tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def check(folder: Path, kinds: dict[str, int]) -> None:
    """Checks every page and table in a folder; `kinds` is how many there are of each suffix."""
    found = {suffix: sorted(folder.rglob(f"*{suffix}")) for suffix in kinds}
    assert {suffix: len(paths) for suffix, paths in found.items()} == kinds
    for path in (p for paths in found.values() for p in paths):
        text = path.read_text("utf-8")
        if path.suffix == ".csv":
            check_table(path, text)
            continue
        # As a reader of Markdown shows it that takes HTML, such as GitHub's.
        page = (
            MarkdownIt("commonmark").enable("table").render(text) if path.suffix == ".md" else text
        )
        tags = Tags(page)
        assert "i" not in tags.tags, path
        assert "y" not in tags.addresses, path
        assert not any(a.startswith("javascript") for a in tags.addresses), path


def check_table(path: Path, text: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(row) for row in rows}) == 1, path
    for cell in (cell for row in rows for cell in row if cell):
        try:
            float(cell)
        except ValueError:
            assert cell[0] not in "=+-@\t\r", (path, cell)


def test_a_run(named_run: Path) -> None:
    check(named_run, {".md": 1, ".html": 1, ".csv": 2})


def test_evaluating(named_run: Path, faces: Path) -> None:
    given = {"dataset": "folder", "data_dir": str(faces), "split": "test", "progress": False}
    path = Path(run_evaluate(EvalConfig(workdir=str(named_run), **given))["path"])
    check(path.parent, {".md": 1, ".html": 1, ".csv": 1})


def test_comparing(named_run: Path, tmp_path: Path) -> None:
    from ferjax.evaluation.comparison.compare_runs import compare_runs

    second = tmp_path / f"{RUN} 2"
    shutil.copytree(named_run, second)
    config = CompareConfig(out=str(tmp_path / "compared"), split="test")
    compare_runs(config, [str(named_run), str(second)])
    check(tmp_path / "compared", {".md": 1, ".html": 1})


def test_predicting(named_run: Path, faces: Path, tmp_path: Path) -> None:
    given = {"workdir": (str(named_run),), "faces": "whole", "progress": False}
    config = PredictConfig(
        out=str(tmp_path / "p.csv"), summary=str(tmp_path / "s.html"), sets=None, **given
    )
    run_predict(config, [str(faces.parent / "test")], io.StringIO())
    check(tmp_path, {".html": 1, ".csv": 1})


def test_auditing(faces: Path, tmp_path: Path) -> None:
    given = {"dataset": "folder", "data_dir": str(faces), "image_size": 32, "progress": False}
    run_prepare(PrepareConfig(audit=True, out=str(tmp_path / "audit"), **given))
    check(tmp_path, {".md": 1, ".html": 1})


def test_the_gallery(named_run: Path, tmp_path: Path) -> None:
    run_gallery(GalleryConfig(out=str(tmp_path / "gallery.html")), [str(named_run.parent)])
    check(tmp_path, {".html": 1})


def test_exporting(named_run: Path, tmp_path: Path) -> None:
    from ferjax.export.run_export import run_export

    given = {"workdir": str(named_run), "format": ("safetensors",), "progress": False}
    run_export(ExportConfig(out=str(tmp_path / "export"), name="net", **given))
    check(tmp_path, {".md": 1, ".html": 1})


@pytest.mark.slow
def test_a_matrix(named_run: Path, faces: Path, tmp_path: Path) -> None:
    from ferjax.tools.cross_data_sets.run_matrix import run_matrix

    data = (f"folder:{faces}:test",)
    out = tmp_path / "matrix"
    run_matrix(MatrixConfig(workdir=(str(named_run),), data=data, out=str(out), progress=False))
    check(out, {".md": 2, ".html": 2, ".csv": 1})


@pytest.mark.slow
def test_explaining(named_run: Path, faces: Path, tmp_path: Path) -> None:
    from ferjax.config.explain_config import ExplainConfig
    from ferjax.explain.reporting.explain_files import explain_files

    given = {"workdir": str(named_run), "faces": "whole", "progress": False}
    config = ExplainConfig(out=str(tmp_path / "maps"), **given)
    explain_files(config, [str(faces.parent / "test")], io.StringIO())
    check(tmp_path / "maps", {".md": 1, ".html": 1})


@pytest.mark.slow
def test_a_baseline(faces: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from ferjax.baselines.run_baseline import run_baseline

    given = {"dataset": "folder", "data_dir": str(faces), "image_size": 32, "progress": False}
    run_baseline(
        BaselineConfig(features="phog", workdir=str(tmp_path / RUN), cross_validation=2, **given)
    )
    check(tmp_path, {".md": 1, ".html": 1, ".csv": 2})


@pytest.mark.parametrize("name", ["[x](y)", "a\\b"])
def test_a_run_whose_checkpoints_could_not_be_read_is_not_begun(
    name: str, tmp_path: Path, tiny_config: Any
) -> None:
    with pytest.raises(UserError, match="makes its checkpoints unreadable"):
        run_train(tiny_config(tmp_path / name / "run"))
    assert not list(tmp_path.iterdir())
