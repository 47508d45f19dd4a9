"""ONNX files against ferjax, in onnxruntime and in OpenVINO."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.export.conversion.environments import converter_python
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import (
    CARD_KEY,
    ExportedNetwork,
    card_json,
    probabilities_function,
)
from ferjax.export.fresh_process import run_usage
from ferjax.export.onnx_format import onnx_file, own_fields, write_onnx, write_openvino
from ferjax.models.registry import MODELS
from ferjax.specs import InputSpec

USAGE = Path(ferjax.__file__).parent / "export" / "usage"
Make = Callable[..., ExportedNetwork]
Faces = Callable[[InputSpec, int], np.ndarray]


def options(faces: np.ndarray, *, real: bool) -> FormatOptions:
    found = CheckFaces(faces, None, "some faces", real)
    return FormatOptions(ExportConfig(weights="x", out="x"), found, found, progress=False)


def run(file: Path, network: ExportedNetwork, faces: np.ndarray, script: str) -> np.ndarray:
    """Returns the probabilities [N, K] that a usage script finds in a fresh process."""
    saved = file.parent / "faces.npy"
    np.save(saved, faces)
    own = script == "use_onnx.py"
    python = str(converter_python("onnx", progress=False)) if own else sys.executable
    found = run_usage(USAGE / script, file, saved, time=False, python=python)["probabilities"]
    return np.array([found[name] for name in network.classes]).T


def assert_equal_to_ferjax(network: ExportedNetwork, faces: np.ndarray, found: np.ndarray) -> None:
    expected = np.asarray(jax.jit(probabilities_function(network))(faces))
    # The network is not one that says the same of every face.
    assert expected.std(0).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def metadata_of(file: Path) -> dict[str, str]:
    """Returns the metadata of an ONNX file, as onnxruntime reads them."""
    code = (
        "import json, sys, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "print(json.dumps(session.get_modelmeta().custom_metadata_map))"
    )
    python = str(converter_python("onnx", progress=False))
    done = subprocess.run([python, "-c", code, file], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_fields_of_a_module_that_are_not_the_default() -> None:
    model = MODELS["resnet18"].build(num_classes=5, dropout=0.5)
    assert own_fields(model) == {
        "num_classes": 5,
        "stage_sizes": (2, 2, 2, 2),
        "block": "basic",
        "dropout": 0.5,
    }


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "fields"),
    [("awei", {"jumper": "double"}), ("resnet18", {"channels": 3, "interpolation": "bicubic"})],
)
def test_networks_are_those_of_ferjax_for_any_batch(
    small_network: Make, faces_for: Faces, tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    network = small_network(name, **fields)
    path = onnx_file(network, tmp_path / "small-net.onnx", progress=False)
    # 67 faces are two calls, of 64 and of 3.
    faces = faces_for(network.spec, 67)
    assert_equal_to_ferjax(network, faces, run(path, network, faces, "use_onnx.py"))


@pytest.mark.parity
def test_a_network_of_the_users_own(
    small_network: Make, faces_for: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "networks_of_mine.py").write_text(
        "from flax import linen as nn\n\n\n"
        "class Mine(nn.Module):\n"
        "    num_classes: int\n"
        "    width: int = 4\n\n"
        "    @nn.compact\n"
        "    def __call__(self, x, *, train):\n"
        "        x = nn.relu(nn.Conv(self.width, (3, 3), name='conv')(x)).mean((1, 2))\n"
        "        return nn.Dense(self.num_classes, name='head')(x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    kind: type[nn.Module] = __import__("networks_of_mine").Mine
    base = small_network("cnn3")
    model = kind(num_classes=len(base.classes), width=6)  # pyright: ignore[reportCallIssue]
    faces = faces_for(base.spec, 5)
    image = np.zeros((1, base.spec.size, base.spec.size, 1), np.float32)
    variables: Any = model.init(jax.random.key(0), image, train=False)
    kernel = variables["params"]["head"]["kernel"] * 20
    variables["params"]["head"]["kernel"] = kernel
    network = dataclasses.replace(base, model=model, variables=jax.tree.map(np.asarray, variables))
    path = onnx_file(network, tmp_path / "mine.onnx", progress=False)
    assert_equal_to_ferjax(network, faces, run(path, network, faces, "use_onnx.py"))


@pytest.mark.parity
def test_int8_is_calibrated_on_real_faces_alone(
    small_network: Make, faces_for: Faces, tmp_path: Path
) -> None:
    network = small_network("fernet_s")
    faces = faces_for(network.spec, 60)
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    (only,) = write_onnx(network, drawn, options(faces, real=False))
    real = tmp_path / "real"
    real.mkdir()
    shutil.copy(only.path, real / "small-net.onnx")
    plain, small = write_onnx(network, real, options(faces, real=True))
    assert (plain.precision, small.precision) == ("float32", "int8")
    assert small.path.stat().st_size < 0.4 * plain.path.stat().st_size
    for file in (plain, small):
        metadata = metadata_of(file.path)
        assert json.loads(metadata[CARD_KEY]) == json.loads(card_json(network))
        assert json.loads(metadata["classes"]) == [*network.classes]
    found = [run(file.path, network, faces, "use_onnx.py") for file in (plain, small)]
    assert 1e-4 < np.abs(found[0] - found[1]).max() < 0.3
    # The emotions of a random network are about equally probable: only clear answers are compared.
    second, first = np.sort(found[0], -1)[:, -2:].T
    clear = first - second > 0.03
    assert clear.sum() > 10
    assert (found[0].argmax(-1) == found[1].argmax(-1))[clear].mean() > 0.9


@pytest.mark.parity
def test_openvino_reads_the_file(small_network: Make, faces_for: Faces, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    network = small_network("cnn4")
    (file,) = write_openvino(network, tmp_path, options(faces_for(network.spec, 2), real=False))
    faces = faces_for(network.spec, 9)
    assert_equal_to_ferjax(network, faces, run(file.path, network, faces, "use_openvino.py"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fields"),
    [(name, {}) for name in MODELS if name != "awei"]
    + [("awei", {"jumper": jumper}) for jumper in MODELS["awei"].choices["jumper"]]
    + [("awei", {"guide": "vgg16"}), ("resnet18", {"stem": "small"})]
    + [("vgg16", {"pooling": "mean"}), ("efficientnet_b1", {"padding": "same"})],
)
def test_every_network(
    small_network: Make, faces_for: Faces, tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    network = small_network(name, **fields)
    path = onnx_file(network, tmp_path / "small-net.onnx", progress=False)
    faces = faces_for(network.spec, 5)
    assert_equal_to_ferjax(network, faces, run(path, network, faces, "use_onnx.py"))
