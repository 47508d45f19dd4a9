"""Files of every format, whole, damaged, wrapped and hostile."""

import io
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ferjax.convert.readers import open_source
from ferjax.convert.rules import Leaf
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
    """Writes each array as the one weight of a layer named after it."""
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


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_source(path)
    message = str(caught.value)
    assert path.name in message
    return message


@pytest.mark.parametrize("container", FORMATS)
def test_arrays_come_back_as_float32(container: str, tmp_path: Path) -> None:
    # The suffix says nothing.
    source = open_source(write(tmp_path / "weights.safetensors", container))
    assert source.container == container
    end = "/0" if container.startswith("keras") else ""
    assert source.leaves == {
        key + end: Leaf(array.shape, array.dtype.name) for key, array in ARRAYS.items()
    }
    for _ in range(2):  # what was handed over is read again
        for key, array in ARRAYS.items():
            read = source.read(key + end)
            assert read.dtype == (np.float32 if array.dtype.kind == "f" else array.dtype)
            np.testing.assert_array_equal(read, array.astype(read.dtype))
    assert source.notes == ("float16 → float32", "float64 → float32")
    assert not source.metadata


@pytest.mark.parametrize("container", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_files_are_refused(container: str, share: float, tmp_path: Path) -> None:
    arrays = {"w": np.zeros((64, 64), np.float32)}
    if container.startswith("torch"):
        torch = pytest.importorskip("torch")
        arrays = {"w": torch.zeros(64, 64)}
    path = write(tmp_path / "weights", container, arrays)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize(
    ("content", "found"),
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
def test_strangers_are_named(content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert found in refusal(path)


def test_other_archives_folders_and_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros(3))
    assert "an npz of numpy" in refusal(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert "one numpy array" in refusal(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "a zip archive" in refusal(tmp_path / "a.zip")
    assert "is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "lost.pth")


class Hostile:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("container", ["torch zip", "torch legacy"])
def test_code_is_refused_and_never_run(container: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    marker = tmp_path / "ran"
    path = write(tmp_path / "a.pth", container, {"w": torch.zeros(2), "x": Hostile(marker)})
    message = refusal(path)
    assert not marker.exists()
    assert "mkdir" in message
    assert "refused" in message
    with path.open("rb") as file:  # the trap itself works
        torch.load(file, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("container", ["torch zip", "torch legacy"])
def test_whole_modules_are_refused(container: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = write(tmp_path / "a.pth", container, torch.nn.Linear(2, 3))
    message = refusal(path)
    assert "torch.nn.modules.linear.Linear" in message
    assert "state_dict()" in message


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name in ("a/data.pkl", "a/constants.pkl", "a/code/net.py"):
            archive.writestr(name, "")
    assert "TorchScript" in refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "model_ema"])
def test_wrapped_states_are_unwrapped_and_said(wrapper: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {"module._orig_mod.fc.weight": torch.ones(2, 2), "module._orig_mod.note": "text"}
    saved = {wrapper: state, "epoch": 3, "optimizer": {"lr": 0.1}}
    source = open_source(write(tmp_path / "a.pth", "torch zip", saved))
    assert [*source.leaves] == ["fc.weight"]
    np.testing.assert_array_equal(source.read("fc.weight"), np.ones((2, 2)))
    assert source.notes == (
        f"keys unwrapped from {wrapper!r}; left out: epoch, optimizer",
        "not tensors, left out: module._orig_mod.note",
        "prefix 'module._orig_mod.' taken off every key",
    )


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 3}, {}])
def test_torch_files_without_a_state_are_refused(saved: Any, tmp_path: Path) -> None:
    assert "expected a state dict" in refusal(write(tmp_path / "a.pth", "torch zip", saved))


def test_bfloat16_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    values = torch.linspace(-3, 3, 7).to(torch.bfloat16)
    save_torch({"w": values}, tmp_path / "a.safetensors")
    paths = (tmp_path / "a.safetensors", write(tmp_path / "a.pth", "torch zip", {"w": values}))
    for source in map(open_source, paths):
        assert source.leaves == {"w": Leaf((7,), "bfloat16")}
        np.testing.assert_array_equal(source.read("w"), values.float().numpy())
        assert source.notes == ("bfloat16 → float32",)


def test_config_beside_the_file_is_metadata(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors", "safetensors")
    config = {"architecture": "tf_efficientnet_b0"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert open_source(path).metadata == {"config": config}
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json describes the weights beside it but is no"):
        open_source(path)


@pytest.mark.parametrize(("container", "package"), [("torch zip", "torch"), (FORMATS[3], "h5py")])
def test_missing_packages_are_named(
    container: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a", container)
    monkeypatch.setitem(sys.modules, package, None)
    message = refusal(path)
    assert f"needs {package}: pip install 'ferjax[convert]'" in message


def test_keras_files_of_every_age(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    kernel, bias = np.ones((3, 2), np.float32), np.zeros(2, np.float32)
    with h5py.File(tmp_path / "ancient.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"fc1"]
        file.create_group("input_1").attrs["weight_names"] = []
        group = file.create_group("fc1")
        group.attrs["weight_names"] = [b"fc1_W_1:0", b"fc1_b_1:0"]
        group["fc1_W_1:0"], group["fc1_b_1:0"] = kernel, bias
    with h5py.File(tmp_path / "nested.h5", "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names0"] = ["net"]  # cut in pieces, as long lists are
        root.attrs["layer_names1"] = ["fc2"]
        names = ["fc1/kernel", "fc1/bias", "last/kernel"]
        root.create_group("net").attrs["weight_names"] = names
        for name in names:
            root["net"][name] = bias if "bias" in name else kernel
        root.create_group("fc2").attrs["weight_names"] = ["fc2/kernel"]
        root["fc2"]["fc2/kernel"] = kernel
    assert [*open_source(tmp_path / "ancient.h5").leaves] == ["fc1/0", "fc1/1"]
    nested = open_source(tmp_path / "nested.h5")
    assert [*nested.leaves] == ["fc1/0", "fc1/1", "last/0", "fc2/0"]
    np.testing.assert_array_equal(nested.read("fc1/1"), bias)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = kernel
    assert "HDF5 without weights of Keras layers" in refusal(tmp_path / "other.h5")


def test_keras_archive_and_its_normalisation(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    mean, variance = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    inner = tmp_path / "model.weights.h5"
    write_keras(inner, "keras 3 h5", {"normalization_2": mean, "predictions": variance})
    import h5py

    with h5py.File(inner, "a") as file:
        file["layers/conv2d_0/vars/1"] = variance
        file["layers/conv2d_0/vars/2"] = np.int32(0)
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    source = open_source(tmp_path / "a.keras")
    assert source.container == "keras 3 h5"
    assert source.metadata == {"normalization": {"mean": [1, 2, 3], "variance": [4, 5, 6]}}
    np.testing.assert_array_equal(source.read("predictions/0"), variance)
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("model.weights.h5", io.BytesIO(inner.read_bytes()).read(100))
    assert "truncated" in refusal(tmp_path / "b.keras")
