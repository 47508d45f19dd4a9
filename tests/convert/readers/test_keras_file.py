"""Keras weights files of several versions: keys, nested networks, archives, errors."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.errors import UserError

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.parity

KERNEL, BIAS = np.ones((3, 2), np.float32), np.zeros(2, np.float32)


def error_message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_source(path)
    return str(caught.value)


def test_names_of_the_oldest_format(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"fc1"]
        file.create_group("input_1").attrs["weight_names"] = []
        group = file.create_group("fc1")
        group.attrs["weight_names"] = [b"fc1_W_1:0", b"fc1_b_1:0"]
        group["fc1_W_1:0"], group["fc1_b_1:0"] = KERNEL, BIAS
    assert [*open_source(tmp_path / "a.h5").leaves] == ["fc1/0", "fc1/1"]


def test_nested_networks_and_long_lists(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names0"] = ["net"]  # long lists are split into several attributes
        root.attrs["layer_names1"] = ["fc2"]
        names = ["fc1/kernel", "fc1/bias", "last/kernel"]
        root.create_group("net").attrs["weight_names"] = names
        for name in names:
            root["net"][name] = BIAS if "bias" in name else KERNEL
        root.create_group("fc2").attrs["weight_names"] = ["fc2/kernel"]
        root["fc2"]["fc2/kernel"] = KERNEL
    source = open_source(tmp_path / "a.h5")
    assert [*source.leaves] == ["fc1/0", "fc1/1", "last/0", "fc2/0"]
    np.testing.assert_array_equal(source.read("fc1/1"), BIAS)


def write_keras3(path: Path, layers: dict[str, list[np.ndarray]], shared_name: str = "") -> None:
    with h5py.File(path, "w") as file:
        for i, (name, arrays) in enumerate(layers.items()):
            group = file.create_group(f"layers/dense_{i}/vars")
            group.attrs["name"] = shared_name or name
            for k, array in enumerate(arrays):
                group[str(k)] = array


def test_two_layers_with_one_name_are_an_error(tmp_path: Path) -> None:
    write_keras3(tmp_path / "a.h5", {"a": [KERNEL], "b": [KERNEL]}, shared_name="fc")
    assert "two layers named 'fc'" in error_message(tmp_path / "a.h5")


def test_other_hdf5_files_are_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = KERNEL
    assert "HDF5 without weights of Keras layers" in error_message(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["layers"] = KERNEL
    assert "b.h5" in error_message(tmp_path / "b.h5")


def test_a_keras_archive_with_normalisation(tmp_path: Path) -> None:
    mean, variance = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    inner = tmp_path / "model.weights.h5"
    write_keras3(inner, {"normalization_2": [mean, variance, np.int32(0)], "predictions": [BIAS]})
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    source = open_source(tmp_path / "a.keras")
    assert source.container == "keras 3 h5"
    assert source.metadata == {"normalization": {"mean": [1, 2, 3], "variance": [4, 5, 6]}}
    np.testing.assert_array_equal(source.read("predictions/0"), BIAS)
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("model.weights.h5", inner.read_bytes()[:100])
    assert "truncated" in error_message(tmp_path / "b.keras")
