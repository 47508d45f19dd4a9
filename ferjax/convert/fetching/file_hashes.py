"""Digests of files, and whether a file is the one its publisher meant."""

import hashlib
from pathlib import Path

from ferjax.errors import UserError


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a file's bytes; `algorithm` is `sha256` or `md5`."""
    with open(path, "rb") as file:
        # Here md5 tells files apart; nobody's safety rests on it.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def check_hash(path: Path, expected: str, origin: str) -> None:
    """Compares a file with the digest its publisher states.

    Args:
      path: the file.
      expected: `sha256:` or `md5:` and leading hexadecimal digits, eight at least in practice.
      origin: where the file came from, for the error.

    Raises:
      UserError: the digests differ. The file is removed: it can be trusted for nothing.
    """
    algorithm, _, digits = expected.partition(":")
    found = file_digest(path, algorithm)
    if not found.startswith(digits.lower()):
        size = path.stat().st_size
        path.unlink()
        raise UserError(
            f"{origin}: the {size:,} bytes that came have {algorithm} {found}, expected"
            f" {digits}. The file was removed; try again, and if it fails again a proxy or the"
            " publisher has changed it."
        )
