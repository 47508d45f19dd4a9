"""Bounds of exports, and the faces that they are checked on."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ferjax.config.predict_and_export import ExportConfig
from ferjax.errors import UserError
from ferjax.export import check_export, check_faces
from ferjax.export.check_export import check_bounds
from ferjax.export.check_faces import drawn_faces, faces_of_split
from ferjax.export.exported_file import ExportedFile, module_name

FILE = ExportedFile(Path("x.onnx"), "float32", "use_onnx.py")


@pytest.mark.parametrize(
    ("difference", "agreement", "message"),
    [
        (2e-5, 1.0, r"x.onnx is not exported: its probabilities differ.*2.0e-05, 1e-05 allowed"),
        (float("nan"), 1.0, "differ from ferjax's by up to nan"),
        (1e-6, 0.9, r"another emotion than ferjax for 10.0% of the faces, 1.0% allowed"),
    ],
)
def test_an_export_that_differs_is_an_error(
    difference: float, agreement: float, message: str
) -> None:
    check_bounds(FILE, 1e-6, 1.0)
    with pytest.raises(UserError, match=message):
        check_bounds(FILE, difference, agreement)


def test_rounded_formats_have_no_bound_of_differences() -> None:
    check_bounds(
        ExportedFile(Path("x"), "int8", "use_onnx.py", largest_difference=None), 0.1, 0.995
    )


def test_a_folder_is_checked_by_the_network_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "net-browser"
    bundle.mkdir()
    (bundle / "network.onnx").write_bytes(b"1234")
    (bundle / "page.js").write_bytes(b"12")
    runs = []

    def run(script: Path, file: Path, faces: Path, **_: Any) -> dict[str, Any]:
        runs.append((script, file))
        even = [0.5] * len(np.load(faces))
        return {"probabilities": {"b": even, "a": even}, "milliseconds": {"1": 0.25, "64": 4.0}}

    monkeypatch.setattr(check_export, "run_usage", run)
    predictor: Any = SimpleNamespace(
        probabilities=lambda faces: np.full((len(faces), 2), 0.5), classes=("a", "b")
    )
    file = ExportedFile(bundle, "float32", "use_onnx.py", network=bundle / "network.onnx")
    faces = check_faces.CheckFaces(np.zeros((3, 4, 4, 1), np.uint8), None, "faces", real=False)
    _, row = check_export.check_files([file], predictor, bundle / "page.js", faces)
    assert runs == [(tmp_path / "use_onnx.py", bundle / "network.onnx")]
    assert (row["file"], row["bytes"], row["largest_difference"]) == ("net-browser", 6, 0)
    assert row["milliseconds"] == {"1": 0.25, "64": 4.0}


def test_faces_of_a_split_are_spread_and_apart(make_split) -> None:
    images = np.arange(1200, dtype=np.uint16)[:, None, None, None].repeat(3, -1)
    images = np.concatenate([images % 256, images // 256], 1).astype(np.uint8).repeat(2, 2)
    split = make_split(images, np.arange(1200) % 7)
    checked, calibration = faces_of_split(split, "some set", (2, 2, 3))
    assert checked.source == "500 faces of val of some set"
    numbers = [
        faces.images[:, 0, 0, 0] + 256 * faces.images[:, 1, 0, 0].astype(int)
        for faces in (checked, calibration)
    ]
    assert not set(numbers[0]) & set(numbers[1])
    assert len(set(numbers[0])) == 500
    assert numbers[0].max() > 1190
    np.testing.assert_array_equal(checked.labels, numbers[0] % 7)
    few, same = faces_of_split(make_split(images[:20]), "some set", (2, 2, 1))
    assert few.images.shape == (20, 2, 2, 1)
    np.testing.assert_array_equal(few.images, same.images)


def test_drawn_faces_take_the_shape_of_the_network() -> None:
    faces = drawn_faces((20, 24, 1))
    assert faces.images.shape == (128, 20, 24, 1)
    assert (faces.labels, faces.real, faces.source) == (None, False, "128 drawn faces")
    assert faces.images.std((1, 2, 3)).min() > 5


@pytest.mark.parametrize(("dataset", "split"), [("ferplus", "val"), ("folder", None)])
def test_weights_are_checked_on_val_or_on_the_images_that_are_given(
    dataset: str,
    split: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    small_network: Any,
) -> None:
    splits = []

    def load(config: Any, *_: Any) -> Any:
        splits.append(config.split)
        raise UserError("not there")

    monkeypatch.setattr(check_faces, "network_config", lambda _: SimpleNamespace(dataset=dataset))
    monkeypatch.setattr(check_faces, "load_evaluated_data", load)
    network = small_network("cnn3", scaled=False)
    config = ExportConfig(weights="fernet-ferplus", out="x")
    faces, _ = check_faces.faces_for_weights(network, config)
    assert (splits, faces.real) == ([split], False)
    reason = "checked on drawn faces, because val was not read: not there"
    assert capsys.readouterr().out == f"note: the files are {reason}\n"
    with pytest.raises(UserError, match="not there"):
        check_faces.faces_for_weights(network, dataclasses.replace(config, data_dir="faces"))


def test_names_of_modules_can_be_imported() -> None:
    assert [module_name(name) for name in ("fernet-ferplus", "3 ü", "a.b")] == [
        "fernet_ferplus",
        "_3__",
        "a_b",
    ]
