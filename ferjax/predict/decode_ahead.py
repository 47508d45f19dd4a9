"""The pictures of inputs, read from files, archives and csv rows and decoded ahead, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import decode_image, read_unresized
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.reading.pixel_csv import read_pixels
from ferjax.errors import UserError
from ferjax.predict.archives import open_archive
from ferjax.predict.inputs import Input

# Images are decoded ahead of the network, so many and of so many bytes of files at most: a JPEG
# file takes ten to twenty times as much memory.
_MOST_AHEAD, _MOST_BYTES_AHEAD = 256, 16 * 1024 * 1024
# A thread decodes so many small images at a time: to hand over a single one takes as long as to
# decode it.
_IMAGES_OF_A_TASK, _BYTES_OF_A_TASK = 16, 256 * 1024
# Files of this size are photographs and not faces; so many files are looked at to know.
_LARGE_BYTES, _SAMPLED = 20_000, 64

# What is read in order: a file, the bytes of a member, the pixels of a row; or why it cannot be.
_Payload = Path | bytes | np.ndarray | UserError | None
# The picture uint8 [H, W, C] of an input, why it cannot be read, or None: it is skipped.
Picture = np.ndarray | UserError | None


def read_inputs(inputs: Sequence[Input]) -> Iterator[Picture]:
    """Yields the picture uint8 [H, W, C] of each input, why it cannot be read, or None: skipped."""
    return map(_decoded, inputs, _payloads(inputs))


def read_inputs_ahead(inputs: Sequence[Input]) -> Generator[Picture]:
    """Yields what `read_inputs` yields, while threads decode the next ones."""
    # Several threads decode large files faster, and small ones slower.
    pool = ThreadPoolExecutor(usable_cores() if are_large(inputs) else 1)
    try:
        waiting: deque[tuple[Future[list[Picture]], int, int]] = deque()
        images = total = 0
        for task, size in _tasks(inputs):
            while waiting and (
                images + len(task) > _MOST_AHEAD or total + size > _MOST_BYTES_AHEAD
            ):
                future, count, done = waiting.popleft()
                images, total = images - count, total - done
                yield from future.result()
            waiting.append((pool.submit(_decoded_task, task), len(task), size))
            images, total = images + len(task), total + size
        while waiting:
            yield from waiting.popleft()[0].result()
    finally:
        # After Ctrl-C nothing more is decoded.
        pool.shutdown(cancel_futures=True)


def _tasks(inputs: Sequence[Input]) -> Iterator[tuple[list[tuple[Input, _Payload]], int]]:
    """Yields the inputs that one thread decodes together, and the bytes of their files."""
    task: list[tuple[Input, _Payload]] = []
    total = 0
    for each, payload in zip(inputs, _payloads(inputs), strict=True):
        task.append((each, payload))
        total += _bytes_of(payload)
        if len(task) == _IMAGES_OF_A_TASK or total >= _BYTES_OF_A_TASK:
            yield task, total
            task, total = [], 0
    if task:
        yield task, total


def _decoded_task(task: Sequence[tuple[Input, _Payload]]) -> list[Picture]:
    return [_decoded(each, payload) for each, payload in task]


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


def _decoded(each: Input, payload: _Payload) -> Picture:
    try:
        if isinstance(payload, bytes):
            return decode_image(payload, each.name)
        return read_unresized(payload) if isinstance(payload, Path) else payload
    except UserError as error:
        return error


def are_large(inputs: Sequence[Input]) -> bool:
    """Returns whether there are files of photographs among the inputs, by the size of some."""
    some = [each for each in inputs[:: max(1, len(inputs) // _SAMPLED)] if not each.status]
    in_archives = sum(each.member is not None for each in some)
    sizes = (_bytes_of(each.path) // (in_archives if each.member else 1) for each in some)
    return any(size >= _LARGE_BYTES for size in sizes)


def _bytes_of(payload: _Payload) -> int:
    """Returns the size of what is decoded, in bytes of its file."""
    if isinstance(payload, Path):
        with suppress(OSError):
            return payload.stat().st_size
    return len(payload) if isinstance(payload, bytes) else 0
