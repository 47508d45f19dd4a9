"""Weights files of every format: arrays, truncated files, other formats, missing packages."""

import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

ARRAYS = {
    "conv1.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "half": np.linspace(-1, 1, 5, dtype=np.float16),
    "double": np.linspace(-1, 1, 5),
    "count": np.array(3),
}
FORMATS = ("torch zip", "torch legacy", "safetensors", "keras 3 h5", "keras legacy h5")


def write(path: Path, container: str, arrays: Any = None) -> Path:
    """Writes the arrays, or for torch any object, in one of the formats."""
    arrays = ARRAYS if arrays is None else arrays
    if container == "safetensors":
        save_file(dict(arrays), path)
    elif container.startswith("torch"):
        torch = pytest.importorskip("torch")
        if arrays is ARRAYS:
            arrays = {key: torch.from_numpy(array) for key, array in arrays.items()}
        torch.save(arrays, path, _use_new_zipfile_serialization=container == "torch zip")
    else:
        write_keras(path, container, arrays)
    return path


def write_keras(path: Path, container: str, arrays: dict[str, np.ndarray]) -> None:
    """Writes each array as the only weight of a layer with the array's name."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        if container == "keras legacy h5":
            file.attrs["layer_names"] = [key.encode() for key in arrays]
        for i, (key, array) in enumerate(arrays.items()):
            if container == "keras 3 h5":
                group = file.create_group(f"layers/conv2d_{i}/vars")
                group.attrs["name"] = key
                group["0"] = array
            else:
                group = file.create_group(key)
                group.attrs["weight_names"] = [f"{key}/kernel:0".encode()]
                group[f"{key}/kernel:0"] = array


def error_message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_source(path)
    message = str(caught.value)
    assert path.name in message
    return message


@pytest.mark.parametrize("container", FORMATS)
def test_arrays_come_back_as_float32(container: str, tmp_path: Path) -> None:
    # The suffix is ignored.
    source = open_source(write(tmp_path / "weights.safetensors", container))
    assert source.container == container
    end = "/0" if container.startswith("keras") else ""
    assert source.leaves == {
        key + end: Leaf(array.shape, array.dtype.name) for key, array in ARRAYS.items()
    }
    for _ in range(2):  # an array can be read a second time
        for key, array in ARRAYS.items():
            read = source.read(key + end)
            assert read.dtype == (np.float32 if array.dtype.kind == "f" else array.dtype)
            np.testing.assert_array_equal(read, array.astype(read.dtype))
    assert source.notes == ("float16 → float32", "float64 → float32")
    assert not source.metadata


@pytest.mark.parametrize("container", FORMATS)
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.95])
def test_truncated_files_are_an_error(container: str, fraction: float, tmp_path: Path) -> None:
    arrays = {"w": np.zeros((64, 64), np.float32)}
    if container.startswith("torch"):
        torch = pytest.importorskip("torch")
        arrays = {"w": torch.zeros(64, 64)}
    path = write(tmp_path / "weights", container, arrays)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    assert "truncated" in error_message(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b"<html><body>404", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"some words", "no known format"),
        (pickle.dumps({"w": 1}), "a plain pickle, which is never opened"),
    ],
)
def test_errors_name_other_formats(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert expected in error_message(path)


def test_other_archives_folders_and_missing_files_are_errors(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros(3))
    assert "an npz of numpy" in error_message(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert "one numpy array" in error_message(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "a zip archive" in error_message(tmp_path / "a.zip")
    assert "is a folder" in error_message(tmp_path)
    assert "no such file" in error_message(tmp_path / "lost.pth")


def test_config_json_next_to_the_file_is_metadata(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors", "safetensors")
    config = {"architecture": "tf_efficientnet_b0"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert open_source(path).metadata == {"config": config}
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(
        UserError, match=r"config\.json: not valid JSON .* describes the weights beside it"
    ):
        open_source(path)


@pytest.mark.parametrize(("container", "package"), [("torch zip", "torch"), (FORMATS[3], "h5py")])
def test_errors_name_missing_packages(
    container: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a", container)
    monkeypatch.setitem(sys.modules, package, None)
    message = error_message(path)
    assert f"needs {package}, which is not installed. Run: pip install 'ferjax[convert]'" in message


def test_a_safetensors_header_that_no_network_has_is_refused(tmp_path: Path) -> None:
    header = b"{}".ljust(5 << 20)
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(UserError, match=r"a header of 5,242,880 bytes.*at most 4,194,304"):
        open_source(path)


@pytest.mark.parametrize("container", FORMATS)
def test_numbers_that_are_too_large_for_float32_become_infinite(
    container: str, tmp_path: Path
) -> None:
    """The conversion refuses them; no reader prints a warning of numpy."""
    array: Any = np.array([1.0, 1e300])
    if container.startswith("torch"):
        array = pytest.importorskip("torch").from_numpy(array)
    source = open_source(write(tmp_path / "a", container, {"w": array}))
    (key,) = source.leaves
    np.testing.assert_array_equal(source.read(key), np.float32([1, np.inf]))
