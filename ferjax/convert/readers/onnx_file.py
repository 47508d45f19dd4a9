"""Reads weights of ONNX files without the package onnx; each array is mapped when it is read.

A key is the name of a stored tensor, which the exporter chose. `ferjax.convert.onnx_names` replaces
the keys by the names in the library that the network comes from.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.onnx_graph import ExternalDataError, read_graph
from ferjax.convert.readers.protobuf_wire import WireError
from ferjax.convert.readers.source_file import Source, as_float32
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError


def looks_like_onnx(head: bytes) -> bool:
    """Returns whether a file's first bytes are those of an ONNX network.

    The format has no magic number. A file begins with its version (field 1, a small number). Then
    the name of its exporter (fields 2 to 6), its graph (7) or the version of its operations (8)
    follows.
    """
    if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] < 0x40:
        return False
    return head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def open_onnx(path: Path) -> Source:
    """Opens an ONNX file; `metadata["onnx"]` is its graph.

    Raises:
      UserError: the file is damaged or truncated, or its weights lie in another file.
    """
    try:
        # Any: Python 3.11 has no type for objects with a buffer, which memoryview needs.
        mapped: Any = np.memmap(path, np.uint8, "r")
        graph = read_graph(memoryview(mapped))
    except ExternalDataError as error:
        raise UserError(
            f"{path}: the tensor {str(error)!r} lies in another file, expected one file with all"
            " weights. Write one: onnx.save(onnx.load(file), new_file), or torch.onnx.export with"
            " external_data=False."
        ) from None
    except WireError as error:
        raise UserError(
            f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated ONNX file ({error})."
            " Download or copy it again."
        ) from None
    leaves = {name: Leaf(tensor.shape, tensor.dtype) for name, tensor in graph.tensors.items()}

    def read(name: str) -> np.ndarray:
        tensor = graph.tensors[name]
        if tensor.span is None:
            raise UserError(
                f"{path}: the {tensor.dtype} numbers of {name!r} are not stored as bytes, which is"
                " not read. Write them so: onnx.numpy_helper.from_array makes such tensors."
            )
        # numpy has no bfloat16, which is the upper half of a float32.
        is_bfloat16 = tensor.dtype == "bfloat16"
        dtype = np.dtype("uint16" if is_bfloat16 else tensor.dtype).newbyteorder("<")
        if 0 in tensor.shape:
            return np.zeros(tensor.shape, dtype)
        array = np.asarray(np.memmap(path, dtype, "c", tensor.span[0], tensor.shape or (1,)))
        array = array.reshape(tensor.shape)
        if is_bfloat16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return as_float32(array) if "float" in tensor.dtype else array

    return Source(path, "onnx", leaves, read, (), {"onnx": graph})
