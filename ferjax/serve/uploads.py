"""Bodies of requests, read into memory up to a limit; nothing is written to the disk."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ferjax.data.decoding.image_file import open_image
from ferjax.data.decoding.readable_formats import readable_formats
from ferjax.errors import UserError, printable
from ferjax.serve.limits import Limits, Refused

# Formats of pictures that are read. Some of Pillow's other formats start programs or read files.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
_MULTIPART = "multipart/form-data"
# Characters of a file name that are kept.
_LONGEST_NAME = 255
# File names in the message of one refusal.
_MOST_NAMES = 3
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_BUSY_RETRY_SECONDS = 2


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes:
      name: the sender's name of the file, printable, without folders; `picture` if it has none.
      data: the bytes of the file.
    """

    name: str
    data: bytes


class MemoryForBodies:
    """Counts the bytes of all bodies that are in memory, up to a limit."""

    def __init__(self, most: int) -> None:
        """Begins without bodies; `most` is the limit in bytes."""
        self._left = most

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Yields a function that counts the bytes of one body as they arrive.

        The bytes count until the block ends. Only bytes that arrive count, not those that a sender
        states. The function raises `Refused` (503) if all bodies together would be too large.
        """
        held = 0

        def count(size: int) -> None:
            nonlocal held
            if size > self._left:
                raise Refused(
                    503, "too many large requests at once; try again", _BUSY_RETRY_SECONDS
                )
            self._left -= size
            held += size

        try:
            yield count
        finally:
            self._left += held


@asynccontextmanager
async def uploaded(
    request: Any, limits: Limits, memory: MemoryForBodies, kinds: tuple[str, ...]
) -> AsyncIterator[list[Upload]]:
    """Yields the files of a request: those of a form, or the body as one file.

    Args:
      request: Starlette's request.
      limits: limits of its size, number of files and time.
      memory: counts the bytes of all requests together.
      kinds: prefixes of the allowed content types of a body that is not a form, such as `image/`.

    Raises:
      Refused: another content type (415), no file (400), too many bytes or files (413), a form that
        cannot be read (400), a body that takes too long (408), or too little memory (503).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _MULTIPART and not kind.startswith(kinds):
        expected = ", ".join(f"{each}*" if each.endswith("/") else each for each in kinds)
        raise Refused(
            415, f"content type {printable(kind) or 'none'}; expected {_MULTIPART} or {expected}"
        )
    length = request.headers.get("content-length")
    if length and length.isdecimal() and int(length) > limits.upload_bytes:
        raise _too_large(limits)
    with memory.body() as count:
        parts = _limited(request, limits, count)
        try:
            async with asyncio.timeout(limits.seconds):
                if kind == _MULTIPART:
                    files = await _form_files(request, parts, limits)
                else:
                    data = b"".join([part async for part in parts])
                    files = [Upload(_name_of(request.query_params.get("name")), data)]
        except TimeoutError:
            raise Refused(408, f"the body took more than {limits.seconds:.0f} s") from None
        if not files:
            raise Refused(400, "no file in the form; send one as a field with a file name")
        if not any(file.data for file in files):
            names = ", ".join(file.name for file in files[:_MOST_NAMES])
            more = f" and {len(files) - _MOST_NAMES} more" if len(files) > _MOST_NAMES else ""
            raise Refused(400, f"{names}{more}: empty (0 bytes); send the file again")
        yield files


async def _limited(
    request: Any, limits: Limits, count: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    """Yields the body in parts as they arrive, and counts their bytes."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.upload_bytes:
            raise _too_large(limits)
        count(len(part))
        yield part


async def _form_files(
    request: Any, parts: AsyncGenerator[bytes, None], limits: Limits
) -> list[Upload]:
    from starlette.formparsers import MultiPartException, MultiPartParser

    class InMemory(MultiPartParser):
        """Keeps files of any size in memory: the body as a whole is limited."""

        spool_max_size = sys.maxsize

    parser = InMemory(request.headers, parts, max_files=limits.pictures, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        status = 413 if error.message.startswith("Too many files") else 400
        raise Refused(status, f"{error.message} The limit is {limits.pictures} files.") from None
    try:
        return [
            Upload(_name_of(value.filename), await value.read())
            for _, value in form.multi_items()
            if not isinstance(value, str)
        ]
    finally:
        await form.close()


def _name_of(name: str | None) -> str:
    r"""Returns the last part of a file name; browsers of Windows may send `C:\faces\a.png`."""
    return (
        printable((name or "").replace("\\", "/").rpartition("/")[2])[:_LONGEST_NAME] or "picture"
    )


def _too_large(limits: Limits) -> Refused:
    megabytes = limits.upload_bytes / 1e6
    return Refused(413, f"the request is larger than {megabytes:g} MB, the limit of this server")


def _allowed_formats() -> tuple[str, ...]:
    return tuple(name for name in readable_formats() if name in _FORMATS)


def open_picture(file: Upload, limits: Limits) -> Image.Image:
    """Returns a picture after a check of its header; its pixels are not decoded yet.

    Raises:
      Refused: too many pixels (413), or not a picture of an allowed format (422).
    """
    try:
        image = open_image(file.data, file.name, _allowed_formats())
    except UserError as error:
        if isinstance(error.__cause__, _BOMBS):
            raise _too_many_pixels(file, limits) from None
        raise Refused(422, str(error)) from None
    if image.width * image.height > limits.pixels:
        raise _too_many_pixels(file, limits)
    return image


def _too_many_pixels(file: Upload, limits: Limits) -> Refused:
    return Refused(
        413, f"{file.name}: more than {limits.pixels:,} pixels, the limit of this server"
    )
