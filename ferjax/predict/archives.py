"""Reads images inside archives member by member; nothing is unpacked to disk."""

import contextlib
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from ferjax.errors import UserError, one_line

_ZIP, _TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# A larger member is no image: it is not read into memory.
_MOST_BYTES = 256 * 1024 * 1024
# An archive of images is unpacked to at most so many bytes, or so many times its own size (the
# larger of both counts), and has at most so many members.
_MOST_UNPACKED, _MOST_RATIO, _MOST_MEMBERS = 1 << 30, 200, 10_000_000
_ERRORS = (OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError)
_ERRORS += (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error)


_Info = TypeVar("_Info")


def is_archive(path: Path) -> bool:
    """Returns whether a file is an archive that can be read, by its suffix."""
    return path.name.lower().endswith((*_ZIP, *_TAR))


def member_names(path: Path) -> list[str]:
    """Returns the names of the files in an archive, in its order, without folders and links.

    Raises:
      UserError: the archive cannot be read.
    """
    try:
        if path.name.lower().endswith(_ZIP):
            with zipfile.ZipFile(path) as archive:
                infos = _bounded(path, archive.infolist(), lambda info: info.file_size)
                return [info.filename for info in infos if not info.is_dir()]
        with tarfile.open(path) as archive:
            infos = _bounded(path, archive, lambda info: info.size)
            return [info.name for info in infos if info.isfile()]
    except _ERRORS as error:
        raise _unreadable(path, error) from None


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Callable[[str], bytes]]:
    """Yields a function from the name of a member to its bytes.

    The members of a compressed tar are best read in their order: for any other member the archive
    is read again from its beginning. Of several members with the same name the last one counts.
    The function raises `UserError` for a member that cannot be read, or is too large.

    Raises:
      UserError: the archive cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            is_zip = path.name.lower().endswith(_ZIP)
            open_file = zipfile.ZipFile if is_zip else tarfile.open
            members = _members(path, stack.enter_context(open_file(path)))
        except _ERRORS as error:
            raise _unreadable(path, error) from None

        def read(name: str) -> bytes:
            try:
                size, file = members[name]()
                if size > _MOST_BYTES:
                    raise UserError(
                        f"{path}/{name}: {size:,} bytes; images have at most {_MOST_BYTES:,}."
                    )
                with file:
                    # The size in the header may be wrong.
                    return file.read(_MOST_BYTES)
            except _ERRORS as error:
                raise UserError(f"{path}/{name}: cannot be read ({one_line(error)}).") from None

        yield read


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: the archive cannot be read ({one_line(error)}). Copy it again.")


def _bounded(
    path: Path, infos: Iterable[_Info], size_of: Callable[[_Info], int]
) -> Iterator[_Info]:
    """Yields the members of an archive; raises `ValueError` if they are too many or too large.

    In a compressed tar a member is unpacked to find the next one, so its stated size is added and
    checked before it is yielded.
    """
    most_bytes = max(_MOST_UNPACKED, _MOST_RATIO * path.stat().st_size)
    total = 0
    for number, info in enumerate(infos):
        total += size_of(info)
        if total > most_bytes or number >= _MOST_MEMBERS:
            raise ValueError(
                f"it states {total:,} bytes in {number + 1:,} files, more than images can be"
                " compressed"
            )
        yield info


def _members(
    path: Path,
    archive: zipfile.ZipFile | tarfile.TarFile,
) -> dict[str, Callable[[], tuple[int, IO[bytes]]]]:
    """Returns name → function that returns the size in a member's header and the opened member."""
    if isinstance(archive, zipfile.ZipFile):
        zip_archive = archive
        return {
            info.filename: lambda info=info: (info.file_size, zip_archive.open(info))
            for info in _bounded(path, zip_archive.infolist(), lambda info: info.file_size)
        }
    tar_archive = archive
    return {
        # `extractfile` returns None for a member without data, such as a folder.
        info.name: lambda info=info: (info.size, tar_archive.extractfile(info) or io.BytesIO())
        for info in _bounded(path, tar_archive, lambda info: info.size)
    }
