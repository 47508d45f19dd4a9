"""Images inside archives, read member by member; nothing is unpacked to disk."""

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
# What an archive of images is unpacked to at most: so many bytes, or so many times its own size.
_MOST_UNPACKED, _MOST_COMPRESSED, _MOST_MEMBERS = 1 << 30, 200, 10_000_000
_ERRORS = (OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError)
_ERRORS += (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error)


_Info = TypeVar("_Info")


def is_archive(path: Path) -> bool:
    """Returns whether a file is an archive that can be read, by its suffix."""
    return path.name.lower().endswith((*_ZIP, *_TAR))


def member_names(path: Path) -> list[str]:
    """Returns the names of the files in an archive, in its order; folders and links are none.

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

    The members of a compressed tar are best read in their order: another one is looked for from the
    beginning. Of several members of one name the last one counts. The function raises `UserError`
    for a member that cannot be read, or is too large.

    Raises:
      UserError: the archive cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            is_zip = path.name.lower().endswith(_ZIP)
            open_it = zipfile.ZipFile if is_zip else tarfile.open
            members = _members(path, stack.enter_context(open_it(path)))
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
    """Yields the members of an archive until they state more bytes than it can hold.

    A member of a compressed tar is unpacked to find the next one: the sum is taken before.
    """
    most = max(_MOST_UNPACKED, _MOST_COMPRESSED * path.stat().st_size)
    total = 0
    for number, info in enumerate(infos):
        total += size_of(info)
        if total > most or number >= _MOST_MEMBERS:
            raise ValueError(
                f"it states {total:,} bytes in {number + 1:,} files, more than images can be"
                " compressed"
            )
        yield info


def _members(
    path: Path,
    archive: zipfile.ZipFile | tarfile.TarFile,
) -> dict[str, Callable[[], tuple[int, IO[bytes]]]]:
    """Returns name → function that gives the size in a member's header, and opens the member."""
    if isinstance(archive, zipfile.ZipFile):
        zipped = archive
        return {
            info.filename: lambda info=info: (info.file_size, zipped.open(info))
            for info in _bounded(path, zipped.infolist(), lambda info: info.file_size)
        }
    taped = archive
    return {
        # A link to nothing has no file.
        info.name: lambda info=info: (info.size, taped.extractfile(info) or io.BytesIO())
        for info in _bounded(path, taped, lambda info: info.size)
    }
