"""Faces and labels on which all recognisers are scored, and the score of each recogniser."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ferjax.bench.recognisers.recogniser import SIDE, Recogniser
from ferjax.data.reading.class_folders import LayoutError
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError
from ferjax.report.intervals import wilson_interval
from ferjax.report.scores import scores
from ferjax.training.metrics import evaluation, restrict_classes

# Both hold FER2013's faces: the first with its labels, the second with the majority of ten votes.
DATASETS = ("fer2013", "ferplus")
# Faces of a quick run, drawn without replacement.
QUICK_FACES = 800


@dataclass(frozen=True)
class Faces:
    """Labelled faces.

    Attributes:
      name: data set and split.
      source: the split's name in the data set.
      images: uint8 [N, 48, 48, 1].
      labels: int [N], indices into `classes`.
      classes: canonical emotion names.
    """

    name: str
    source: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Score:
    """How well one recogniser names one set of faces.

    Attributes:
      faces: number of scored faces.
      accuracy: share of the faces that are named correctly.
      interval: 95 % Wilson interval of the accuracy.
      mean_class_accuracy: mean recall of the classes that have faces.
      classes: canonical emotion names, the only possible answers.
      recall: class that has faces → share of its faces that are named correctly.
    """

    faces: int
    accuracy: float
    interval: tuple[float, float]
    mean_class_accuracy: float
    classes: tuple[str, ...]
    recall: dict[str, float]


def load_faces(data_dirs: Sequence[str | None], split: str, quick: bool) -> list[Faces]:
    """Returns the faces of every data set found in the folders, at least one.

    Args:
      data_dirs: folders of fer2013 or ferplus, or fer2013.csv; None for fer2013's default place.
      split: `train`, `val` or `test`.
      quick: only `QUICK_FACES` of each, the same ones every time.

    Raises:
      UserError: a folder with neither data set, or without the split.
    """
    faces = []
    for data_dir in data_dirs:
        folder_faces, errors = [], []
        for name in DATASETS if data_dir else DATASETS[:1]:
            try:
                folder_faces.append(_load(name, data_dir, split, quick))
            except LayoutError as error:
                errors.append(error)
        if not folder_faces:
            raise errors[0]
        faces += folder_faces
    return faces


def _load(name: str, data_dir: str | None, split: str, quick: bool) -> Faces:
    bundle = load_dataset(name, data_dir, image_size=SIDE)
    if split not in bundle.splits:
        raise UserError(f"--split={split}: {name} has only {', '.join(bundle.splits)}.")
    part = bundle.splits[split]
    if part.shape != (SIDE, SIDE, 1):
        raise UserError(
            f"--data_dir={data_dir}: faces of {part.shape}; the recognisers are compared on grey"
            f" ones of {SIDE}x{SIDE}, as fer2013.csv has them."
        )
    rows = np.arange(len(part))
    if quick and len(rows) > QUICK_FACES:
        rows = np.sort(np.random.default_rng(0).choice(rows, QUICK_FACES, replace=False))
    source = bundle.sources[split]
    return Faces(f"{name} {split}", source, part.read(rows), part.labels[rows], bundle.classes)


def shared_classes(faces: Faces, recognisers: Sequence[Recogniser]) -> Faces:
    """Returns only the faces of the classes that every recogniser has.

    Raises:
      UserError: fewer than two classes are shared, or no face shows one of them.
    """
    shared = [name for name in faces.classes if all(name in r.classes for r in recognisers)]
    if len(shared) < 2:
        lists = "; ".join(f"{r.name}: {', '.join(r.classes)}" for r in recognisers)
        raise UserError(f"the recognisers share fewer than two classes of {faces.name}. {lists}.")
    shared_labels = [faces.classes.index(name) for name in shared]
    is_shared = np.isin(faces.labels, shared_labels)
    if not is_shared.any():
        raise UserError(
            f"{faces.name}: none of its {len(faces):,} faces shows {', '.join(shared)}."
        )
    new_labels = np.array([shared.index(c) if c in shared else -1 for c in faces.classes])
    labels = new_labels[faces.labels[is_shared]]
    return replace(faces, images=faces.images[is_shared], labels=labels, classes=tuple(shared))


def score(recogniser: Recogniser, faces: Faces) -> Score:
    """Returns a recogniser's scores over the classes that it shares with the faces."""
    probabilities = np.asarray(recogniser.probabilities(faces.images), np.float64)
    # Logarithms serve as logits: the restriction to some classes renormalises the probabilities.
    logits = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    logits, labels, _, classes = restrict_classes(
        logits, faces.labels, recogniser.classes, faces.classes
    )
    table = scores(evaluation(logits, labels).confusion, classes)
    hits = round(table["accuracy"] * table["count"])
    return Score(
        table["count"],
        table["accuracy"],
        wilson_interval(hits, table["count"]),
        table["mean_class_accuracy"],
        faces.classes,
        {row["class"]: row["recall"] for row in table["per_class"] if row["support"]},
    )
