"""Audit of a small data set built by hand: page, JSON and figures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.data.audit.audit_dataset import audit
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.synthetic.load_synthetic import load, render_faces
from ferjax.errors import UserError
from ferjax.report.pages.audit_files import write_audit
from ferjax.report.pages.audit_sections import findings


def bundle(conflict: bool = True, broken: tuple[int, ...] = ()) -> DatasetBundle:
    faces = render_faces(np.arange(6), np.arange(6), 48)
    images = {"train": np.concatenate([faces[:4], faces[:1]]), "val": faces[[0, 4, 5]]}
    labels = {"train": [0, 1, 1, 0, 1 if conflict else 0], "val": [0, 1, 0]}
    splits = {}
    for name, pixels in images.items():
        ids = tuple(f"{name}|{k}*.png" for k in range(len(pixels)))

        def read(indices: np.ndarray, name: str = name, pixels: np.ndarray = pixels) -> np.ndarray:
            if name == "train" and set(np.asarray(indices).tolist()) & set(broken):
                raise UserError("b.png: cannot be read as an image")
            return pixels[indices]

        splits[name] = Split(name, np.array(labels[name], np.int32), ids, (48, 48, 3), read)
    sources = {"train": "Training", "val": "PublicTest"}
    return DatasetBundle(splits, ("anger", "bored"), "by hand", sources, ("a note",))


def write(made: DatasetBundle, directory: Path, **options: Any) -> tuple[str, dict[str, Any]]:
    """Audits a data set, writes the audit and returns page and JSON."""
    path = write_audit(audit("mine", made, **options), made, directory)
    assert path == directory / "audit.md"
    return path.read_text("utf-8"), json.loads((directory / "audit.json").read_text("utf-8"))


def test_page_json_and_figures(tmp_path: Path) -> None:
    made = bundle()
    text, record = write(made, tmp_path, obtain="ask its owner")
    names = {path.name for path in tmp_path.iterdir()}
    pages = {"audit.md", "audit.html", "audit.json"}
    assert names == pages | {"classes.png", "samples.png", "conflicts.png"}
    assert all(f"]({name})" in text for name in names if name.endswith(".png"))
    assert record["splits"]["train"]["counts"] == {"anger": 2, "bored": 3}
    assert record == json.loads(json.dumps(audit("mine", made, obtain="ask its owner")))
    for expected in (
        "# Audit of mine",
        "8 images in 2 classes; by hand.",
        "> - a note",
        "> - in both train and val: 1 image of val with equal pixels, 1 (33.3 %) including near"
        " duplicates",
        "> - labels differ within 1 group of exact or near duplicates",
        "| anger | 2 | 2 |",
        "| **all** | **5** | **3** |",
        "| within train | exact | 1 | 2 | 1 |",
        "| train and val | near | 1 | 2 + 1 | 1 |",
        "train\\|0\\*.png (train): anger; train\\|4\\*.png (train): bored",
        "## Where to get mine",
        "ask its owner",
    ):
        assert expected in text


def test_mirrored_copies_have_a_section_and_a_figure(tmp_path: Path) -> None:
    made = bundle(conflict=False)
    train, val = made.splits["train"], made.splits["val"]
    slope = np.linspace(0.4, 1, 48)[:, None]  # synthetic faces are nearly symmetric

    def darkened(indices: np.ndarray) -> np.ndarray:
        return (train.read(indices) * slope).astype(np.uint8)

    def mirrored(indices: np.ndarray) -> np.ndarray:
        return darkened(np.asarray(indices) + 1)[:, :, ::-1]

    splits = {"train": replace(train, read=darkened), "val": replace(val, read=mirrored)}
    text, record = write(replace(made, splits=splits), tmp_path)
    assert (tmp_path / "mirrored.png").is_file()
    assert "](mirrored.png)" in text
    for expected in (
        "> - 3 images of val are in train as a mirror image",
        "## Mirrored duplicates",
        "| within train | mirrored | 0 | 0 | 0 |",
        "| train and val | mirrored | 3 | 3 + 3 | 1 |",
        "3 of 3 groups",
    ):
        assert expected in text
    assert [one["groups"] for one in record["near_duplicates"]["across"]] == [0]
    assert [[m["mirrored"] for m in group] for group in record["mirrored"]["groups"]] == [
        [False, True]
    ] * 3


def test_a_data_set_without_problems_has_no_warnings(tmp_path: Path) -> None:
    made = load(size=48, counts={"train": 14, "val": 7})
    text, record = write(made, tmp_path)
    assert findings(record) == []
    assert "WARNING" not in text
    assert "Where to get" not in text
    assert "Mirrored" not in text
    assert not (tmp_path / "conflicts.png").exists()
    assert not (tmp_path / "mirrored.png").exists()


def test_unreadable_images_are_listed_and_not_drawn(tmp_path: Path) -> None:
    census = {
        "files": 8,
        "grey": 1,
        "colour": 6,
        "sizes": {f"{k}x{k}": 1 for k in range(10)},
        "suffixes": {".png": 8},
        "unreadable": [{"id": "b.png", "reason": "b.png: cannot be read as an image"}],
    }
    text, record = write(bundle(broken=(3,)), tmp_path, files=census)
    assert "1 image cannot be read" in findings(record)
    assert text.count("b.png: cannot be read as an image") == 1
    assert "and 2 other sizes" in text
    assert "| .png (8) |" in text


def test_no_image_of_train_can_be_read(tmp_path: Path) -> None:
    text, _ = write(bundle(broken=tuple(range(5))), tmp_path)
    assert "| train | 48×48 RGB | 0 of 0 | – | – |" in text


def test_empty_classes_are_warned_of() -> None:
    made = load(size=48, counts={"train": 14, "val": 7}, num_classes=7)
    record = audit("mine", made)
    record["splits"]["val"]["counts"]["fear"] = 0
    record["splits"]["val"]["plain"] = ["x"]
    assert findings(record) == ["val has no image of fear", "1 image of val shows one grey level"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = bundle()
    with pytest.raises(UserError, match="cannot write"):
        write_audit(audit("mine", made), made, tmp_path / "file")
