"""The audit of small data sets made by hand, for which every number is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.data.audit import pixel_statistics
from ferjax.data.audit.audit_dataset import audit, file_census
from ferjax.data.audit.split_overlap import exact_overlap
from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.fer2013 import load_fer2013
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

CLASSES = ("anger", "fear", "neutral")


def bundle_of(
    splits: dict[str, tuple[np.ndarray, list[int]]], classes: tuple[str, ...] = CLASSES
) -> DatasetBundle:
    made = {}
    for name, (images, labels) in splits.items():
        ids = tuple(f"{name}/{k}.png" for k in range(len(images)))

        def read(indices: np.ndarray, images: np.ndarray = images) -> np.ndarray:
            return images[indices]

        made[name] = Split(name, np.array(labels, np.int32), ids, images.shape[1:], read)
    return DatasetBundle(made, classes, "made by hand", {name: name for name in made})


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Returns ten faces, uint8 [10, 64, 64, 3]."""
    return render_faces(np.arange(10) % 7, np.arange(10), 64)


@pytest.fixture(scope="module")
def twins(drawn: np.ndarray) -> DatasetBundle:
    """Returns a set with exact and near duplicates, within and across splits."""
    noise = np.random.default_rng(0).normal(0, 6, drawn.shape)
    noisy = (drawn + noise).clip(0, 255).astype(np.uint8)
    train = np.concatenate([drawn[:6], drawn[:1], noisy[1:2], drawn[2:3]])
    val = np.concatenate([drawn[6:8], drawn[2:3], noisy[3:4]])
    return bundle_of({"train": (train, [0, 1, 2, 0, 1, 2, 1, 1, 2]), "val": (val, [0, 1, 2, 2])})


def test_duplicates_within_and_across(twins: DatasetBundle) -> None:
    found = audit("mine", twins)
    exact, near = found["duplicates"], found["near_duplicates"]
    # 0 = 6 under another label; 2 = 8 = val 2; 1 ~ 7; 3 ~ val 3 under another label.
    assert exact["within"]["train"] == {"groups": 2, "images": 4, "surplus": 2, "conflicts": 1}
    assert exact["within"]["val"] == {"groups": 0, "images": 0, "surplus": 0, "conflicts": 0}
    pair = {"a": "train", "b": "val"}
    counts = {"groups": 1, "a_images": 2, "b_images": 1, "conflicts": 0}
    assert exact["across"] == [pair | counts]
    assert near["within"]["train"] == {"groups": 3, "images": 6, "surplus": 3, "conflicts": 1}
    counts = {"groups": 2, "a_images": 3, "b_images": 2, "conflicts": 1}
    assert near["across"] == [pair | counts]
    where = [[(m["split"], m["position"], m["label"]) for m in g] for g in near["groups"]]
    assert where == [
        [("train", 0, "anger"), ("train", 6, "fear")],
        [("train", 3, "anger"), ("val", 3, "neutral")],
        [("train", 1, "fear"), ("train", 7, "fear")],
        [("train", 2, "neutral"), ("train", 8, "neutral"), ("val", 2, "neutral")],
    ]
    assert near["groups"][0][1]["id"] == "train/6.png"


