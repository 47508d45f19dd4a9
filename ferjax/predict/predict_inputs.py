"""Predictions of any number of inputs: read ahead, faces cut out, named in batches, in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from ferjax.data.decoding.image_file import resize_image
from ferjax.errors import UserError
from ferjax.faces.crop_face import Crop, CropPlan, crop_faces
from ferjax.predict.decode_ahead import Picture, read_inputs_ahead
from ferjax.predict.inputs import UNREADABLE, Input
from ferjax.predict.predictor import Predictor
from ferjax.predict.rows import NO_FACE, READ, Row, rows_of_probabilities

# `auto` takes a picture for a face if no side is longer, and searches larger ones.
LARGEST_FACE_PICTURE = 256


@dataclass(frozen=True)
class PredictSettings:
    """What is done with each input.

    Attributes:
      plan: how faces are found and cut out; None: every picture is a face.
      search_all: whether faces are searched in pictures of up to `LARGEST_FACE_PICTURE` too.
      set_threshold: from `Predictor.set_threshold`, or None: no prediction sets.
      chunk: inputs that are predicted together. Twice as many are predicted again after a kill, at
        most: while the network computes a chunk, the next one is read.
      on_image: called with every picture that was read, and its rows; the pictures of two chunks
        are kept in memory for it. None: nothing is.
    """

    plan: CropPlan | None = None
    search_all: bool = False
    set_threshold: float | None = None
    chunk: int = 256
    on_image: Callable[[np.ndarray, Sequence[Row]], None] | None = None


def predict_inputs(
    predictors: Sequence[Predictor],
    inputs: Sequence[Input],
    settings: PredictSettings,
    chunks_done: int = 0,
) -> Iterator[list[Row]]:
    """Yields the rows of each chunk of inputs: at least one row for each input, in order.

    Args:
      predictors: one, or several with the same classes, whose probabilities are averaged.
      inputs: from `list_inputs`.
      settings: see there.
      chunks_done: chunks at the beginning that are left out.

    Raises:
      UserError: an archive or csv that can no longer be read, or probabilities that are not finite.
    """
    rest = inputs[chunks_done * settings.chunk :]
    finish = None
    with closing(read_inputs_ahead(rest)) as images:
        for start in range(0, len(rest), settings.chunk):
            part = rest[start : start + settings.chunk]
            try:
                begun = _begin_chunk(predictors, part, images, settings)
            except UserError:
                if finish:
                    yield finish()  # what was predicted before is kept
                raise
            if finish:
                yield finish()
            finish = begun
        if finish:
            yield finish()


def _begin_chunk(
    predictors: Sequence[Predictor],
    inputs: Sequence[Input],
    images: Iterator[Picture],
    settings: PredictSettings,
) -> Callable[[], list[Row]]:
    """Starts the networks on a chunk, whose images are the next ones; returns what waits for them.

    That function returns the rows.
    """
    rows: list[Row] = []
    # For each predictor the faces in the size that it wants, so that no photograph is kept.
    faces: list[list[np.ndarray]] = [[] for _ in predictors]
    pictures: list[tuple[np.ndarray, slice]] = []
    for each, image in zip(inputs, images, strict=False):
        first = len(rows)
        for row, face in rows_and_faces(each, image, settings):
            rows.append(row)
            if face is not None:
                for predictor, own in zip(predictors, faces, strict=True):
                    # A copy: a part of a photograph would keep all of it in memory.
                    own.append(np.array(resize_image(face, predictor.spec.storage)))
        if settings.on_image and isinstance(image, np.ndarray):
            pictures.append((image, slice(first, len(rows))))
    pairs = zip(predictors, faces, strict=True)
    results = [predictor.dispatch(own) for predictor, own in pairs]

    def finish() -> list[Row]:
        named = [row for row in rows if row.status == READ]
        values = np.mean([result() for result in results], axis=0)
        found = iter(rows_of_probabilities(named, values, settings.set_threshold))
        complete = [next(found) if row.status == READ else row for row in rows]
        if settings.on_image:
            for picture, its_rows in pictures:
                settings.on_image(picture, complete[its_rows])
        return complete

    return finish


def rows_and_faces(
    each: Input, image: Picture, settings: PredictSettings
) -> list[tuple[Row, np.ndarray | None]]:
    """Returns the rows of an input without probabilities, each with the face that it is about.

    Args:
      each: the input.
      image: its picture, from `read_inputs`.
      settings: whether and how faces are searched in it.
    """
    if isinstance(image, UserError):
        return [(Row(each.name, UNREADABLE, reason=str(image)), None)]
    if image is None:
        return [(Row(each.name, each.status or UNREADABLE), None)]
    searched = settings.search_all or max(image.shape[:2]) > LARGEST_FACE_PICTURE
    if settings.plan is None or not searched:
        return [(Row(each.name, READ), image)]
    crops = crop_faces(image, settings.plan)
    if not crops:
        return [(Row(each.name, NO_FACE), None)]
    return [
        (_row_of_face(each.name, number, crop), crop.image) for number, crop in enumerate(crops)
    ]


def _row_of_face(name: str, number: int, crop: Crop) -> Row:
    row, face = Row(name, READ, face=number), crop.face
    if face is None:
        return row
    points = () if face.landmarks is None else np.round(face.landmarks.astype(float), 1).ravel()
    score = None if face.score is None else round(face.score, 4)
    return replace(row, box=tuple(face.box), score=score, landmarks=tuple(map(float, points)))
