"""Peers' packages as pip and npm fetch them: which files are looked for, found and read."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.package_archives import read_package

DOCS = "docs/results/recognisers.md"


@dataclass(frozen=True)
class Package:
    """A package of another project that holds a recogniser.

    Attributes:
      name: what reports call it.
      release: the release that the results page tells of, as pip or npm name it.
      archive: pattern of the archive's file name.
      files: beginning of the paths, inside the package, of the files that are read.
      sha256: of those files of that release, one after the other by name.
    """

    name: str
    release: str
    archive: str
    files: str
    sha256: str


@dataclass(frozen=True)
class PackageFiles:
    """The files of a package that was found.

    Attributes:
      where: the archive or folder that they were read from.
      content: file name, without folders → bytes.
      sha256: of all of them, one after the other by name.
    """

    where: Path
    content: dict[str, bytes]

    @property
    def sha256(self) -> str:
        """Returns the hash of all files, one after the other by name."""
        return hashlib.sha256(
            b"".join(map(self.content.__getitem__, sorted(self.content)))
        ).hexdigest()

    def __getitem__(self, name: str) -> bytes:
        """Returns a file's bytes; raises `UserError` if the package lacks it."""
        if name not in self.content:
            raise UserError(f"{self.where} lacks {name}; found {', '.join(self.content)}.")
        return self.content[name]


def find_package(folder: Path, package: Package) -> PackageFiles | None:
    """Returns a package's files from its archive, or unpacked, below a folder; None without any.

    Of several archives, or several unpacked copies, the first by path is taken.

    Raises:
      UserError: a damaged archive, or one that lacks the files.
    """
    for archive in sorted(folder.rglob(package.archive)):
        return PackageFiles(archive, _read_archive(archive, package))
    found = [path for path in sorted(folder.rglob(f"{package.files}*")) if path.is_file()]
    if not found:
        return None
    copy = found[0].parent
    return PackageFiles(
        copy, {path.name: path.read_bytes() for path in found if path.parent == copy}
    )


def _read_archive(archive: Path, package: Package) -> dict[str, bytes]:
    wanted = re.compile(rf"(^|.*/){re.escape(package.files)}[^/]*$")
    advice = f"fetch {package.release} again, see {DOCS}"
    content = {Path(name).name: data for name, data in read_package(archive, wanted.match, advice)}
    if not content:
        raise UserError(
            f"{archive} holds no file {package.files}*; expected {package.release}, see {DOCS}."
        )
    return content
