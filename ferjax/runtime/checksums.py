"""Checksums of the files in a folder, so that a damaged file is found before it is used.

`SHA256SUMS` lists one file a line, as the program sha256sum writes it; in the folder
`sha256sum --check SHA256SUMS` verifies the same.
"""

import hashlib
import re
from pathlib import Path

from ferjax.config.given_files import check_no_special_file

SUMS_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a file's bytes; `algorithm` is `sha256` or `md5`.

    Raises:
      UserError: a pipe or a device, which has no end.
      OSError: it cannot be read.
    """
    check_no_special_file(path)
    with open(path, "rb") as file:
        # md5 only detects wrong or damaged files here; it is not used for security.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def write_checksums(folder: Path, pattern: str = "*") -> Path:
    """Writes `SHA256SUMS` for the files in `folder` that match a glob pattern; returns its path.

    Raises:
      OSError: a file cannot be read, or the list cannot be written.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    lines = [f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS_FILE).write_text("".join(lines), "utf-8")
    return folder / SUMS_FILE


def find_damage(folder: Path, below: str = "") -> str:
    """Returns a phrase that names the first damaged file, or an empty text if there is none.

    Args:
      folder: a folder; without `SHA256SUMS`, as in older versions, nothing can be verified.
      below: only files whose relative path begins with this text are verified.
    """
    try:
        check_no_special_file(folder / SUMS_FILE)
        lines = (folder / SUMS_FILE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return f"{SUMS_FILE} cannot be read"
    if not lines:  # possible after a power failure
        return f"{SUMS_FILE} is empty"
    for line in lines:
        if (entry := _LINE.fullmatch(line)) is None:
            return f"{SUMS_FILE} is damaged"
        digest, name = entry.groups()
        if name.startswith("/") or ".." in name.split("/"):
            return f"{SUMS_FILE} is damaged: it names {name}"
        if name.startswith(below) and (reason := _difference(folder / name, digest)):
            return f"{name} {reason}"
    return ""


def _difference(path: Path, digest: str) -> str:
    """Returns a phrase on the damage of a file, or an empty text if there is none."""
    try:
        actual = file_digest(path)
    except (FileNotFoundError, ValueError):  # ValueError: a name that no file can have
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if actual == digest:
        return ""
    return f"is damaged ({path.stat().st_size:,} bytes that differ from those written)"
