"""The faces of the suite `speedrun`: FER2013's Training and PublicTest, decoded in memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferjax.bench.measuring.fixed_recipe import NATIVE_SIDE
from ferjax.data.registry import load_dataset
from ferjax.data.splits.stratified_cut import stratified_cut, stratified_sample
from ferjax.errors import UserError

TRAIN, TEST = "Training", "PublicTest"
_FIELDS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class SpeedFaces:
    """Faces to train on and to score.

    Attributes:
      train_images: uint8 [N, 48, 48, 1].
      train_labels: int32 [N].
      test_images: uint8 [M, 48, 48, 1].
      test_labels: int32 [M].
      classes: number of classes.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int


def load_faces(data_dir: str | Path | None) -> SpeedFaces:
    """Returns FER2013's Training and PublicTest.

    Args:
      data_dir: folder or csv file of fer2013; None for its default folder.

    Raises:
      UserError: no data, faces of another size, or a copy that does not tell which faces are
        PublicTest.
    """
    bundle = load_dataset("fer2013", data_dir, image_size=NATIVE_SIDE)
    where = f"--data_dir={data_dir}" if data_dir else "fer2013"
    sources = {source: name for name, source in bundle.sources.items()}
    if TRAIN not in sources or TEST not in sources:
        raise UserError(
            f"{where}: found the splits {', '.join(bundle.sources.values())}; {TRAIN} and {TEST}"
            " are expected. Get fer2013.csv, whose column Usage names them (Kaggle: competition"
            " challenges-in-representation-learning-facial-expression-recognition-challenge)."
        )
    train, test = (bundle.splits[sources[name]] for name in (TRAIN, TEST))
    if train.shape != (NATIVE_SIDE, NATIVE_SIDE, 1):
        raise UserError(f"{where}: faces of {train.shape}; grey ones of 48x48 are expected.")
    return SpeedFaces(
        train.read(np.arange(len(train))),
        train.labels.astype(np.int32),
        test.read(np.arange(len(test))),
        test.labels.astype(np.int32),
        len(bundle.classes),
    )


def held_out(faces: SpeedFaces) -> SpeedFaces:
    """Returns nine tenths of Training to train on and the other tenth to score, for tuning."""
    kept, rest = stratified_cut(faces.train_labels, 0.1, 0)
    return SpeedFaces(
        faces.train_images[kept],
        faces.train_labels[kept],
        faces.train_images[rest],
        faces.train_labels[rest],
        faces.classes,
    )


def fewer_faces(faces: SpeedFaces, count: int) -> SpeedFaces:
    """Returns at most `count` faces of each split, with the same shares of the classes."""
    train = stratified_sample(faces.train_labels, count, 0)
    test = stratified_sample(faces.test_labels, count, 0)
    return replace(
        faces,
        train_images=faces.train_images[train],
        train_labels=faces.train_labels[train],
        test_images=faces.test_images[test],
        test_labels=faces.test_labels[test],
    )


def save_faces(faces: SpeedFaces, path: Path) -> None:
    """Writes the faces to an .npz file, which `read_saved_faces` reads."""
    np.savez(path, classes=faces.classes, **{name: getattr(faces, name) for name in _FIELDS})


def read_saved_faces(path: Path) -> SpeedFaces:
    """Returns the faces of a file of `save_faces`."""
    with np.load(path) as stored:
        return SpeedFaces(*(stored[name] for name in _FIELDS), classes=int(stored["classes"]))
