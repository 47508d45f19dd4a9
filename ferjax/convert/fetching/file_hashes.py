"""Check of a file against its published hash (SHA-256, MD5)."""

from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.checksums import file_digest


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
