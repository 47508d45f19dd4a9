"""KDEF with its people, sessions, emotions and angles, in folders of the release and copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.kdef import load
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

CODES = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
EMOTIONS = ("fear", "anger", "disgust", "happiness", "neutral", "sadness", "surprise")
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
ANGLES = ("S", "HL", "HR", "FL", "FR")
PEOPLE = [f"{gender}{k:02d}" for gender in "FM" for k in range(1, 36)]
MISNAMED = {"AF31SAHL": "AF31V", "AM31SUHR": "AM31H"}


def photograph(path: Path, value: int) -> None:
    """Writes a photograph 6 wide and 8 high, white above and below its centre square."""
    pixels = np.full((8, 6), 255, np.uint8)
    pixels[1:7] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")


def make(root: Path, people: list[str], angles: tuple[str, ...] = ANGLES) -> Path:
    """Writes the photographs; the grey of each is 30 times its emotion's place."""
    for session in "AB":
        for person in people:
            for k, code in enumerate(CODES):
                for angle in angles:
                    stem = f"{session}{person}{code}{angle}"
                    name = f"{MISNAMED.get(stem, stem)}.JPG"
                    photograph(root / f"{session}{person}" / name, 30 * k)
    return root


def people_of(split: Split) -> set[str]:
    assert split.subjects is not None
    return set(map(str, split.subjects))


@pytest.fixture(scope="module")
def frontal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kdef") / "KDEF_and_AKDEF"
    make(root / "KDEF", PEOPLE, ("S",))
    photograph(root / "AKDEF" / "FAFFL.JPG", 0)
    (root / "Readme.txt").write_text("x")
    return root.parent


def test_folds_by_person_hold_both_sessions(frontal: Path) -> None:
    tested: set[str] = set()
    for fold in (1, 10):
        bundle = load_dataset("kdef", frontal, image_size=8, folds=10, fold=fold)
        assert bundle.classes == CLASSES
        people = {name: people_of(s) for name, s in bundle.splits.items()}
        assert people["test"] == set(PEOPLE[fold - 1 :: 10])
        assert people["val"] == set(PEOPLE[fold % 10 :: 10])
        assert {name: len(s) for name, s in bundle.splits.items()} == {
            "train": 784,
            "val": 98,
            "test": 98,
        }
        for split in bundle.splits.values():
            greys = split.read(np.arange(len(split)))
            # The centre square alone is read: no white border.
            assert split.shape == (8, 8, 1)
            assert (greys == greys[:, :1, :1]).all()
            emotions = [EMOTIONS[grey // 30] for grey in greys[:, 0, 0, 0]]
            assert emotions == [CLASSES[label] for label in split.labels]
            sessions = {name.rpartition("/")[2][0] for name in split.ids}
            assert sessions == {"A", "B"}
        tested |= people["test"]
    assert len(tested) == 14


def test_frontal_counts_are_the_published_ones(frontal: Path) -> None:
    bundle = load(frontal)
    assert bundle.layout == "files named as AF01ANS.JPG; angles: straight"
    assert len(bundle.notes) == 1
    assert "KDEF has no official splits" in bundle.notes[0]


def test_angles(tmp_path: Path) -> None:
    make(tmp_path, ["F31", "M31", "F01", "M02"])
    found = {}
    for angles in ("frontal", "half", "all"):
        bundle = load_dataset("kdef", tmp_path, folds=4, angles=angles)
        found[angles] = sum(len(split) for split in bundle.splits.values())
        ids = {name for split in bundle.splits.values() for name in split.ids}
        # The two files with names of their own are half profiles.
        assert ("AF31/AF31V.JPG" in ids) == (angles != "frontal")
        labels = {
            name: bundle.classes[label]
            for split in bundle.splits.values()
            for name, label in zip(split.ids, split.labels, strict=True)
        }
        if angles == "all":
            assert labels["AF31/AF31V.JPG"] == "sadness"
            assert labels["AM31/AM31H.JPG"] == "surprise"
    assert found == {"frontal": 56, "half": 168, "all": 280}
    assert (
        "--angles=frontal: 224 images of other angles are left out" in load(tmp_path, folds=2).notes
    )
    with pytest.raises(UserError, match="unknown --angles 'side'"):
        load(tmp_path, angles="side")


def test_all_are_judged(tmp_path: Path) -> None:
    make(tmp_path, ["F01"], ("S",))
    bundle = load_dataset("kdef", tmp_path, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 14}
    assert "straight: 14 images, 980 published" in " ".join(bundle.notes)


def test_bad_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no KDEF found.*AF01ANS\.JPG"):
        load(tmp_path)
    photograph(tmp_path / "AF01" / "AF01ANFL.JPG", 0)
    with pytest.raises(
        UserError, match=r"none of its 1 images is of --angles=frontal \(straight\)"
    ):
        load(tmp_path)
    photograph(tmp_path / "AF01" / "AF01XXS.JPG", 0)
    with pytest.raises(UserError, match=r"AF01XXS\.JPG: expected a name such as AF01ANS\.JPG"):
        load(tmp_path)
    (tmp_path / "AF01" / "AF01XXS.JPG").rename(tmp_path / "AF01" / "AF01ANFL.png")
    with pytest.raises(UserError, match="is the same picture, AF01ANFL; keep one"):
        load(tmp_path, angles="all")
    (tmp_path / "happy").mkdir()
    (tmp_path / "AF01" / "AF01ANFL.png").rename(tmp_path / "happy" / "AF02ANS.png")
    with pytest.raises(UserError, match="its name says anger, its folder happiness"):
        load(tmp_path)


def test_a_broken_photograph_stops_or_is_skipped(tmp_path: Path) -> None:
    make(tmp_path, ["F01", "F02", "M02"], ("S",))
    (tmp_path / "AF01" / "AF01ANS.JPG").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"AF01ANS\.JPG: cannot be read as an image"):
        load(tmp_path, folds=3)
    bundle = load_dataset("kdef", tmp_path, folds=3, on_bad_image="skip")
    assert sum(len(split) for split in bundle.splits.values()) == 41
