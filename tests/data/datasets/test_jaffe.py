"""JAFFE with the people, emotions and takes of the release, in folders of several kinds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.jaffe import load
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.errors import UserError

CODES = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
PEOPLE = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
# Takes that are not three: counted in the release.
TAKES = {
    **{("KA", "FE"): 4, ("KA", "HA"): 4, ("KL", "DI"): 4, ("KM", "DI"): 2, ("KM", "HA"): 4},
    **{("KM", "SA"): 4, ("KR", "HA"): 2, ("NM", "DI"): 2, ("YM", "FE"): 4},
}


def make(root: Path, suffix: str = ".tiff", folders: bool = False) -> Path:
    """Writes the 213 files; the grey of each is 30 times its emotion's place plus its person's."""
    number = 0
    for p, person in enumerate(PEOPLE):
        for k, (code, emotion) in enumerate(CODES.items()):
            for take in range(1, TAKES.get((person, code), 3) + 1):
                number += 1
                folder = root / emotion.upper() if folders else root
                folder.mkdir(parents=True, exist_ok=True)
                file = folder / f"{person}.{code}{take}.{number}{suffix}"
                Image.new("L", (6, 6), 30 * k + p).save(file)
    return root


def people_of(split: Split) -> set[str]:
    assert split.subjects is not None
    return set(map(str, split.subjects))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make(tmp_path_factory.mktemp("jaffe") / "jaffe")
    (root / "README_FIRST.txt").write_text("ratings")
    (root / ".DS_Store").write_bytes(b"x")
    return root.parent


def check_pixels(bundle: DatasetBundle) -> None:
    """Compares label and person of each image with its grey."""
    for split in bundle.splits.values():
        greys = split.read(np.arange(len(split)))[:, 0, 0, 0]
        emotions = [list(CODES.values())[grey // 30] for grey in greys]
        assert emotions == [bundle.classes[label] for label in split.labels]
        assert split.subjects is not None
        assert split.subjects.tolist() == [PEOPLE[grey % 30] for grey in greys]


def test_ten_folds_by_person(tree: Path) -> None:
    tested = []
    for fold in range(1, 11):
        bundle = load_dataset("jaffe", tree, folds=10, fold=fold)
        assert bundle.classes == CLASSES
        check_pixels(bundle)
        people = {name: people_of(split) for name, split in bundle.splits.items()}
        assert people["test"] == {PEOPLE[fold - 1]}
        assert people["val"] == {PEOPLE[fold % 10]}
        assert people["train"] == set(PEOPLE) - people["test"] - people["val"]
        assert sum(len(split) for split in bundle.splits.values()) == 213
        tested += list(bundle.splits["test"].ids)
    assert len(set(tested)) == 213


def test_the_default_is_the_first_of_ten_folds(tree: Path) -> None:
    bundle = load(tree)
    assert {name: len(split) for name, split in bundle.splits.items()} == {
        "train": 168,
        "val": 22,
        "test": 23,
    }
    assert bundle.sources["test"] == "fold 1 of 10, 11 % of all"
    # All counts are the published ones, so the only note is on the splits.
    assert len(bundle.notes) == 1
    assert "JAFFE has no official splits: 10 folds by person" in bundle.notes[0]


@pytest.mark.parametrize("suffix", [".jpg", ".tiff.bmp", ".PNG"])
def test_copies_in_folders_by_emotion(suffix: str, tmp_path: Path) -> None:
    make(tmp_path, suffix, folders=True)
    bundle = load(tmp_path, folds=2, fold=2)
    assert sum(len(split) for split in bundle.splits.values()) == 213
    assert "30 % of all" not in bundle.sources["test"]


def test_all_are_judged(tree: Path) -> None:
    bundle = load_dataset("jaffe", tree, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 213}
    check_pixels(bundle)


def test_counts_that_differ_are_noted(tmp_path: Path) -> None:
    for k in range(1, 4):
        for person in PEOPLE:
            Image.new("L", (4, 4)).save(tmp_path / f"{person}.AN{k}.{k}.tiff")
    notes = " ".join(load(tmp_path).notes)
    assert "all: 30 images, 213 published (disgust -29" in notes


def test_people_can_be_fewer_than_folds(tmp_path: Path) -> None:
    for person in PEOPLE[:3]:
        Image.new("L", (4, 4)).save(tmp_path / f"{person}.AN1.1.tiff")
    with pytest.raises(UserError, match="folds=10: expected 2 to 3, the number of people"):
        load(tmp_path)
    assert len(load(tmp_path, folds=3).splits["test"]) == 1
    assert len(load(tmp_path, val_fraction=0).splits["test"]) == 3


def test_bad_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no JAFFE found, it is empty.*KA\.AN1\.39\.tiff"):
        load(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "holiday.png")
    with pytest.raises(UserError, match=r"no JAFFE found, it holds holiday\.png"):
        load(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "KA.AN1.39.tiff")
    with pytest.raises(UserError, match=r"holiday\.png: expected a name such as KA\.AN1\.39"):
        load(tmp_path)
    (tmp_path / "holiday.png").rename(tmp_path / "KA.AN1.39.png")
    with pytest.raises(UserError, match=r"is the same picture, KA\.AN1; keep one"):
        load(tmp_path)
    (tmp_path / "fear").mkdir()
    (tmp_path / "KA.AN1.39.png").rename(tmp_path / "fear" / "KA.AN2.40.png")
    with pytest.raises(UserError, match="its name says anger, its folder fear"):
        load(tmp_path)


def test_a_broken_file_stops_or_is_skipped(tree: Path, tmp_path: Path) -> None:
    make(tmp_path)
    file = tmp_path / "KA.AN1.1.tiff"
    file.write_bytes(b"")
    with pytest.raises(UserError, match=r"KA\.AN1\.1\.tiff: the file is empty"):
        load(tmp_path)
    bundle = load_dataset("jaffe", tmp_path, on_bad_image="skip")
    assert sum(len(split) for split in bundle.splits.values()) == 212


@pytest.mark.parametrize("protocol", ["shared_subjects", "merged", "swapped"])
def test_protocols_change_the_folds_that_ferjax_cuts(protocol: str, tree: Path) -> None:
    """There are no splits on disk that a protocol could change."""
    honest = load(tree)
    bundle = load_dataset("jaffe", tree, protocol=protocol)
    check_pixels(bundle)
    assert sum(len(split) for split in bundle.splits.values()) == 213
    people = [people_of(split) for split in bundle.splits.values()]
    by_person = protocol == "swapped"
    assert (sum(map(len, people)) == len(PEOPLE)) == by_person
    assert any("nobody is in two splits" in note for note in bundle.notes) == by_person
    if by_person:
        assert bundle.splits["val"].ids == honest.splits["test"].ids
