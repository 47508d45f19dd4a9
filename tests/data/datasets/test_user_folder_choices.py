"""A user's own images: what is decided for the user is said, and odd tables are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.user_folder import load
from ferjax.data.registry import load_dataset
from ferjax.data.splits.describe_bundle import describe_bundle
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError


def still(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 3), value).save(path, "PNG")


def fill(root: Path, *folders: str, each: int = 4) -> Path:
    for k, folder in enumerate(folders):
        for i in range(each):
            still(root / folder / f"{i}.png", 10 * k + i)
    return root


def write_list(root: Path, text: str, name: str = "list.csv") -> Path:
    """Writes a list and the images 0.png to 7.png beside it."""
    for i in range(8):
        still(root / f"{i}.png", i)
    (root / name).write_text(text, "utf-8")
    return root / name


def count(bundle: DatasetBundle) -> dict[str, int]:
    """Returns class → number of images in all splits."""
    labels = np.concatenate([split.labels for split in bundle.splits.values()])
    return {name: int((labels == k).sum()) for k, name in enumerate(bundle.classes)}


def test_classes_that_are_no_emotions_and_merged_folders_are_said(tmp_path: Path) -> None:
    fill(tmp_path, "happy", "joy", "sad", "backgrounds", "unknown", "__MACOSX/sad")
    (tmp_path / "labels.csv").write_text("path,label\n")
    (tmp_path / "exclude.txt").write_text("")
    notes = load(tmp_path).notes
    assert "happy and joy are one class, happiness" in notes
    assert (
        "no emotions, but classes like the others: backgrounds (4 images), unknown (4 images); move"
        " away what should be none"
    ) in notes
    assert "beside the class folders, not read: labels.csv; the folders are the labels" in notes


def test_emotions_alone_need_no_note(tmp_path: Path) -> None:
    fill(tmp_path, "train/happy", "train/sad", "val/happy", "val/sad", "test/happy", "test/sad")
    assert load(tmp_path).notes == ()


def test_a_run_begins_with_classes_counts_and_notes(tmp_path: Path) -> None:
    bundle = load(fill(tmp_path, "train/joy", "train/happy", "train/sad", "val/sad", "test/joy"))
    assert describe_bundle("folder", bundle) == [
        "folder: class folders in train/ and others; 2 classes: happiness, sadness",
        "train: 12 images: happiness 8, sadness 4",
        "val: 4 images: sadness 4",
        "test: 4 images: happiness 4",
        "note: happy and joy are one class, happiness",
    ]


NO_LABEL = ["", "nan", "None", "null", "NA", "-"]


@pytest.mark.parametrize("blank", NO_LABEL)
def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path, blank: str) -> None:
    rows = [f"{i}.png,{('sad', 'happy')[i % 2]}" for i in range(6)]
    path = write_list(
        tmp_path, "\n".join(["path,label", f"6.png,{blank}", *rows, f"7.png,{blank}", ""])
    )
    bundle = load(path)
    assert count(bundle) == {"happiness": 3, "sadness": 3}
    assert "2 rows of list.csv have no label and are left out, the first in line 2" in bundle.notes


def test_jsonl_rows_without_a_label(tmp_path: Path) -> None:
    labels = ['"sad"', '"happy"', "null", "NaN", '"sad"', '"happy"']
    lines = [f'{{"path": "{i}.png", "label": {label}}}\n' for i, label in enumerate(labels)]
    bundle = load(write_list(tmp_path, "".join(lines), "list.jsonl"))
    assert count(bundle) == {"happiness": 2, "sadness": 2}
    assert (
        "2 rows of list.jsonl have no label and are left out, the first in line 3" in bundle.notes
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,label\n0.png,nan\n1.png,\n", r"list\.csv:3: no label"),
        ("path,label\n0.png,sad\n1.png,fear\n2.png,", r"list\.csv:4: no label"),
        ("path,label\n0.png,3.0\n1.png,4.0\n", r"the classes are numbers \(3, 4\)"),
        ("path,label\n0.png,3.5\n1.png,4\n", r"the class 3\.5 is a number, but no whole one"),
        ("path,label\nC:\\faces\\0.png,sad\n", r"list\.csv:2: .* a path on another computer"),
        ("emotion,pixels,Usage\n", "the first line is 'emotion,pixels,Usage'"),
    ],
)
def test_bad_lists(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(write_list(tmp_path, text))


@pytest.mark.parametrize("numbers", [("3", "4"), ("3.0", "4.0"), ("3,0", "4,0"), ("03", "4.")])
def test_numbers_as_spreadsheets_write_them(tmp_path: Path, numbers: tuple[str, str]) -> None:
    rows = [f"{i}.png;{numbers[i % 2]}" for i in range(8)]
    path = write_list(tmp_path, "\n".join(["path;label", *rows, ""]))
    (tmp_path / "classes.txt").write_text("3 sad\n4 happy\n")
    assert count(load(path)) == {"happiness": 4, "sadness": 4}


def test_numbers_written_in_two_ways_are_one_class(tmp_path: Path) -> None:
    labels = ["3", "3.0", "4", "4"] * 2
    path = write_list(tmp_path, "".join(f"{i}.png,{n}\n" for i, n in enumerate(labels)))
    (tmp_path / "classes.txt").write_text("3 sad\n4 happy\n")
    bundle = load(path)
    assert count(bundle) == {"happiness": 4, "sadness": 4}
    assert "3 and 3.0 are one class, sadness" in bundle.notes


@pytest.mark.parametrize("way", ["backslashes", "./", ".\\", "~/"])
def test_paths_of_other_systems(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path, "d/sad", "d/happy")
    prefix = {"backslashes": "", "./": "./", ".\\": ".\\", "~/": "~/"}[way]
    separator = "/" if "/" in prefix else "\\"
    rows = [
        f"{prefix}{separator.join(('d', label, f'{i}.png'))},{label}\n"
        for label in ("sad", "happy")
        for i in range(4)
    ]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(rows))
    bundle = load(tmp_path / "list.csv")
    assert count(bundle) == {"happiness": 4, "sadness": 4}
    if way != "~/":
        assert "d/sad/0.png" in [name for s in bundle.splits.values() for name in s.ids]


def test_a_backslash_in_a_name_stays(tmp_path: Path) -> None:
    still(tmp_path / "a\\b.png", 7)
    path = write_list(tmp_path, "path,label\na\\b.png,sad\n0.png,sad\n1.png,fear\n2.png,fear\n")
    assert count(load(path)) == {"fear": 2, "sadness": 2}


@pytest.mark.parametrize(
    "names", [("Training", "PublicTest", "PrivateTest"), ("train", "dev", "Test")]
)
def test_splits_named_as_in_fer2013(tmp_path: Path, names: tuple[str, str, str]) -> None:
    usage = [names[0]] * 4 + [names[1]] * 2 + [names[2]] * 2
    rows = [f"{i}.png\t{('sad', 'fear')[i % 2]}\t{usage[i]}" for i in range(8)]
    path = write_list(tmp_path, "\n".join(["Image\tEmotion\tUsage", *rows, ""]))
    sizes = {name: len(split) for name, split in load(path).splits.items()}
    assert sizes == {"train": 4, "val": 2, "test": 2}
    folders = [f"{name}/{label}" for name in names for label in ("sad", "fear")]
    assert [*load(fill(tmp_path / "t", *folders)).splits] == ["train", "val", "test"]


def test_people_who_are_not_named_count_as_one(tmp_path: Path) -> None:
    people = ["a", "b", "c", "d", "", "nan", "NA", "e"]
    rows = [f"{i}.png,{('sad', 'fear')[i % 2]},{name}\n" for i, name in enumerate(people)]
    bundle = load(write_list(tmp_path, "path,label,subject\n" + "".join(rows)))
    assert "3 rows of list.csv name no subject: they count as one person" in bundle.notes
    everybody = {name for split in bundle.splits.values() for name in split.subjects}
    assert everybody == {*"abcde", ""}


def test_exclude_txt_names_odd_files_as_they_are_shown(tmp_path: Path) -> None:
    fill(tmp_path, "sad", "happy")
    still(tmp_path / "sad" / "two\nlines.png", 90)
    still(tmp_path / "sad" / b"\xff.png".decode("utf-8", "surrogateescape"), 91)
    ids = [n for s in load(tmp_path).splits.values() for n in s.ids]
    odd = [r"sad/two\nlines.png", r"sad/\xff.png"]
    assert set(odd) < set(ids)
    (tmp_path / "exclude.txt").write_text("\n".join([*odd, "happy\\0.png"]))
    left = load_dataset("folder", tmp_path)
    assert count(left) == {"happiness": 3, "sadness": 4}


def test_exclude_txt_beside_a_list_is_said(tmp_path: Path) -> None:
    path = write_list(tmp_path, "0.png,sad\n1.png,sad\n2.png,fear\n3.png,fear\n")
    (tmp_path / "exclude.txt").write_text("0.png\n")
    assert any(
        "exclude.txt beside list.csv was not read" in n for n in load_dataset("folder", path).notes
    )
