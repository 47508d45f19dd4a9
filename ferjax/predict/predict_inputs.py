"""Predictions of any number of inputs: read ahead, faces cut out, named in batches, in order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import decode_image, read_unresized, resize_image
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.reading.pixel_csv import read_pixels
from ferjax.errors import UserError
from ferjax.faces.crop_face import Crop, CropPlan, crop_faces
from ferjax.predict.archives import open_archive
from ferjax.predict.inputs import UNREADABLE, Input
from ferjax.predict.predictor import Predictor
from ferjax.predict.rows import NO_FACE, READ, Row, rows_of_probabilities

# `auto` takes a picture for a face if no side is longer, and searches larger ones.
LARGEST_FACE_PICTURE = 256
# Images are decoded ahead of the network, so many and of so many bytes of files at most: a JPEG
# file takes ten to twenty times as much memory.
_MOST_AHEAD, _MOST_BYTES_AHEAD = 256, 16 * 1024 * 1024
# Files of this size are decoded faster by several threads.
_THREADED_BYTES = 20_000

# What is read in order: a file, the bytes of a member, the pixels of a row; or why it cannot be.
_Payload = Path | bytes | np.ndarray | UserError | None
_Image = np.ndarray | UserError | None


@dataclass(frozen=True)
class PredictSettings:
    """What is done with each input.

    Attributes:
      plan: how faces are found and cut out; None: every picture is a face.
      search_all: whether faces are searched in pictures of up to `LARGEST_FACE_PICTURE` too.
      set_threshold: from `Predictor.set_threshold`, or None: no prediction sets.
      chunk: inputs that are predicted together. As many are predicted again after a kill, at most.
      on_image: called with every picture that was read, and its rows; the pictures of a chunk are
        kept in memory for it. None: nothing is.
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
    pool = ThreadPoolExecutor(_threads(rest))
    try:
        images = _decoded_ahead(pool, rest)
        for start in range(0, len(rest), settings.chunk):
            yield _chunk(predictors, rest[start : start + settings.chunk], images, settings)
    finally:
        # After Ctrl-C nothing more is decoded.
        pool.shutdown(cancel_futures=True)


def read_inputs(inputs: Sequence[Input]) -> Iterator[np.ndarray | UserError | None]:
    """Yields the picture uint8 [H, W, C] of each input, why it cannot be read, or None: skipped."""
    return map(_decoded, inputs, _payloads(inputs))


def _chunk(
    predictors: Sequence[Predictor],
    inputs: Sequence[Input],
    images: Iterator[_Image],
    settings: PredictSettings,
) -> list[Row]:
    """Returns the rows of a chunk, whose images are the next ones."""
    rows: list[Row] = []
    # For each predictor the faces in the size that it wants, so that no photograph is kept.
    faces: list[list[np.ndarray]] = [[] for _ in predictors]
    pictures: list[tuple[np.ndarray, slice]] = []
    for each, image in zip(inputs, images, strict=False):
        first = len(rows)
        for row, face in _rows_and_faces(each, image, settings):
            rows.append(row)
            if face is not None:
                for predictor, own in zip(predictors, faces, strict=True):
                    # A copy: a part of a photograph would keep all of it in memory.
                    own.append(np.array(resize_image(face, predictor.spec.storage)))
        if settings.on_image and isinstance(image, np.ndarray):
            pictures.append((image, slice(first, len(rows))))
    named = [row for row in rows if row.status == READ]
    pairs = zip(predictors, faces, strict=True)
    values = np.mean([predictor.probabilities(own) for predictor, own in pairs], axis=0)
    found = iter(rows_of_probabilities(named, values, settings.set_threshold))
    rows = [next(found) if row.status == READ else row for row in rows]
    if settings.on_image:
        for picture, its_rows in pictures:
            settings.on_image(picture, rows[its_rows])
    return rows


def _rows_and_faces(
    each: Input, image: _Image, settings: PredictSettings
) -> list[tuple[Row, np.ndarray | None]]:
    """Returns the rows of an input without probabilities, each with the face that it is about."""
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


def _payloads(inputs: Sequence[Input]) -> Iterator[_Payload]:
    """Yields what is to be decoded of each input; archives and csv files are read in order."""
    for path, group in groupby(inputs, key=lambda each: each.path):
        some = list(group)
        if some[0].member is not None:
            yield from _members(path, some)
        elif some[0].row is not None:
            yield from _csv_rows(path, some)
        else:
            yield from (None if each.status else path for each in some)


def _csv_rows(path: Path, inputs: Sequence[Input]) -> Iterator[np.ndarray | UserError]:
    """Yields the pixels of rows of a csv, which is read again where a row comes before the last."""
    rows, position = read_pixels(path), -1
    for each in inputs:
        wanted = each.row or 0
        if wanted <= position:
            rows, position = read_pixels(path), -1
        lost = UserError(f"{each.name}: the file has lost this row since it was listed.")
        yield next(islice(rows, wanted - position - 1, None), lost)
        position = wanted


def _members(path: Path, inputs: Sequence[Input]) -> Iterator[bytes | UserError | None]:
    try:
        with open_archive(path) as read:
            yield from (_member(read, each) for each in inputs)
    except UserError as error:
        # It has changed since it was listed.
        yield from (error for _ in inputs)


def _member(read: Callable[[str], bytes], each: Input) -> bytes | UserError | None:
    try:
        return None if each.status else read(str(each.member))
    except UserError as error:
        return error


def _decoded(each: Input, payload: _Payload) -> _Image:
    try:
        if isinstance(payload, bytes):
            return decode_image(payload, each.name)
        return read_unresized(payload) if isinstance(payload, Path) else payload
    except UserError as error:
        return error


def _threads(inputs: Sequence[Input]) -> int:
    """Returns the number of threads that decode fastest, by the size of the first inputs."""
    sizes = [_bytes_of(each.path) for each in inputs[:16] if not each.status]
    if inputs and inputs[0].member is not None:
        sizes = [sizes[0] // len(inputs)] if sizes else []
    return usable_cores() if sizes and max(sizes) >= _THREADED_BYTES else 1


def _bytes_of(payload: _Payload) -> int:
    """Returns the size of what is decoded, in bytes of its file."""
    if isinstance(payload, Path):
        with suppress(OSError):
            return payload.stat().st_size
    return len(payload) if isinstance(payload, bytes) else 0


def _decoded_ahead(pool: ThreadPoolExecutor, inputs: Sequence[Input]) -> Iterator[_Image]:
    """Yields the image of each input in order, while the pool decodes the next ones."""
    waiting: deque[tuple[Future[_Image], int]] = deque()
    total = 0
    for each, payload in zip(inputs, _payloads(inputs), strict=True):
        size = _bytes_of(payload)
        while waiting and (len(waiting) >= _MOST_AHEAD or total + size > _MOST_BYTES_AHEAD):
            future, done = waiting.popleft()
            total -= done
            yield future.result()
        waiting.append((pool.submit(_decoded, each, payload), size))
        total += size
    while waiting:
        yield waiting.popleft()[0].result()
