"""Predicts any number of inputs in order: reads ahead, cuts faces out, computes in batches."""

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
    """How inputs are predicted.

    Attributes:
      plan: how faces are found and cut out; None: every picture is a face.
      search_all: whether faces are searched in pictures of up to `LARGEST_FACE_PICTURE` too.
      set_threshold: from `Predictor.set_threshold`, or None: no prediction sets.
      chunk: number of inputs that are predicted together. After a kill at most two chunks are
        predicted again, because the next chunk is read while the network computes one.
      on_image: function that is called with every picture that was read, and its rows. For it the
        pictures of two chunks are kept in memory. None: no function is called.
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
      settings: how they are predicted.
      chunks_done: number of chunks at the beginning that are left out.

    Raises:
      UserError: an archive or csv that can no longer be read, or probabilities that are not finite.
    """
    remaining = inputs[chunks_done * settings.chunk :]
    finish = None
    with closing(read_inputs_ahead(remaining)) as images:
        for start in range(0, len(remaining), settings.chunk):
            chunk_inputs = remaining[start : start + settings.chunk]
            try:
                finish_next = _begin_chunk(predictors, chunk_inputs, images, settings)
            except UserError:
                if finish:
                    yield finish()  # rows that were predicted before are kept
                raise
            if finish:
                yield finish()
            finish = finish_next
        if finish:
            yield finish()


def _begin_chunk(
    predictors: Sequence[Predictor],
    inputs: Sequence[Input],
    images: Iterator[Picture],
    settings: PredictSettings,
) -> Callable[[], list[Row]]:
    """Starts the networks on a chunk; returns a function that waits for them and returns the rows.

    The images of the chunk are the next ones that `images` yields.
    """
    rows: list[Row] = []
    # For each predictor the faces at its storage size, so that no photograph stays in memory.
    faces: list[list[np.ndarray]] = [[] for _ in predictors]
    pictures: list[tuple[np.ndarray, slice]] = []
    for one_input, image in zip(inputs, images, strict=False):
        first_row = len(rows)
        for row, face in rows_and_faces(one_input, image, settings):
            rows.append(row)
            if face is not None:
                for predictor, own_faces in zip(predictors, faces, strict=True):
                    # A copy: a part of a photograph would keep all of it in memory.
                    own_faces.append(np.array(resize_image(face, predictor.spec.storage)))
        if settings.on_image and isinstance(image, np.ndarray):
            pictures.append((image, slice(first_row, len(rows))))
    pairs = zip(predictors, faces, strict=True)
    results = [predictor.dispatch(own_faces) for predictor, own_faces in pairs]

    def finish() -> list[Row]:
        read_rows = [row for row in rows if row.status == READ]
        probabilities = np.mean([result() for result in results], axis=0)
        predicted_rows = iter(
            rows_of_probabilities(read_rows, probabilities, settings.set_threshold)
        )
        complete = [next(predicted_rows) if row.status == READ else row for row in rows]
        if settings.on_image:
            for picture, picture_rows in pictures:
                settings.on_image(picture, complete[picture_rows])
        return complete

    return finish


def rows_and_faces(
    one_input: Input, image: Picture, settings: PredictSettings
) -> list[tuple[Row, np.ndarray | None]]:
    """Returns the rows of an input, without probabilities, each with the face that it is about.

    Args:
      one_input: the input.
      image: its picture, from `read_inputs`.
      settings: whether and how faces are searched in it.
    """
    if isinstance(image, UserError):
        return [(Row(one_input.name, UNREADABLE, reason=str(image)), None)]
    if image is None:
        return [(Row(one_input.name, one_input.status or UNREADABLE), None)]
    searched = settings.search_all or max(image.shape[:2]) > LARGEST_FACE_PICTURE
    if settings.plan is None or not searched:
        return [(Row(one_input.name, READ), image)]
    crops = crop_faces(image, settings.plan)
    if not crops:
        return [(Row(one_input.name, NO_FACE), None)]
    return [
        (_row_of_face(one_input.name, number, crop), crop.image)
        for number, crop in enumerate(crops)
    ]


def _row_of_face(name: str, number: int, crop: Crop) -> Row:
    row, face = Row(name, READ, face=number), crop.face
    if face is None:
        return row
    points = () if face.landmarks is None else np.round(face.landmarks.astype(float), 1).ravel()
    score = None if face.score is None else round(face.score, 4)
    return replace(row, box=tuple(face.box), score=score, landmarks=tuple(map(float, points)))
