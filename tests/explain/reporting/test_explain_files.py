"""`launch.explain FILES` behind its flags: pictures, sheet, page, and what is no face."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.explain_config import ExplainConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.explain import METHODS
from ferjax.explain.explainer import Explainer
from ferjax.explain.reporting.explain_files import explain_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    faces = render_faces(np.arange(3), np.arange(3), size=64)
    for face, name in zip(faces, ("a.png", "b|<b>*.png", "c.png"), strict=True):
        Image.fromarray(face).save(folder / name)
    return folder


def test_each_face_has_a_picture_and_a_row(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "d.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    done = explain_files(ExplainConfig(out=str(out), batch_size=2, progress=False), [str(folder)])
    assert done == f"{out}: 3 faces of 4 inputs explained by layercam"
    assert "d.png" in capsys.readouterr().err
    names = ["0000-a.png", "0001-b_b_.png", "0002-c.png"]
    assert sorted(path.name for path in out.iterdir()) == [
        *names,
        "explain.html",
        "explain.json",
        "explain.md",
        "sheet.png",
    ]
    with Image.open(out / names[0]) as picture:
        assert picture.size == (192, 192)
    page = (out / "explain.md").read_text("utf-8")
    assert "b\\|&lt;b>\\*.png" in page
    assert "stage1_block0, chosen by default: a map of 12x12 over a face of 48x48" in page
    assert "nor why a person feels something" in page
    rows = json.loads((out / "explain.json").read_text("utf-8"))["faces"]
    assert [row["picture"] for row in rows] == names
    for row in rows:
        assert row["explained"] == max(row["probabilities"], key=row["probabilities"].get)
    with pytest.raises(UserError, match=r"is not empty, it holds"):
        explain_files(ExplainConfig(out=str(out)), [str(folder)])


def test_a_named_emotion_is_explained_for_every_face(folder: Path, tmp_path: Path) -> None:
    config = ExplainConfig(
        out=str(tmp_path / "out"), emotion="fear", method="gradcam", progress=False
    )
    explain_files(config, [str(folder)])
    rows = json.loads((tmp_path / "out" / "explain.json").read_text("utf-8"))["faces"]
    assert {row["explained"] for row in rows} == {"fear"}
    page = (tmp_path / "out" / "explain.md").read_text("utf-8")
    for row in rows:
        best = max(row["probabilities"], key=row["probabilities"].get)
        own, largest = (f"{100 * row['probabilities'][name]:.0f} %" for name in ("fear", best))
        assert f"| fear {own} | {best} {largest} |" in page
    assert "Yellow: counts most" in page
    # There is one section, so there is nothing to list.
    assert "Contents" not in (tmp_path / "out" / "explain.html").read_text("utf-8")


def test_a_face_without_a_map_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importance = Explainer.importance

    def nothing_for_the_first(self: Explainer, *given: Any) -> np.ndarray:
        maps = importance(self, *given).copy()
        maps[0] = 0
        return maps

    monkeypatch.setattr(Explainer, "importance", nothing_for_the_first)
    explain_files(ExplainConfig(out=str(tmp_path / "out"), progress=False), [str(folder)])
    page = (tmp_path / "out" / "explain.md").read_text("utf-8")
    assert page.count("| no map: nothing in the face speaks for this emotion |") == 1
    row = next(line for line in page.splitlines() if line.startswith("| 0000-a"))
    assert row.endswith("this emotion |")


def test_mistakes_are_told_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"layer": "stage9"}, "--layer=stage9"),
        ({"emotion": "hunger"}, "'hunger'"),
        ({"faces": "crop"}, r"no face in 1 inputs.*--faces=whole"),
        ({"on_bad_image": "error"}, r"d\.png"),
    )
    for fields, message in cases:
        words = [str(folder)]
        if "faces" in fields:
            words = [str(tmp_path / "flat.png")]
            Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(words[0])
        if "on_bad_image" in fields:
            words = [str(tmp_path / "d.png"), *words]
            (tmp_path / "d.png").write_bytes(b"")
        with pytest.raises(UserError, match=message):
            explain_files(ExplainConfig(out=str(out), progress=False, **fields), words)
        assert not out.exists()


@pytest.mark.parametrize("kind", ["new", "empty", "link", "here"])
def test_a_failure_in_the_middle_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (folder / "d.png").write_bytes(b"no picture")
    real = tmp_path / "out"
    if kind != "new":
        real.mkdir()
        # Left by a process that was killed.
        (real / ".unfinished.999999999.tmp").mkdir()
    if kind == "link":
        (tmp_path / "link").symlink_to(real)
    if kind == "here":
        monkeypatch.chdir(real)
    out = {"link": str(tmp_path / "link"), "here": "."}.get(kind, str(real))
    config = ExplainConfig(out=out, on_bad_image="error", batch_size=1, progress=False)
    with pytest.raises(UserError, match=r"d\.png"):
        explain_files(config, [str(folder)])
    assert real.exists() == (kind != "new")
    assert kind == "new" or not list(real.iterdir())
    # The same command again, without the damaged file.
    (folder / "d.png").unlink()
    explain_files(config, [str(folder)])
    assert len(list(real.iterdir())) == 3 + 4
    assert 'src="data:image/png' in (real / "explain.html").read_text("utf-8")


def test_the_flags_know_every_method_and_what_belongs_together() -> None:
    for method in METHODS:
        assert ExplainConfig(out="o", method=method).method == method
    with pytest.raises(UserError, match="gradcam"):
        ExplainConfig(out="o", method="grad_cam")
    with pytest.raises(UserError, match="--out is missing"):
        ExplainConfig()
    with pytest.raises(UserError, match="--data_dir=d belongs to --split"):
        ExplainConfig(out="o", data_dir="d")
    with pytest.raises(UserError, match="--images=100 belongs to --split"):
        ExplainConfig(out="o", images=100)
    for flag, value in (("faces", "crop"), ("detector", "yunet"), ("on_bad_image", "error")):
        given: dict[str, Any] = {flag: value}
        with pytest.raises(UserError, match=f"--{flag}={value} belongs to files"):
            ExplainConfig(out="o", split="val", **given)
        assert getattr(ExplainConfig(out="o", **given), flag) == value
    with pytest.raises(UserError, match="two networks"):
        ExplainConfig(out="o", workdir="w", weights="x")
