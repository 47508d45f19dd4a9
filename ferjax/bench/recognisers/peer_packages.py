"""Packages of peers as pip and npm download them: finds the packages and reads their networks."""

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
      name: the package's name in reports.
      release: the release that the results page describes, as pip or npm name it.
      archive: pattern of the archive's file name.
      files: beginning of the paths of the network's files inside the package.
      sha256: hash of these files in that release, concatenated in the order of their names.
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
      where: the archive or folder from which the files were read.
      content: file name, without folders → bytes.
      sha256: hash of all files, concatenated in the order of their names.
    """

    where: Path
    content: dict[str, bytes]

    @property
    def sha256(self) -> str:
        """Returns the hash of all files, concatenated in the order of their names."""
        return hashlib.sha256(
            b"".join(map(self.content.__getitem__, sorted(self.content)))
        ).hexdigest()

    def __getitem__(self, name: str) -> bytes:
        """Returns a file's bytes; raises `UserError` if the package lacks it."""
        if name not in self.content:
            raise UserError(f"{self.where} lacks {name}; found {', '.join(self.content)}.")
        return self.content[name]


def find_package(folder: Path, package: Package) -> PackageFiles | None:
    """Returns a package's files from an archive or unpacked copy below a folder, or None.

    Of several archives, or several unpacked copies, the first by path is read.

    Raises:
      UserError: a damaged archive, or one that lacks the files.
    """
    for archive in sorted(folder.rglob(package.archive)):
        return PackageFiles(archive, _read_archive(archive, package))
    paths = [path for path in sorted(folder.rglob(f"{package.files}*")) if path.is_file()]
    if not paths:
        return None
    copy = paths[0].parent
    return PackageFiles(
        copy, {path.name: path.read_bytes() for path in paths if path.parent == copy}
    )


def _read_archive(archive: Path, package: Package) -> dict[str, bytes]:
    pattern = re.compile(rf"(^|.*/){re.escape(package.files)}[^/]*$")
    advice = f"fetch {package.release} again, see {DOCS}"
    content = {Path(name).name: data for name, data in read_package(archive, pattern.match, advice)}
    if not content:
        raise UserError(
            f"{archive} holds no file {package.files}*; expected {package.release}, see {DOCS}."
        )
    return content
