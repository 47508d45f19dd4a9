"""The split whose images are files, decoded each time they are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import decode_threads, image_header, read_images
from ferjax.data.decoding.process_pool import decode_pool
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.splits.compact_names import Names
from ferjax.data.splits.split import Split
from ferjax.errors import UserError, printable

_OR_SKIP = ", or give --on_bad_image=skip to leave such images out"


def image_split(
    name: str,
    paths: Sequence[Path],
    labels: np.ndarray,
    ids: Sequence[str],
    storage_size: int,
    *,
    on_bad_image: str = "error",
    threads: int | None = None,
    keep_size: bool = True,
) -> Split:
    """Returns the split whose images are the files `paths`, decoded each time they are read.

    This function opens every header once. If all files have the same size, it is kept; else, or
    without `keep_size`, each image is resized to (storage_size, storage_size). The images have 3
    channels, or 1 if all files are grey.

    Args:
      name: the split's name.
      paths: N image files.
      labels: int [N], indexes into the class list.
      ids: N names that identify the images to a user.
      storage_size: the side of the square that images of different sizes are resized to.
      on_bad_image: `error`, or `skip` to ignore broken headers; `bad_images.skip_unreadable` then
        leaves the images out.
      threads: number of threads of one `read`. None: `decode_threads` of the largest image, and
        processes after many files have been read (`decode_pool`).
      keep_size: whether the size that all files have is kept; False for data sets whose files would
        fill the memory at that size.

    Raises:
      UserError: a file is missing or not an image; `read` of the split raises it for broken pixels.
    """
    headers: set[tuple[int, int, int]] = set()
    for number, path in enumerate(paths, start=1):
        try:
            headers.add(image_header(path))
        except UserError as error:
            if on_bad_image == "error":
                raise UserError(f"{error}{_OR_SKIP}") from error
            if number == len(paths) and not headers:
                raise
    sizes = {header[:2] for header in headers}
    size = sizes.pop() if len(sizes) == 1 and keep_size else (storage_size, storage_size)
    channels = max((header[2] for header in headers), default=1)
    largest = max((height * width for height, width, _ in headers), default=0)
    num_threads, cores = threads or decode_threads(largest), usable_cores()

    def read(indices: np.ndarray) -> np.ndarray:
        pool = None if threads else decode_pool(cores)
        try:
            return read_images([paths[i] for i in indices], size, channels, num_threads, pool)
        except UserError as error:
            if on_bad_image == "error":
                raise UserError(f"{error}{_OR_SKIP}") from error
            raise

    names = ids if isinstance(ids, Names) else tuple(map(printable, ids))
    labels, shape = np.asarray(labels, np.int32), (*size, channels)
    return Split(name, labels, names, shape, read, originals=lambda rows: [paths[i] for i in rows])
