"""FER2013 from generated csv files and class folders, and from real faces if they are on disk."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.fer2013.load_fer2013 import load
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")


def face(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


def write_csv(path: Path, rows: list[tuple[int, str]]) -> Path:
    """Writes one row a pair (emotion, usage); row i shows face(i)."""
    lines = [f"{e},{' '.join(map(str, face(i).ravel()))},{u}" for i, (e, u) in enumerate(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    return path


def write_folders(root: Path, split: str, names: tuple[str, ...]) -> Path:
    """Writes split/<class>/<name> for every class; the first pixel is the index of the class."""
    for k, folder in enumerate(FOLDERS):
        for i, name in enumerate(names):
            image = face(100 * k + i)
            image[0, 0] = k
            path = root / split / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return root


def test_csv_splits_labels_and_pixels(tmp_path: Path) -> None:
    rows = [(e, u) for u in ("PrivateTest", "Training", "PublicTest") for e in (6, 0, 4, 3)]
    path = write_csv(tmp_path / "fer2013.csv", rows)
    for given in (tmp_path, path, str(path)):
        bundle = load(given)
        assert bundle.classes == CLASSES
        assert list(bundle.splits) == ["train", "val", "test"]
        assert list(bundle.sources.values()) == list(USAGES)
        for first, split in zip((4, 8, 0), bundle.splits.values(), strict=True):
            names = [bundle.classes[label] for label in split.labels]
            assert names == ["neutral", "anger", "sadness", "happiness"]
            assert split.ids == tuple(f"fer2013.csv:{first + i + 1}" for i in range(4))
            assert split.shape == (48, 48, 1)
            batch = split.read(np.array([3, 0]))
            np.testing.assert_array_equal(batch[..., 0], [face(first + 3), face(first)])


def test_csv_inside_fer2013_and_what_lies_beside_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013" / "icml_face_data.csv", [(0, usage) for usage in USAGES])
    write_folders(tmp_path / "fer2013", "train", ("Training_1.png",))
    bundle = load(tmp_path)
    assert bundle.layout.startswith("icml_face_data.csv")
    assert bundle.notes[0] == "icml_face_data.csv was read, train/ beside it was not"


def test_csv_without_public_test_cuts_val_from_train(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", [(e, "Training") for e in (0, 3) for _ in range(10)])
    bundle = load(tmp_path, val_fraction=0.2, split_seed=3)
    counts = {
        role: np.bincount(s.labels, minlength=7).tolist() for role, s in bundle.splits.items()
    }
    assert counts == {"train": [8, 0, 0, 8, 0, 0, 0], "val": [2, 0, 0, 2, 0, 0, 0]}
    assert any("val is a stratified 0.2 of Training" in note for note in bundle.notes)
    assert "no test split on disk (PrivateTest)" in bundle.notes


def test_csv_without_training_rows_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", [(0, "PublicTest")])
    with pytest.raises(UserError, match=r"no training images \(Training\), found PublicTest"):
        load(tmp_path)


def test_folders_are_split_by_prefix(tmp_path: Path) -> None:
    write_folders(tmp_path, "train", ("Training_7.png", "Training_10.png"))
    write_folders(tmp_path, "test", ("PublicTest_1.png", "PrivateTest_2.png"))
    bundle = load(tmp_path)
    assert {role: len(split) for role, split in bundle.splits.items()} == {
        "train": 14,
        "val": 7,
        "test": 7,
    }
    assert list(bundle.sources.values()) == list(USAGES)
    for prefix, split in zip(USAGES, bundle.splits.values(), strict=True):
        assert all(name.split("/")[2].startswith(prefix) for name in split.ids)
        np.testing.assert_array_equal(split.read(np.arange(len(split)))[:, 0, 0, 0], split.labels)
    assert bundle.splits["train"].ids[:2] == (
        "train/angry/Training_7.png",
        "train/angry/Training_10.png",
    )


def test_folders_without_prefix_keep_the_tests_merged(tmp_path: Path) -> None:
    write_folders(tmp_path, "train", tuple(f"im{i}.png" for i in range(10)))
    write_folders(tmp_path, "test", ("im0.jpg", "im1.jpg"))
    bundle = load(tmp_path)
    assert {role: len(split) for role, split in bundle.splits.items()} == {
        "train": 63,
        "val": 7,
        "test": 14,
    }
    assert bundle.sources["test"] == "PublicTest+PrivateTest"
    notes = " | ".join(bundle.notes)
    assert "test is PublicTest and PrivateTest merged" in notes
    assert "14 images, 7,178 published" in notes
    assert "no test split" not in notes


def test_alias_folders_and_a_missing_test(tmp_path: Path) -> None:
    write_folders(tmp_path, "train", ("a.png", "b.png"))
    for old, new in (("angry", "Anger"), ("disgust", "disgusted"), ("fear", "fearful")):
        (tmp_path / "train" / old).rename(tmp_path / "train" / new)
    bundle = load(tmp_path)
    assert {role: len(split) for role, split in bundle.splits.items()} == {"train": 7, "val": 7}
    assert bundle.classes == CLASSES


@pytest.mark.parametrize(
    ("split", "stray"),
    [("test", "im0.png"), ("test", "Training_1.png"), ("train", "PublicTest_1.png")],
)
def test_a_name_that_disagrees_is_refused(tmp_path: Path, split: str, stray: str) -> None:
    write_folders(tmp_path, "train", ("Training_0.png",))
    write_folders(tmp_path, "test", ("PublicTest_0.png",))
    Image.fromarray(face(0)).save(tmp_path / split / "sad" / stray)
    with pytest.raises(UserError, match=f"{stray}: other files of .* named by their usage"):
        load(tmp_path)


def test_missing_and_wrong_folders_are_explained(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"no does not exist\. .*msambare/fer2013"):
        load(tmp_path / "no")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    known = ("fer2013.csv", "icml_face_data.csv", "msambare/fer2013")
    for part in ("holds other/", *known, str(tmp_path)):
        assert part in str(caught.value)


def write_split_csv(path: Path, rows: list[int | None], first: int, usage: str = "") -> None:
    """Writes one row an emotion (None: no such column); row i shows face(first + i)."""
    columns = ["emotion"] * (None not in rows) + ["pixels"] + ["Usage"] * bool(usage)
    lines = [",".join(columns)]
    for i, emotion in enumerate(rows):
        fields = [] if emotion is None else [str(emotion)]
        fields.append(" ".join(map(str, face(first + i).ravel())))
        lines.append(",".join([*fields, *([usage] * bool(usage))]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join([*lines, ""]).encode("utf-8-sig"))


@pytest.mark.parametrize("usages", [("", "", ""), USAGES])
@pytest.mark.parametrize("root", [".", "fer2013"])
def test_a_csv_for_each_split(tmp_path: Path, root: str, usages: tuple[str, ...]) -> None:
    folder = tmp_path / root
    for name, usage, first in zip(("train", "val", "test"), usages, (0, 10, 20), strict=True):
        write_split_csv(folder / f"{name}.csv", [6, 3], first, usage)
    bundle = load(tmp_path)
    assert list(bundle.sources.values()) == list(USAGES)
    for name, first in (("train", 0), ("val", 10), ("test", 20)):
        split = bundle.splits[name]
        assert [CLASSES[label] for label in split.labels] == ["neutral", "happiness"]
        assert split.ids == (f"{name}.csv:1", f"{name}.csv:2")
        np.testing.assert_array_equal(split.read(np.array([1]))[0, ..., 0], face(first + 1))


def test_the_competitions_files(tmp_path: Path) -> None:
    write_split_csv(tmp_path / "train.csv", [0] * 10, 0)
    write_split_csv(tmp_path / "test.csv", [None] * 3, 50)
    for given in (tmp_path, tmp_path / "train.csv"):
        bundle = load(given)
        assert {role: len(split) for role, split in bundle.splits.items()} == {"train": 9, "val": 1}
        assert bundle.notes[0].startswith("test.csv has no emotions (the competition's)")
        assert "no test split on disk (PrivateTest)" in bundle.notes


def test_a_labelled_test_csv_without_val_is_both_tests(tmp_path: Path) -> None:
    write_split_csv(tmp_path / "train.csv", [0] * 10, 0)
    write_split_csv(tmp_path / "test.csv", [1, 2], 50)
    bundle = load(tmp_path)
    assert bundle.sources["test"] == "PublicTest+PrivateTest"
    assert any("merged" in note for note in bundle.notes)


def test_rows_of_another_split_are_refused(tmp_path: Path) -> None:
    write_split_csv(tmp_path / "train.csv", [0], 0)
    write_split_csv(tmp_path / "val.csv", [0], 1, "PrivateTest")
    with pytest.raises(UserError, match=r"val\.csv: rows whose Usage is PrivateTest, expected Pub"):
        load(tmp_path)


def test_a_train_csv_with_all_usages_is_a_whole_set(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", [(0, usage) for usage in USAGES])
    assert list(load(path).splits) == ["train", "val", "test"]
    with pytest.raises(UserError, match=r"holds all splits is named fer2013\.csv"):
        load(tmp_path)


def test_repeated_images_are_noted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", [(e, "Training") for e in (0, 0, 3, 3)])
    lines = path.read_text().splitlines()
    lines += [lines[1], "4" + lines[2][1:], "0" + lines[3][1:]]
    path.write_text("\n".join([*lines, ""]))
    note = "fer2013.csv: 3 of 7 rows show the same picture as an earlier row, 2 of them under"
    assert load(path).notes[0].startswith(note)


def test_validation_folders(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_folders(tmp_path, split, ("a.png",))
    bundle = load(tmp_path)
    assert list(bundle.sources.values()) == list(USAGES)
    assert bundle.splits["val"].ids[0] == "valid/angry/a.png"


# Published counts cut to a few images: class k has k + 1.
SMALL = {usage: {name: 1 + k for k, name in enumerate(CLASSES)} for usage in USAGES}
ALPHABETICAL = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def write_numbered(root: Path, order: tuple[str, ...], prefixes: tuple[str, ...]) -> Path:
    for prefix in prefixes:
        split = "train" if prefix == "Training" else "test"
        for number, name in enumerate(order):
            folder = root / split / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(SMALL[prefix][name]):
                Image.fromarray(face(i)).save(folder / f"{prefix}_{i}.png")
    return root


@pytest.mark.parametrize("layout", ["folders", "csv"])
def test_another_cut_has_no_official_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setitem(PUBLISHED, "fer2013", SMALL)
    train, val = ("train/", "validation/") if layout == "folders" else ("train.csv", "val.csv")
    if layout == "folders":
        write_folders(tmp_path, "train", ("im0.png",))
        write_folders(tmp_path, "validation", ("im1.png", "im2.png"))
    else:
        write_split_csv(tmp_path / "train.csv", [*range(7)], 0)
        write_split_csv(tmp_path / "val.csv", [*range(7), *range(7)], 10)
    bundle = load(tmp_path)
    assert bundle.sources == {
        "train": f"{train} as in the copy (not Training)",
        "val": f"{val} as in the copy (not PublicTest)",
    }
    assert {name: len(split) for name, split in bundle.splits.items()} == {"train": 7, "val": 14}
    notes = " | ".join(bundle.notes)
    assert f"{val} has 2 images of anger, PublicTest has 1" in notes
    assert "Training+PublicTest+PrivateTest: 21 images, 84 published" in notes
    assert "no test split on disk" in bundle.notes


def test_two_validation_folders_are_refused(tmp_path: Path) -> None:
    for split in ("train", "val", "validation"):
        write_folders(tmp_path, split, ("a.png",))
    with pytest.raises(UserError, match="val/ and validation/ are both there"):
        load(tmp_path)


@pytest.mark.parametrize("order", [CLASSES, ALPHABETICAL])
def test_numbered_folders_are_identified_by_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    monkeypatch.setitem(PUBLISHED, "fer2013", SMALL)
    bundle = load(write_numbered(tmp_path, order, USAGES))
    assert ("alphabetical" if order == ALPHABETICAL else "as in fer2013.csv") in bundle.layout
    for split in bundle.splits.values():
        assert np.bincount(split.labels).tolist() == [1, 2, 3, 4, 5, 6, 7]
        for label, name in zip(split.labels, split.ids, strict=True):
            assert order[int(name.split("/")[1])] == CLASSES[label]
    (tmp_path / "train" / "3" / "Training_0.png").unlink()
    with pytest.raises(UserError, match=r"numbered from 0.*alphabetical: 0 anger.*Rename"):
        load(tmp_path)


@pytest.fixture(scope="module")
def real(faces: Path) -> dict[str, DatasetBundle]:
    return {layout: load(faces / layout) for layout in ("csv", "folders")}


@pytest.mark.faces
def test_real_counts_are_notes_not_errors(real: dict[str, DatasetBundle]) -> None:
    for bundle in real.values():
        assert {role: len(s) for role, s in bundle.splits.items()} == {"train": 28558, "val": 3579}
        counts = [note for note in bundle.notes if "published" in note]
        assert [note.partition(",")[0] for note in counts] == ["Training: 28", "PublicTest: 3"]
        assert "no test split on disk (PrivateTest)" in bundle.notes


@pytest.mark.faces
def test_real_layouts_hold_the_same_pixels(real: dict[str, DatasetBundle]) -> None:
    for role in ("train", "val"):
        csv, folders = (real[layout].splits[role] for layout in ("csv", "folders"))
        np.testing.assert_array_equal(np.bincount(csv.labels), np.bincount(folders.labels))
        # Folder names carry numbers that ascend with the csv's rows.
        numbers = [int(name.rpartition("_")[2].removesuffix(".png")) for name in folders.ids]
        order = np.argsort(numbers)
        np.testing.assert_array_equal(csv.labels, folders.labels[order])
        some = np.arange(0, len(csv), 97)
        np.testing.assert_array_equal(csv.read(some), folders.read(order[some]))


@pytest.mark.faces
def test_real_folders_under_swapped_names_are_refused(faces: Path, tmp_path: Path) -> None:
    swapped = {"sad": "neutral", "neutral": "sad"}
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for name in FOLDERS:
            source = faces / "folders" / split / name
            (tmp_path / split / swapped.get(name, name)).symlink_to(source)
    with pytest.raises(UserError, match=r"sadness \(5,536 .* counts like neutral"):
        load(tmp_path)


@pytest.mark.faces
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda row: row.replace(" ", "", 1), "2,303 values in pixels, expected 2,304"),
        (lambda row: "9" + row[1:], "emotion '9', expected a whole number from 0 to 6"),
    ],
)
def test_real_rows_made_wrong_are_refused(faces: Path, tmp_path: Path, edit, words: str) -> None:
    with open(faces / "csv" / "fer2013.csv", encoding="utf-8") as file:
        lines = list(islice(file, 8))
    lines[5] = edit(lines[5])
    (path := tmp_path / "fer2013.csv").write_text("".join(lines))
    with pytest.raises(UserError) as caught:
        load(path)
    assert f"{path}: row 5 (line 6): {words}" in str(caught.value)


def test_permuted_csv_of_full_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Published counts cut to a few rows, so that a whole file can be written here.
    small = {u: {c: 1 + k for k, c in enumerate(CLASSES)} for u in USAGES}
    monkeypatch.setitem(PUBLISHED, "fer2013", small)
    right = [(k, u) for u in USAGES for k in range(7) for _ in range(k + 1)]
    assert load(write_csv(tmp_path / "right.csv", right)).notes == ()
    wrong = write_csv(tmp_path / "wrong.csv", [((k + 1) % 7, u) for k, u in right])
    with pytest.raises(UserError, match=r"wrong\.csv: the labels of fer2013 look permuted"):
        load(wrong)
