"""ONNX files: tensors and graph as written, damaged files, and files that hide something."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.readers.protobuf_wire import Wire
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

Write = Callable[..., bytes]

ARRAYS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "half": np.linspace(-1, 1, 5, dtype=np.float16),
    "double": np.linspace(-1, 1, 5),
    "shape": np.array([1, -1]),
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
}
CONVOLUTION = ("Conv", "conv", ["image", "kernel"], ["map"], {"pads": (1, 1, 1, 1), "group": 1})
DENSE = ("Gemm", "fc", ["map", "half"], ["probabilities"], {"alpha": 0.5, "mode": "any"})


def error_message(content: bytes, folder: Path) -> str:
    path = folder / "network.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        open_source(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def field(number: int, content: bytes) -> bytes:
    """Returns a short field of bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def test_tensors_and_graph_come_back(onnx_bytes: Write, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"  # the suffix is ignored
    path.write_bytes(onnx_bytes(ARRAYS, [CONVOLUTION, DENSE], side=48))
    source = open_source(path)
    assert source.container == "onnx"
    assert source.leaves == {k: Leaf(a.shape, a.dtype.name) for k, a in ARRAYS.items()}
    for key, array in ARRAYS.items():
        read = source.read(key)
        assert read.dtype == (np.float32 if array.dtype.kind == "f" else array.dtype)
        np.testing.assert_array_equal(read, array.astype(read.dtype))
    graph = source.metadata["onnx"]
    assert graph.producer == "a test"
    assert graph.inputs == {"image": (0, 48, 48, 3)}
    assert graph.outputs == ("probabilities",)
    assert [(n.operation, n.name, [*n.inputs], [*n.outputs]) for n in graph.nodes] == [
        CONVOLUTION[:4],
        DENSE[:4],
    ]
    assert [node.attributes for node in graph.nodes] == [CONVOLUTION[4], DENSE[4]]


def test_every_truncation_is_an_error(onnx_bytes: Write, tmp_path: Path) -> None:
    whole = onnx_bytes(ARRAYS, [CONVOLUTION])
    for length in range(4, len(whole)):
        assert "damaged or truncated ONNX" in error_message(whole[:length], tmp_path)


def test_damaged_bytes_end_in_one_error_or_in_other_weights(
    onnx_bytes: Write, tmp_path: Path
) -> None:
    whole, path = onnx_bytes(ARRAYS, [CONVOLUTION, DENSE]), tmp_path / "network.onnx"
    rng, refused = np.random.default_rng(0), 0
    start = time.monotonic()
    for _ in range(400):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            source = open_source(path)
            for key, leaf in source.leaves.items():
                assert source.read(key).shape == leaf.shape
        except UserError:
            refused += 1
    assert refused > 100
    assert time.monotonic() - start < 20


def test_sizes_are_checked_before_anything_is_allocated(onnx_bytes: Write, tmp_path: Path) -> None:
    huge = field(1, b"\xff\xff\xff\xff\x0f" * 3) + b"\x10\x01" + field(8, b"w")
    message = error_message(onnx_bytes({"w": huge + field(9, bytes(8))}), tmp_path)
    assert "'w' of 79,228,162,458,924,105,385,300,197,375 float32 numbers" in message
    negative = field(1, b"\xff" * 9 + b"\x01") + b"\x10\x01" + field(8, b"w")
    assert "has the shape (-1,)" in error_message(onnx_bytes({"w": negative}), tmp_path)
    deep = field(1, b"\x01" * 9) + b"\x10\x01" + field(8, b"w") + field(9, bytes(4))
    assert "has the shape (1, 1, 1" in error_message(onnx_bytes({"w": deep}), tmp_path)
    beyond = onnx_bytes({}) + b"\x3a\xff\xff\xff\xff\xff\x0f"
    assert "549,755,813,887 bytes are announced, 0 follow" in error_message(beyond, tmp_path)


def test_a_flood_of_fields_ends() -> None:
    content = b"\x08\x07" * 1000
    wire = Wire(memoryview(content), iter(range(999)))
    with pytest.raises(ValueError, match="more fields than any network"):
        list(wire.fields((0, len(content))))


def test_weights_in_another_file_are_refused(onnx_bytes: Write, tmp_path: Path) -> None:
    place = field(13, field(1, b"location") + field(2, b"/etc/hostname"))
    tensor = b"\x08\x02\x10\x01" + field(8, b"w") + place + b"\x70\x01"
    message = error_message(onnx_bytes({"w": tensor}), tmp_path)
    assert "'w' lies in another file, expected one file" in message
    assert "onnx.save(onnx.load(file), new_file)" in message


def test_two_tensors_or_graphs_of_one_name_are_refused(onnx_bytes: Write, tmp_path: Path) -> None:
    tensor = b"\x10\x01" + field(8, b"w") + field(9, bytes(4))
    twice = onnx_bytes({"a": tensor, "b": tensor})
    assert "two tensors are named 'w'" in error_message(twice, tmp_path)
    assert "holds 2 graphs" in error_message(onnx_bytes({}) * 2, tmp_path)


def test_numbers_in_another_form_are_named_when_they_are_read(
    onnx_bytes: Write, tmp_path: Path
) -> None:
    # float16 in the field for integers; float32 in that for floats, which holds the same bytes.
    half = b"\x08\x02\x10\x0a" + field(8, b"half") + field(5, b"\x80\x78\x00")
    single = b"\x08\x02\x10\x01" + field(8, b"single") + field(4, np.float32([1, 2]).tobytes())
    path = tmp_path / "network.onnx"
    path.write_bytes(onnx_bytes({"half": half, "single": single}))
    source = open_source(path)
    np.testing.assert_array_equal(source.read("single"), np.float32([1, 2]))
    with pytest.raises(UserError, match="float16 numbers of 'half' are not stored as bytes"):
        source.read("half")
