"""File hashes (SHA-256, MD5): digest of a file, and check against a published hash."""

import hashlib
from pathlib import Path

from ferjax.errors import UserError


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a file's bytes; `algorithm` is `sha256` or `md5`."""
    with open(path, "rb") as file:
        # md5 only detects wrong or damaged files here; it is not used for security.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def check_hash(path: Path, expected: str, origin: str) -> None:
    """Compares a file with a published hash.

    Args:
      path: the file.
      expected: `sha256:` or `md5:` and leading hexadecimal digits, in practice at least eight.
      origin: the origin of the file, for the error message.

    Raises:
      UserError: the hashes differ. The file is removed.
    """
    algorithm, _, digits = expected.partition(":")
    digest = file_digest(path, algorithm)
    if not digest.startswith(digits.lower()):
        size = path.stat().st_size
        path.unlink()
        raise UserError(
            f"{origin}: the file of {size:,} bytes has {algorithm} {digest}, expected"
            f" {digits}. The file was removed; try again. If it fails again, a proxy or the"
            " publisher has changed the file."
        )
