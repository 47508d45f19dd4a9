"""Data that are only judged (`val_fraction` 0): nothing is cut, and parts of a data set will do."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.registry import load_dataset
from ferjax.data.splits.from_arrays import bundle_from_arrays
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError


def fill(root: Path, *folders: str, each: int = 3, side: int = 48) -> Path:
    for k, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i in range(each):
            Image.new("L", (side, side), 10 * k + i).save(root / folder / f"{i}.png")
    return root


def counts(bundle: DatasetBundle) -> dict[str, int]:
    return {name: len(split) for name, split in bundle.splits.items()}


def judged(name: str, path: Path) -> dict[str, int]:
    return counts(load_dataset(name, path, val_fraction=0))


def test_no_val_is_cut_from_class_folders(tmp_path: Path) -> None:
    fill(tmp_path, "happy", "sad", each=10)
    assert judged("folder", tmp_path) == {"train": 20}
    assert counts(load_dataset("folder", tmp_path)) == {"train": 18, "val": 2}


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("test/happy", "test/sad"), {"test": 6}),
        (("val/happy", "testing/sad"), {"val": 3, "test": 3}),
        (("test/happy",), {"test": 3}),
        (("happy",), {"train": 3}),
    ],
)
def test_folders_without_train_or_of_one_class(
    folders: tuple[str, ...], expected: dict[str, int], tmp_path: Path
) -> None:
    assert judged("folder", fill(tmp_path, *folders)) == expected
    words = r"no training images, found .*\. Add train/; or judge .*launch\.evaluate|one class only"
    with pytest.raises(UserError, match=words):
        load_dataset("folder", tmp_path)


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_list_of_test_images_only(name: str, tmp_path: Path) -> None:
    fill(tmp_path, "a", each=4)
    rows = [(f"a/{i}.png", ("sad", "fear")[i % 2], "test", f"s{i}") for i in range(4)]
    lines = ["path,label,split,subject", *map(",".join, rows)]
    if name.endswith("jsonl"):
        keys = lines[0].split(",")
        lines = [json.dumps(dict(zip(keys, row, strict=True))) for row in rows]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    assert judged("folder", tmp_path / name) == {"test": 4}
    words = r"found test 4\. Mark rows as train in the column split; or judge .*launch\.evaluate"
    with pytest.raises(UserError, match=words):
        load_dataset("folder", tmp_path / name)


def test_people_are_not_cut_off_either(tmp_path: Path) -> None:
    fill(tmp_path, "a", each=4)
    rows = [f"a/{i}.png,{('sad', 'fear')[i % 2]},train,s{i}" for i in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split,subject", *rows]) + "\n")
    assert judged("folder", tmp_path / "list.csv") == {"train": 4}


def test_rafdbs_test_images_alone(tmp_path: Path, make_rafdb: Callable[..., Path]) -> None:
    make_rafdb(tmp_path, train=0, test=7)
    assert judged("rafdb", tmp_path) == {"test": 7}
    with pytest.raises(UserError, match=r"no training images \(train\), found test"):
        load_dataset("rafdb", tmp_path)


@pytest.mark.parametrize("is_apvit", [False, True])
def test_rafdbs_official_test_images_alone(
    is_apvit: bool, tmp_path: Path, make_rafdb: Callable[..., Path]
) -> None:
    make_rafdb(tmp_path, "official", train=7, test=7)
    for path in (tmp_path / "Image" / "aligned").glob("train_*"):
        path.unlink()
    if is_apvit:
        whole = tmp_path / "EmoLabel" / "list_patition_label.txt"
        lines = [line for line in whole.read_text().splitlines() if line.startswith("test")]
        (tmp_path / "EmoLabel" / "test.txt").write_text("\n".join(lines))
        whole.unlink()
    assert judged("rafdb", tmp_path) == {"test": 7}
    with pytest.raises(UserError, match=r"no training images \(train\), found test"):
        load_dataset("rafdb", tmp_path)


def test_sfews_val_alone(tmp_path: Path) -> None:
    emotions = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    fill(tmp_path, *(f"Val_Aligned_Faces_new/{name}" for name in emotions), each=1)
    assert judged("sfew", tmp_path) == {"test": 7}


@pytest.mark.parametrize(
    ("name", "header", "usage"),
    [
        ("fer2013.csv", "emotion,pixels,Usage", ",PrivateTest"),
        ("test.csv", "emotion,pixels", ""),
        ("test.csv", "emotion,pixels,Usage", ",PrivateTest"),
    ],
)
@pytest.mark.parametrize("given", ["folder", "file"])
def test_fer2013s_test_rows_alone(
    given: str, name: str, header: str, usage: str, tmp_path: Path
) -> None:
    rows = [f"{k},{' '.join([str(k)] * 48**2)}{usage}" for k in range(7)]
    (tmp_path / name).write_text("\n".join([header, *rows]))
    assert judged("fer2013", tmp_path if given == "folder" else tmp_path / name) == {"test": 7}


def test_fer2013s_test_folders_alone(tmp_path: Path) -> None:
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert judged("fer2013", fill(tmp_path, *(f"test/{name}" for name in emotions))) == {"test": 21}


def test_the_competitions_test_rows_have_no_labels(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(f"pixels\n{' '.join(['0'] * 48**2)}\n")
    with pytest.raises(UserError, match=r"test.csv has no emotions.*launch.predict names"):
        load_dataset("fer2013", tmp_path, val_fraction=0)


def test_ferplus_test_folder_alone(tmp_path: Path) -> None:
    fill(tmp_path, "FER2013Test")
    votes = ["0,0,0,0,10,0,0,0,0,0", "0,10,0,0,0,0,0,0,0,0", "10,0,0,0,0,0,0,0,0,0"]
    lines = [f'{i}.png,"(0, 0, 48, 48)",{line}' for i, line in enumerate(votes)]
    (tmp_path / "FER2013Test" / "label.csv").write_text("\n".join(lines) + "\n")
    assert judged("ferplus", tmp_path) == {"test": 3}


def test_arrays() -> None:
    arrays = np.zeros((6, 4, 4), np.uint8), np.array([0, 1] * 3)
    assert counts(bundle_from_arrays(("anger", "fear"), arrays, val_fraction=0)) == {"train": 6}


@pytest.mark.parametrize("where", ["", "test/"])
def test_images_without_class_folders_are_refused_in_one_sentence(
    where: str, tmp_path: Path
) -> None:
    path = tmp_path / "flat"
    fill(path / where, ".") if where else fill(tmp_path, "flat")
    for fraction in (0, 0.1):
        with pytest.raises(UserError, match=r"no labels to train on or to judge by.*predict names"):
            load_dataset("folder", path, val_fraction=fraction)


@pytest.mark.parametrize("fraction", [0, 0.34])
def test_unlabelled_folders_beside_train_are_passed_over_with_a_note(
    fraction: float, tmp_path: Path
) -> None:
    fill(tmp_path, "train/happy", "train/sad", "test", "val")
    bundle = load_dataset("folder", tmp_path, val_fraction=fraction)
    assert sum(counts(bundle).values()) == 6
    for name in ("test", "val"):
        assert any(note.startswith(f"{name}/ was not read: its images") for note in bundle.notes)


def test_one_image_a_class_can_be_judged_but_not_trained_on(tmp_path: Path) -> None:
    fill(tmp_path, "happy", "sad", each=1)
    assert judged("folder", tmp_path) == {"train": 2}
    with pytest.raises(UserError, match=r"no class has two images \(2 in all\)"):
        load_dataset("folder", tmp_path)
