"""The four tasks of `launch.prepare` (audit, crops, cache, preview) on synthetic images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferjax.tools.prepare_data
from ferjax.config.tool_configs import PrepareConfig
from ferjax.data.registry import load_dataset
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.faces.viola_jones import Box
from ferjax.tools.prepare_data import run_prepare


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Returns class folders of synthetic faces; one face is there twice, with two labels."""
    labels = np.arange(24) % 3
    faces = render_faces(labels, np.arange(24), size=40)
    root = tmp_path / "faces"
    for k, (face, label) in enumerate(zip(faces, labels, strict=True)):
        folder = root / EMOTIONS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / f"f{k:02}.png")
    Image.fromarray(faces[0]).save(root / EMOTIONS[1] / "again.png")
    return root


def prepare(**given: Any) -> list[str]:
    return run_prepare(PrepareConfig(progress=False, **given))


def test_the_audit_finds_the_planted_duplicate(tree: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(tree), audit=True)
    lines = prepare(**given, out=str(tmp_path / "audit"), image_size=40)
    assert lines[-1] == str(tmp_path / "audit" / "audit.md")
    result = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert (result["files"]["files"], result["files"]["sizes"]) == (25, {"40x40": 25})
    assert "labels differ" in " ".join(lines)
    for name in ("classes.png", "samples.png", "conflicts.png"):
        Image.open(tmp_path / "audit" / name).verify()
    # An audit is written again, without the figure that has nothing to show any more.
    (tree / EMOTIONS[1] / "again.png").unlink()
    (tmp_path / "audit" / "audit.json").unlink()  # as after a kill
    assert prepare(**given, out=str(tmp_path / "audit"), image_size=40)[-1] == lines[-1]
    again = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert again["files"]["files"] == 24
    assert not (tmp_path / "audit" / "conflicts.png").exists()
    (tmp_path / "audit" / "notes.txt").touch()
    with pytest.raises(UserError, match="is not empty"):
        prepare(**given, out=str(tmp_path / "audit"))


def test_crops_have_contact_sheets_and_can_be_loaded(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(10, 8, 20, 24)
    monkeypatch.setattr(ferjax.tools.prepare_data, "haar_faces", lambda: lambda image: [box])
    out = tmp_path / "crops"
    lines = prepare(data_dir=str(tree), crops=True, margin=4, out=str(out))
    assert "25 images cropped" in lines
    assert len(list((tmp_path / "crops-sheets").glob("*.png"))) == 3
    (out / "exclude.txt").write_text("anger/f00.png\n")
    bundle = load_dataset("folder", out, image_size=32)
    assert sum(len(split) for split in bundle.splits.values()) == 24
    assert bundle.splits["train"].shape == (32, 28, 3)


def test_the_cache_has_a_file_for_each_split(tree: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(tree), image_size=40)
    lines = prepare(**given, cache=True, out=str(tmp_path / "cache"))
    assert any("--cache_dir" in line for line in lines)
    assert len(list((tmp_path / "cache").glob("folder-*"))) == 2


def test_previews_are_images(tmp_path: Path) -> None:
    out = tmp_path / "preview"
    for augment in ("none", "strong", "strong"):
        given: dict[str, Any] = dict(dataset="synthetic", image_size=32, augment=augment)
        (path,) = prepare(**given, preview=True, out=str(out))
        Image.open(path).verify()
        assert Path(path).parent == out
    assert len([*out.iterdir()]) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dataset": "synthetic"}, "one of --audit, --crops, --cache, --preview"),
        ({"dataset": "synthetic", "audit": True, "cache": True}, "found 2"),
        ({"audit": True}, "--dataset is missing"),
        ({"dataset": "synthetic", "crops": True}, "synthetic faces need no crops"),
        ({"dataset": "synthetic", "preview": True, "augment": "wild"}, "Known: flip, none"),
        ({"dataset": "folder", "data_dir": "nowhere", "audit": True}, "nowhere"),
    ],
)
def test_errors_name_the_problem(
    given: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        prepare(**given)
    assert not any(tmp_path.iterdir())