def test_pixels(drawn: np.ndarray) -> None:
    images = drawn.copy()
    images[4] = images[4, ..., :1]
    images[5] = 7
    found = audit("mine", bundle_of({"train": (images, [0] * 10)}))["splits"]["train"]
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(found["mean"], scaled.mean(axis=(0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(found["deviation"], scaled.std(axis=(0, 1, 2)), rtol=1e-9)
    assert (found["grey"], found["plain"]) == (2, ["train/5.png"])
    assert found["counts"] == {"anger": 10, "fear": 0, "neutral": 0}
    assert found["shape"] == [64, 64, 3]


def test_chunks_do_not_show(twins: DatasetBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit("mine", twins)
    monkeypatch.setattr(pixel_statistics, "_CHUNK_PIXELS", 4 * 64 * 64)
    assert audit("mine", twins) == whole


def test_unreadable_images_are_named_and_left_out(twins: DatasetBundle) -> None:
    train = twins.splits["train"]

    def read(indices: np.ndarray) -> np.ndarray:
        if set(np.asarray(indices).tolist()) & {2, 5}:
            raise UserError("x.png: cannot be read")
        return train.read(indices)

    broken = replace(twins, splits={**twins.splits, "train": replace(train, read=read)})
    found = audit("mine", broken)
    listed = found["splits"]["train"]["unreadable"]
    assert listed == [{"id": f"train/{k}.png", "reason": "x.png: cannot be read"} for k in (2, 5)]
    # Positions after the broken ones are still their own.
    groups = found["duplicates"]["groups"]
    assert [m["position"] for m in groups[0]] == [0, 6]
    assert [(m["split"], m["position"]) for m in groups[1]] == [("train", 8), ("val", 2)]


def test_a_split_of_which_nothing_can_be_read(twins: DatasetBundle) -> None:
    def read(indices: np.ndarray) -> np.ndarray:
        raise UserError("no")

    splits = {name: replace(split, read=read) for name, split in twins.splits.items()}
    found = audit("mine", replace(twins, splits=splits))
    assert found["splits"]["train"]["mean"] is None
    assert found["duplicates"]["groups"] == []


def test_shapes_that_differ_are_never_the_same_picture_exactly(drawn: np.ndarray) -> None:
    small = drawn.reshape(10, 32, 2, 32, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    made = bundle_of({"train": (drawn, [0] * 10), "val": (small, [0] * 10)})
    found = audit("mine", made)
    assert found["duplicates"]["across"][0]["groups"] == 0
    assert found["near_duplicates"]["across"][0]["groups"] == 10


@pytest.mark.parametrize("cut", [False, True])
def test_published_counts(cut: bool, make_split: Callable[..., Split]) -> None:
    classes = EMOTIONS[:7]
    roles = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
    labels = np.arange(70) % 7
    images = np.random.default_rng(0).integers(0, 256, (70, 48, 48, 1), np.uint8)
    found = {"Training": make_split(images, labels), "PrivateTest": make_split(images, labels)}
    if not cut:
        found["PublicTest"] = make_split(images, labels)
    options: dict[str, Any] = dict(layout="", where="", val_fraction=0.1, split_seed=0)
    bundle = assemble("fer2013", found, roles, classes, **options)
    rows = {row["name"]: row for row in audit("fer2013", bundle)["published"]}
    assert set(rows) == set(found)
    assert rows["Training"]["splits"] == (["train", "val"] if cut else ["train"])
    assert rows["Training"]["found"] == dict.fromkeys(classes, 10)
    assert rows["Training"]["published"]["disgust"] == 436
    assert audit("mine", bundle)["published"] == []


def test_published_counts_of_a_cut_split_and_of_the_classes_read(
    make_split: Callable[..., Split],
) -> None:
    classes = EMOTIONS[:7]
    images = np.random.default_rng(0).integers(0, 256, (70, 48, 48, 1), np.uint8)
    parts = {name: make_split(images, np.arange(70) % 7) for name in ("train", "val", "test")}
    options: dict[str, Any] = dict(layout="", where="", val_fraction=0.1, split_seed=0)
    bundle = assemble("rafdb", parts, {name: name for name in parts}, classes, **options)
    rows = {row["name"]: row for row in audit("rafdb", bundle)["published"]}
    assert {name: row["splits"] for name, row in rows.items()} == {
        "train": ["train", "val"],  # RAF-DB has no val: somebody cut it from train
        "test": ["test"],
    }
    assert rows["train"]["found"] == dict.fromkeys(classes, 20)
    # AffectNet has contempt, which the loader of seven classes leaves out.
    test = DatasetBundle({"test": parts["test"]}, classes, "", {"test": "val_set"})
    (row,) = audit("affectnet", test)["published"]
    assert row["published"] == dict.fromkeys(classes, 500)


def test_thresholds_out_of_range(twins: DatasetBundle) -> None:
    with pytest.raises(UserError, match="distance=17"):
        audit("mine", twins, distance=17)
    with pytest.raises(UserError, match="correlation=0"):
        audit("mine", twins, correlation=0)


def test_progress_names_each_split(twins: DatasetBundle) -> None:
    names: list[str] = []
    audit("mine", twins, progress=names.append)
    assert names == ["train", "val"]


def test_file_census(tmp_path: Path) -> None:
    for k, (mode, size) in enumerate([("L", (48, 40)), ("RGB", (48, 40)), ("RGB", (9, 7))]):
        (tmp_path / f"{k}").mkdir()
        Image.new(mode, size).save(tmp_path / f"{k}" / "a.png")
    (tmp_path / "0" / "b.JPG").write_bytes(b"")
    found = file_census(tmp_path)
    assert (found["files"], found["grey"], found["colour"]) == (4, 1, 2)
    assert found["sizes"] == {"40x48": 2, "7x9": 1}
    assert found["suffixes"] == {".png": 3, ".jpg": 1}
    assert [item["id"] for item in found["unreadable"]] == ["0/b.JPG"]
    assert "empty" in found["unreadable"][0]["reason"]


@pytest.mark.faces
def test_real_faces(faces: Path) -> None:
    bundle = load_fer2013.load(faces / "csv")
    found = audit("fer2013", bundle)
    exact, near = found["duplicates"]["across"][0], found["near_duplicates"]["across"][0]
    assert exact["b_images"] == len(exact_overlap(bundle.splits["train"], bundle.splits["val"]))
    assert exact["b_images"] == 279
    assert 400 < near["b_images"] < 500
    assert found["splits"]["train"]["grey"] == len(bundle.splits["train"])
