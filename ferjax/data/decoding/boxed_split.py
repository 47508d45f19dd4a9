"""The split whose images are faces cut out of larger pictures, by boxes that a data set lists."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import image_header, read_unresized, resize_image
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.splits.split import Split
from ferjax.errors import UserError, printable

_OR_SKIP = ", or give --on_bad_image=skip to leave such images out"


def boxed_id(name: str, box: Sequence[int]) -> str:
    """Returns the id of a face in a picture: the picture's name and its box as a media fragment.

    A box is left, top, right, bottom; `a.jpg#xywh=10,20,30,40` is the face of 30 by 40 pixels at
    (10, 20). So two faces of a picture differ, and the same face with another box is another image
    to every cache.

    References:
      W3C, "Media Fragments URI 1.0", 2012, section 4.2.2.
    """
    left, top, right, bottom = (int(value) for value in box)
    return f"{name}#xywh={left},{top},{right - left},{bottom - top}"


def boxed_split(
    name: str,
    paths: Sequence[Path],
    boxes: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    storage_size: int,
    *,
    on_bad_image: str = "error",
) -> Split:
    """Returns the split whose images are boxes of the files `paths`, resized to one square.

    Each header is opened once. The part of a box that is outside of its picture is cut off. A
    picture with several faces in a batch is decoded once.

    Args:
      name: the split's name.
      paths: N image files; a file may occur several times.
      boxes: int [N, 4]: left, top, right, bottom in pixels of the upright picture.
      labels: int [N], indexes into the class list.
      ids: N names that identify the images to a user, as from `boxed_id`.
      storage_size: side of the square that the faces are resized to.
      on_bad_image: `error`, or `skip` to ignore broken headers and boxes that are outside of their
        pictures; `bad_images.skip_unreadable` then leaves the images out.

    Raises:
      UserError: a file is missing or not an image, or a box has no pixel in common with its
        picture; `read` of the split raises it for broken pixels.
    """
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    header_of: dict[Path, tuple[int, int, int]] = {}
    for path, box in zip(paths, boxes, strict=True):
        try:
            if path not in header_of:
                header_of[path] = image_header(path)
            _clipped(path, box, header_of[path][:2])
        except UserError as error:
            if on_bad_image == "error":
                raise UserError(f"{error}{_OR_SKIP}") from error
    if len(paths) and not header_of:
        image_header(paths[0])  # no file can be read: raises the error of the first
    channels = max((header[2] for header in header_of.values()), default=1)
    size = (storage_size, storage_size)

    def read(indices: np.ndarray) -> np.ndarray:
        faces = np.empty((len(indices), *size, channels), np.uint8)
        rows_of: dict[Path, list[int]] = {}
        for row, index in enumerate(map(int, indices)):
            rows_of.setdefault(paths[index], []).append(row)

        def cut_faces(path: Path) -> None:
            picture = read_unresized(path)
            for row in rows_of[path]:
                left, top, right, bottom = _clipped(path, boxes[indices[row]], picture.shape[:2])
                # Grey pictures among coloured ones are repeated over the channels.
                faces[row] = resize_image(picture[top:bottom, left:right], size)

        try:
            with ThreadPoolExecutor(usable_cores()) as executor:
                list(executor.map(cut_faces, rows_of))
        except UserError as error:
            if on_bad_image == "error":
                raise UserError(f"{error}{_OR_SKIP}") from error
            raise
        return faces

    return Split(
        name,
        np.asarray(labels, np.int32),
        tuple(map(printable, ids)),
        (*size, channels),
        read,
        originals=lambda rows: [paths[i] for i in rows],
    )


def _clipped(
    path: Path, box: Sequence[int] | np.ndarray, size: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Returns the part of a box within a picture of `size` (H, W); `UserError` if there is none."""
    left, top, right, bottom = (int(value) for value in box)
    clipped = max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        raise UserError(
            f"{printable(str(path))}: the box of a face, {left} to {right} by {top} to {bottom}, is"
            f" outside of the picture of {size[1]} by {size[0]} pixels; get list and pictures of"
            " one release"
        )
    return clipped
