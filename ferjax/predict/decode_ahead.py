"""Reads the pictures of inputs from files, archives and csv rows, in order and decoded ahead."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby, islice
from math import prod
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import (
    decode_image,
    image_header,
    open_image,
    read_unresized,
)
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.reading.pixel_csv import read_pixels
from ferjax.errors import UserError
from ferjax.predict.archives import open_archive
from ferjax.predict.inputs import Input

# At most so many images, and so many bytes of decoded pixels, are decoded ahead of the network.
_MOST_AHEAD, _MOST_BYTES_AHEAD = 256, 256 * 1024 * 1024
# A thread decodes a group of small images at a time, up to one of these limits: handing over a
# single image takes as long as decoding it.
_IMAGES_OF_A_TASK, _BYTES_OF_A_TASK = 16, 4 * 1024 * 1024
# The pixels of a small file take about so many times as many bytes as the file. For larger ones the
# header is read: the pixels of a scan of white paper take a thousand times as many.
_SMALL_BYTES, _BYTES_OF_PIXELS = 8 * 1024, 16
# Files of this size or larger are photographs, not faces. The sizes of about so many files are read
# to find out.
_LARGE_BYTES, _SAMPLED_FILES = 20_000, 64

# What is decoded for an input: a file, the bytes of an archive member, the pixels of a csv row; or
# the error that says why it cannot be read; None: the input is skipped.
_Payload = Path | bytes | np.ndarray | UserError | None
# The picture uint8 [H, W, C] of an input; or the error that says why it cannot be read; None: the
# input is skipped.
Picture = np.ndarray | UserError | None


def read_inputs(inputs: Sequence[Input]) -> Iterator[Picture]:
    """Yields the picture uint8 [H, W, C] of each input, its error, or None if it is skipped."""
    return map(_decoded, inputs, _payloads(inputs))


def read_inputs_ahead(inputs: Sequence[Input]) -> Generator[Picture]:
    """Yields the same as `read_inputs`, while threads decode the next pictures."""
    # Several threads decode large files faster, and small ones slower.
    pool = ThreadPoolExecutor(usable_cores() if are_large(inputs) else 1)
    try:
        waiting: deque[tuple[Future[list[Picture]], int, int]] = deque()
        images_ahead = bytes_ahead = 0
        for task, size in _tasks(inputs):
            while waiting and (
                images_ahead + len(task) > _MOST_AHEAD or bytes_ahead + size > _MOST_BYTES_AHEAD
            ):
                future, image_count, byte_count = waiting.popleft()
                images_ahead, bytes_ahead = images_ahead - image_count, bytes_ahead - byte_count
                yield from future.result()
            waiting.append((pool.submit(_decoded_task, task), len(task), size))
            images_ahead, bytes_ahead = images_ahead + len(task), bytes_ahead + size
        while waiting:
            yield from waiting.popleft()[0].result()
    finally:
        # After Ctrl-C no more images are decoded.
        pool.shutdown(cancel_futures=True)


def _tasks(inputs: Sequence[Input]) -> Iterator[tuple[list[tuple[Input, _Payload]], int]]:
    """Yields groups of inputs that one thread decodes together, and the bytes of their pixels."""
    task: list[tuple[Input, _Payload]] = []
    total = 0
    for each, payload in zip(inputs, _payloads(inputs), strict=True):
        task.append((each, payload))
        total += _bytes_of_pixels(payload)
        if len(task) == _IMAGES_OF_A_TASK or total >= _BYTES_OF_A_TASK:
            yield task, total
            task, total = [], 0
    if task:
        yield task, total


def _decoded_task(task: Sequence[tuple[Input, _Payload]]) -> list[Picture]:
    """Returns the picture, or the error, of each input of a group."""
    return [_decoded(each, payload) for each, payload in task]


def _payloads(inputs: Sequence[Input]) -> Iterator[_Payload]:
    """Yields the undecoded content of each input; reads archives and csv files in order."""
    for path, group in groupby(inputs, key=lambda each: each.path):
        file_inputs = list(group)
        if file_inputs[0].member is not None:
            yield from _members(path, file_inputs)
        elif file_inputs[0].row is not None:
            yield from _csv_rows(path, file_inputs)
        else:
            yield from (None if each.status else path for each in file_inputs)


def _csv_rows(path: Path, inputs: Sequence[Input]) -> Iterator[np.ndarray | UserError]:
    """Yields the pixels of csv rows; for a row before the previous one the file is read again."""
    rows, position = read_pixels(path), -1
    for each in inputs:
        row = each.row or 0
        if row <= position:
            rows, position = read_pixels(path), -1
        missing_row = UserError(f"{each.name}: the file has lost this row since it was listed.")
        yield next(islice(rows, row - position - 1, None), missing_row)
        position = row


def _members(path: Path, inputs: Sequence[Input]) -> Iterator[bytes | UserError | None]:
    """Yields the bytes of each member of an archive, its error, or None if it is skipped."""
    try:
        with open_archive(path) as read:
            yield from (_member(read, each) for each in inputs)
    except UserError as error:
        # The archive has changed since it was listed.
        yield from (error for _ in inputs)


def _member(read: Callable[[str], bytes], each: Input) -> bytes | UserError | None:
    try:
        return None if each.status else read(str(each.member))
    except UserError as error:
        return error


def _decoded(each: Input, payload: _Payload) -> Picture:
    try:
        if isinstance(payload, bytes):
            return decode_image(payload, each.name)
        return read_unresized(payload) if isinstance(payload, Path) else payload
    except UserError as error:
        return error


def are_large(inputs: Sequence[Input]) -> bool:
    """Returns whether the inputs contain photographs, judged by the sizes of some of the files."""
    sampled = [each for each in inputs[:: max(1, len(inputs) // _SAMPLED_FILES)] if not each.status]
    members = Counter(each.path for each in inputs if each.member is not None)
    sizes = (_bytes_of(each.path) // members.get(each.path, 1) for each in sampled)
    return any(size >= _LARGE_BYTES for size in sizes)


def _bytes_of_pixels(payload: _Payload) -> int:
    """Returns the bytes that a decoded picture takes; for a small file an estimate."""
    if isinstance(payload, np.ndarray):
        return payload.nbytes
    if (size := _bytes_of(payload)) < _SMALL_BYTES:
        return _BYTES_OF_PIXELS * size
    with suppress(UserError):
        if isinstance(payload, Path):
            return prod(image_header(payload))
        if isinstance(payload, bytes):
            with open_image(payload, "member") as image:
                return 3 * image.width * image.height
    return 0


def _bytes_of(payload: _Payload) -> int:
    """Returns the bytes of a file or of an archive member; 0 for anything else."""
    if isinstance(payload, Path):
        with suppress(OSError):
            return payload.stat().st_size
    return len(payload) if isinstance(payload, bytes) else 0
