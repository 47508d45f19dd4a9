"""Reads the arrays of an untrusted .npz file: no Python objects, a bounded size."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ferjax.config.given_files import check_no_special_file
from ferjax.errors import UserError, one_line

# Predictions of a hundred thousand images in a hundred classes and epochs take less.
_MOST_BYTES = 1 << 30
# Errors of damaged files. A stated shape may be larger than any memory.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, EOFError, RuntimeError, SyntaxError)
_DAMAGED += (MemoryError, OverflowError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, advice: str) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file by name.

    Args:
      path: the file.
      advice: sentences for the error that say what to do.

    Raises:
      UserError: the file is missing, damaged, too large when it is unpacked, or holds Python
        objects.
    """
    check_no_special_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(
                f"{size:,} bytes when it is unpacked, at most {_MOST_BYTES:,} expected"
            )
        # Given the path, numpy would leave a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _DAMAGED as error:
        raise UserError(f"{path} is damaged ({one_line(error)}). {advice}") from None
