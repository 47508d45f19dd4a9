"""Small data sets of drawn faces for `--smoke`, in the layouts of the real ones."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import DiskError
from ferjax.runtime.atomic_files import temporary_beside

_SIDE = 48
_FER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
# Folder of each emotion in CK+48 and in SFEW, and number of each folder of RAF-DB.
_CK48 = {"anger": "anger", "contempt": "contempt", "disgust": "disgust", "fear": "fear"}
_CK48 |= {"happiness": "happy", "sadness": "sadness", "surprise": "surprise"}
_SFEW = {"anger": "Angry", "disgust": "Disgust", "fear": "Fear", "happiness": "Happy"}
_SFEW |= {"neutral": "Neutral", "sadness": "Sad", "surprise": "Surprise"}
_RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
# The columns of FER+.
_VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def smoke_data(dataset: str, folder: Path) -> Path:
    """Returns a folder with a small drawn copy of a data set; draws it if it does not exist.

    Args:
      dataset: `ckplus`, `fer2013`, `ferplus`, `rafdb` or `sfew`.
      folder: the folder of all drawn data sets.

    Raises:
      DiskError: it cannot be written.
    """
    place = folder / dataset
    if not place.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with temporary_beside(place) as unfinished:
                unfinished.mkdir()
                _WRITERS[dataset](unfinished)
                # It fails if another command has drawn the folder in the meantime.
                os.rename(unfinished, place)
        except OSError as error:
            if not place.is_dir():
                raise disk_error(place, error) from error
    return place


def disk_error(place: Path, error: OSError) -> DiskError:
    """Returns the error for drawn data that cannot be written."""
    return DiskError(
        f"{place}: the drawn faces cannot be written: {error.strerror or error}. Make room there,"
        " or give another --out; the same command goes on."
    )


def _faces(
    emotions: Sequence[str], per_emotion: int, first_identity: int = 0
) -> Iterator[tuple[str, int, Image.Image]]:
    """Yields emotion, number and RGB picture of `per_emotion` drawn faces of every emotion."""
    names = [name for name in emotions for _ in range(per_emotion)]
    labels = np.array([EMOTIONS.index(name) for name in names])
    identities = first_identity + np.arange(len(names))
    pictures = render_faces(labels, identities, _SIDE)
    for k, (name, pixels) in enumerate(zip(names, pictures, strict=True)):
        yield name, k % per_emotion, Image.fromarray(pixels)


def _write_fer2013(root: Path) -> None:
    lines = ["emotion,pixels,Usage"]
    for usage, per_emotion, first in (
        ("Training", 9, 0),
        ("PublicTest", 3, 500),
        ("PrivateTest", 3, 800),
    ):
        for name, _, picture in _faces(_FER, per_emotion, first):
            pixels = " ".join(map(str, np.asarray(picture.convert("L")).ravel()))
            lines.append(f"{_FER.index(name)},{pixels},{usage}")
    (root / "fer2013.csv").write_text("\n".join([*lines, ""]), "utf-8")


def _write_ferplus(root: Path) -> None:
    number = 0
    for part, per_emotion, first in (("Train", 9, 0), ("Valid", 3, 500), ("Test", 3, 800)):
        folder, lines = root / f"FER2013{part}", []
        folder.mkdir()
        for name, _, picture in _faces(_FER, per_emotion, first):
            # Every fifth face has no majority.
            main_votes = 5 if number % 5 == 0 else 8
            other = "sadness" if name == "neutral" else "neutral"
            votes = {name: main_votes, other: 10 - main_votes}
            counts = ",".join(str(votes.get(column, 0)) for column in _VOTES)
            lines.append(f'fer{number:07d}.png,"(0, 0, 48, 48)",{counts},0,0')
            picture.convert("L").save(folder / f"fer{number:07d}.png")
            number += 1
        (folder / "label.csv").write_text("\n".join([*lines, ""]), "utf-8")


def _write_ckplus(root: Path) -> None:
    # Three frames of a sequence for each person, as in the release.
    for name, number, picture in _faces(tuple(_CK48), 12):
        folder = root / "CK+48" / _CK48[name]
        folder.mkdir(parents=True, exist_ok=True)
        # Twelve people: as many as ten folds need, and more than one sequence of each.
        sequence = 1 + list(_CK48).index(name)
        person = 10 + (4 * sequence + number // 3) % 12
        stem = f"S{person:03d}_{sequence:03d}_{15 + number % 3:08d}"
        picture.convert("L").save(folder / f"{stem}.png")


def _write_rafdb(root: Path) -> None:
    for split, per_emotion, first in (("train", 9, 0), ("test", 3, 500)):
        for k, (name, _, picture) in enumerate(_faces(_RAFDB, per_emotion, first), start=1):
            folder = root / "DATASET" / split / str(_RAFDB.index(name) + 1)
            folder.mkdir(parents=True, exist_ok=True)
            digits = 5 if split == "train" else 4
            picture.save(folder / f"{split}_{k:0{digits}d}_aligned.jpg", quality=95)


def _write_sfew(root: Path) -> None:
    for name, number, picture in _faces(tuple(_SFEW), 10):
        folder = root / _SFEW[name]
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"Film_{number:04d}.png")


_WRITERS: dict[str, Callable[[Path], None]] = {
    "ckplus": _write_ckplus,
    "fer2013": _write_fer2013,
    "ferplus": _write_ferplus,
    "rafdb": _write_rafdb,
    "sfew": _write_sfew,
}
