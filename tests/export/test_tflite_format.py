"""TFLite files against ferjax, in LiteRT."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.export.check_faces import drawn_faces
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import (
    CARD_FILE,
    ExportedNetwork,
    card_json,
    exported_from_weights,
    probabilities_function,
)
from ferjax.export.fresh_process import run_usage
from ferjax.export.tflite_format import stablehlo_text, write_tflite
from ferjax.models.registry import MODELS
from ferjax.specs import InputSpec

USAGE = Path(ferjax.__file__).parent / "export" / "usage" / "use_tflite.py"
Make = Callable[..., ExportedNetwork]
Faces = Callable[[InputSpec, int], np.ndarray]


def check(
    network: ExportedNetwork, faces: np.ndarray, folder: Path, *, real: bool
) -> dict[str, float]:
    """Returns the largest difference of a probability from ferjax's, by precision."""
    found = CheckFaces(faces, None, "some faces", real)
    options = FormatOptions(ExportConfig(weights="x", out="x"), found, found, progress=False)
    expected = np.asarray(jax.jit(probabilities_function(network))(faces))
    assert expected.std(0).max() > 0.01
    np.save(folder / "faces.npy", faces)
    differences = {}
    for file in write_tflite(network, folder, options):
        answer = run_usage(USAGE, file.path, folder / "faces.npy", time=False, python=file.python)
        columns = np.array([answer["probabilities"][name] for name in network.classes]).T
        differences[file.precision] = float(np.abs(columns - expected).max())
    return differences


def test_text_has_plain_operations_for_one_face(small_network: Make) -> None:
    text = stablehlo_text(small_network("awei", jumper="input"))
    assert "tensor<1x44x40x3xui8>" in text
    assert "stablehlo.reduce_window" in text
    # Neither the branch by platform of ferjax's own pool, nor a loop over tiles.
    assert not [word for word in ("stablehlo.case", "stablehlo.while") if word in text]


@pytest.mark.parity
def test_files_of_three_precisions(tmp_path: Path) -> None:
    network = exported_from_weights("fernet-ferplus")
    faces = drawn_faces(network.input_shape).images[:60]
    differences = check(network, faces, tmp_path, real=True)
    assert differences["float32"] < 1e-5 < differences["float16"] < 0.01
    assert differences["float16"] < differences["int8"] < 0.3
    for path in tmp_path.glob("*.tflite"):
        with zipfile.ZipFile(path) as archive:
            assert json.loads(archive.read(CARD_FILE)) == json.loads(card_json(network))
            assert archive.read("labels.txt").decode().split() == [*network.classes]
    sizes = {path.stem: path.stat().st_size for path in tmp_path.glob("*.tflite")}
    assert (
        sizes["fernet-ferplus-int8"]
        < 0.8 * sizes["fernet-ferplus-float16"]
        < 0.6 * sizes["fernet-ferplus"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fields"),
    [(name, {}) for name in MODELS if name != "awei" and not name.startswith("vgg")]
    + [("awei", {"jumper": jumper}) for jumper in MODELS["awei"].choices["jumper"]]
    + [("awei", {"guide": "vgg16"}), ("resnet18", {"stem": "small"})]
    # XNNPACK refuses the pool that spreads the small map of vgg over 7x7; export says so.
    + [(name, {"pooling": "mean"}) for name in ("vgg16", "vgg19")],
)
def test_every_network(
    small_network: Make, faces_for: Faces, tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    network = small_network(name, **fields)
    differences = check(network, faces_for(network.spec, 5), tmp_path, real=False)
    assert differences["float32"] < 1e-5
    assert set(differences) == {"float32", "float16"}
