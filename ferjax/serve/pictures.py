"""From uploaded pictures to rows of a prediction table, with the steps of `launch.predict`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.decoding.image_file import decode_opened, resize_image
from ferjax.errors import UserError
from ferjax.faces.crop_face import CropPlan
from ferjax.predict.inputs import UNREADABLE, Input
from ferjax.predict.predict_inputs import PredictSettings, rows_and_faces
from ferjax.predict.rows import READ, Row, TableColumns, rows_of_probabilities
from ferjax.predict.table_files import csv_text
from ferjax.serve.limits import Limits, Refused
from ferjax.serve.service import Service, in_thread
from ferjax.serve.uploads import Upload, open_picture

# Limits of a small picture, which is decoded in the event loop: to pass it to a thread would take
# longer.
_SMALL_BYTES, _SMALL_PIXELS = 30_000, 128 * 128
# Faces that a thread decodes before other requests get the thread.
_FACES_PER_TASK = 16


@dataclass(frozen=True)
class FoundFaces:
    """A picture's rows without probabilities, and the faces of these rows.

    Attributes:
      rows: a row for each face, or one row with the reason why there is no face.
      faces: uint8 [H, W, 3] in the network's storage size, one for each row with status `READ`.
      size: width and height of the upright picture; (0, 0) if it cannot be read.
      left_out: number of faces beyond the limit.
      refused: the reason why the picture cannot be read, or None.
    """

    rows: list[Row]
    faces: list[np.ndarray]
    size: tuple[int, int] = (0, 0)
    left_out: int = 0
    refused: Refused | None = None


def search_settings(faces: str, plan: CropPlan | None) -> PredictSettings:
    """Returns the settings for `whole`, `crop` or `auto`, as `--faces` of `launch.predict`."""
    return PredictSettings(None if faces == "whole" else plan, faces == "crop")


def find_faces_in(
    file: Upload,
    settings: PredictSettings,
    limits: Limits,
    storage: tuple[int, int],
    opened: Image.Image | None = None,
) -> FoundFaces:
    """Decodes a picture and finds its faces; if it cannot be read, its row states the reason.

    Args:
      file: the picture.
      settings: whether and how faces are searched.
      limits: limits of pixels and faces.
      storage: height and width of the network's faces.
      opened: the picture if its header has been read already, else None.
    """
    try:
        opened = opened or open_picture(file, limits)
        image = decode_opened(opened, file.name, len(file.data))
    except (Refused, UserError) as error:
        return _refused(file, error if isinstance(error, Refused) else Refused(422, str(error)))
    pairs = rows_and_faces(Input(file.name, Path(file.name)), image, settings)
    kept = pairs[: limits.faces]
    faces = [_network_input(face, storage) for _, face in kept if face is not None]
    height, width = image.shape[:2]
    return FoundFaces([row for row, _ in kept], faces, (width, height), len(pairs) - len(kept))


def _refused(file: Upload, refused: Refused) -> FoundFaces:
    row = Row(file.name, UNREADABLE, reason=refused.message)
    return FoundFaces([row], [], refused=refused)


def _network_input(face: np.ndarray, storage: tuple[int, int]) -> np.ndarray:
    """Returns a face as RGB in the network's size; repeats grey, as the device would do."""
    # The face is copied: a view of a photograph would keep the whole photograph in memory.
    return np.broadcast_to(resize_image(face, storage), (*storage, 3)).copy()


def found_at_once(
    service: Service, files: Sequence[Upload], settings: PredictSettings
) -> list[FoundFaces] | None:
    """Returns the faces of a single small picture, or None if the work would take longer."""
    first, limits = files[0], service.limits
    if len(files) > 1 or len(first.data) > _SMALL_BYTES:
        return None
    try:
        opened = open_picture(first, limits)
    except Refused as refused:
        return [_refused(first, refused)]
    if settings.search_all or opened.width * opened.height > _SMALL_PIXELS:
        return None
    storage = service.recogniser.predictor.spec.storage
    return [find_faces_in(first, settings, limits, storage, opened)]


async def find_faces(
    service: Service, files: Sequence[Upload], settings: PredictSettings
) -> list[FoundFaces]:
    """Returns the faces that `find_faces_in` finds in each picture.

    A request uses one thread at a time, so that many pictures of one request do not delay other
    requests. A single small picture is decoded at once.
    """
    if small := found_at_once(service, files, settings):
        return small
    limits, storage = service.limits, service.recogniser.predictor.spec.storage

    def find(part: Sequence[Upload]) -> list[FoundFaces]:
        return [find_faces_in(file, settings, limits, storage) for file in part]

    # Between two parts the threads are free for other requests.
    step = _FACES_PER_TASK if settings.plan is None else 1
    pictures: list[FoundFaces] = []
    for start in range(0, len(files), step):
        pictures += await in_thread(service.threads, find, files[start : start + step])
    return pictures


async def name_faces(service: Service, pictures: Sequence[FoundFaces]) -> list[list[Row]]:
    """Returns the rows of each picture with their probabilities and prediction sets.

    Raises:
      Refused: too many faces wait (503).
    """
    faces = [face for picture in pictures for face in picture.faces]
    values = await service.batcher.probabilities(faces) if faces else np.zeros((0, 0), np.float32)
    face_rows = [row for picture in pictures for row in picture.rows if row.status == READ]
    named = iter(rows_of_probabilities(face_rows, values, service.recogniser.set_threshold))
    return [
        [next(named) if row.status == READ else row for row in picture.rows] for picture in pictures
    ]


def table_of(service: Service, rows: Sequence[Row], *, faces: bool) -> str:
    """Returns rows as csv, with the columns of `launch.predict`.

    Args:
      service: states the emotions, and whether there are prediction sets.
      rows: rows of all pictures.
      faces: whether the table has columns for boxes and landmarks.
    """
    sets = service.recogniser.set_threshold is not None
    columns = TableColumns(service.recogniser.classes, faces=faces, sets=sets)
    return csv_text(rows, columns, header=True)
