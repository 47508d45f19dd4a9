"""Reads safetensors weights; each array is memory-mapped only while it is read."""

import struct
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ferjax.config.given_files import parse_json
from ferjax.convert.readers.source_file import Source, as_float32, dtype_notes, without_prefixes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError, one_line

_DTYPES: dict[str, str] = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_DTYPES |= {f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
_DTYPES |= {f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}
_DTYPES |= {"BOOL": "bool"}
# The header takes about 100 bytes for each array, of which the largest networks have thousands.
_MOST_HEADER_BYTES = 4 << 20


def open_safetensors(path: Path) -> Source:
    """Opens a safetensors file.

    Raises:
      UserError: the file is damaged or truncated.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
    if length > _MOST_HEADER_BYTES and length < path.stat().st_size:
        raise UserError(
            f"{path}: a header of {length:,} bytes, which lists more arrays than any network;"
            f" expected at most {_MOST_HEADER_BYTES:,}. Save the network alone."
        )
    try:
        # Checks that header and file size agree; the arrays are mapped below, without a copy.
        with safe_open(str(path), framework="numpy") as file:
            metadata = {"safetensors": file.metadata()} if file.metadata() else {}
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated safetensors file "
            f"({one_line(error)}). Download or copy it again."
        ) from None
    with path.open("rb") as file:
        file.seek(8)
        header = parse_json(file.read(length), path, "Download or copy the file again.")
    header.pop("__metadata__", None)
    names, prefix_notes = without_prefixes(header)
    leaves = {name: _leaf(**header[key]) for name, key in names.items()}

    def read(name: str) -> np.ndarray:
        leaf = leaves[name]
        # numpy has no bfloat16, which is the upper half of a float32.
        is_bfloat16 = leaf.dtype == "bfloat16"
        dtype = np.dtype("uint16" if is_bfloat16 else leaf.dtype).newbyteorder("<")
        if 0 in leaf.shape:
            return np.zeros(leaf.shape, dtype)
        offset = 8 + length + header[names[name]]["data_offsets"][0]
        array = np.asarray(np.memmap(path, dtype, "c", offset, leaf.shape or (1,)))
        array = array.reshape(leaf.shape)
        if is_bfloat16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return as_float32(array) if "float" in leaf.dtype else array

    notes = (*prefix_notes, *dtype_notes(leaves))
    return Source(path, "safetensors", leaves, read, notes, metadata)


def _leaf(dtype: str, shape: list[int], **_: object) -> Leaf:
    return Leaf(tuple(shape), _DTYPES.get(dtype, dtype))
