"""One number everywhere: a face has the same probabilities on every surface of ferjax.

As a command it prints the table of docs/export.md, for faces in a .npy file, uint8 [N, H, W, 1]:

    python -m launch.export --format=stablehlo,onnx,pytorch --weights=fernet-ferplus --out=EXPORTS
    python tests/test_one_number.py EXPORTS FACES.npy
"""

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NAME = "fernet-ferplus"
BATCHES = (1, 7, 64)
DEVICES = (1, 2)
BAR = 1e-5
# The exported files of the three surfaces that run without ferjax.
FILES = {
    "StableHLO": ("use_stablehlo.py", f"{NAME}.stablehlo"),
    "ONNX": ("use_onnx.py", f"{NAME}.onnx"),
    "PyTorch": ("use_pytorch.py", f"{NAME.replace('-', '_')}_network.py"),
}


def in_python(faces: np.ndarray, batch: int) -> np.ndarray:
    """Returns the probabilities of `ferjax.load_predictor`, float32 [N, K]."""
    import ferjax

    return ferjax.load_predictor(NAME, batch_size=batch)(faces)


def in_csv(faces: np.ndarray, batch: int) -> np.ndarray:
    """Returns those of `launch.predict`'s table, which has six decimals."""
    from ferjax.config.predict_and_export import PredictConfig
    from ferjax.predict.predictor import load_predictor
    from ferjax.predict.run_predict import run_predict

    classes = load_predictor(NAME).classes
    with tempfile.TemporaryDirectory() as folder:
        for number, face in enumerate(faces):
            Image.fromarray(face[..., 0]).save(Path(folder) / f"{number}.png")
        out = Path(folder) / "p.csv"
        config = PredictConfig(
            weights=NAME, out=str(out), faces="whole", batch_size=batch, progress=False
        )
        run_predict(config, [str(Path(folder) / f"{k}.png") for k in range(len(faces))])
        with open(out, newline="", encoding="utf-8") as file:
            rows = [[float(row[name]) for name in classes] for row in csv.DictReader(file)]
    return np.array(rows)


def in_live_frames(faces: np.ndarray, batch: int) -> np.ndarray:
    """Returns those of the one person in each frame of a video that shows the faces."""
    from ferjax.faces.crop_face import CropPlan
    from ferjax.faces.face import RULES, Box, Face
    from ferjax.live.follow_faces import Followed, FollowSettings, follow_faces
    from ferjax.live.video_frames import Frame
    from ferjax.predict.predictor import load_predictor

    whole = Box(0, 0, faces.shape[2], faces.shape[1])
    plan = CropPlan(lambda image: [Face(whole, 1.0)], RULES["largest"])
    frames = [Frame(k, k / 1000, np.repeat(face, 3, -1)) for k, face in enumerate(faces)]
    settings = FollowSettings(plan, every=batch, window=0)
    predictor = load_predictor(NAME, batch_size=batch)
    groups = follow_faces(frames, predictor, settings, Followed())
    return np.array([face.probabilities for group, _ in groups for _, (face,) in group])


def in_page(faces: np.ndarray, batch: int) -> np.ndarray:
    """Returns those that the web page and the HTTP API get from the server."""
    from starlette.testclient import TestClient

    from ferjax.config.serve_config import ServeConfig
    from ferjax.serve.app import make_app
    from ferjax.serve.metrics import make_metrics
    from ferjax.serve.recogniser import load_recogniser
    from ferjax.serve.service import make_service

    config = ServeConfig(weights=NAME, batch_size=batch, rate=0)
    recogniser = load_recogniser(config)
    app = make_app(make_service(config, recogniser, make_metrics()))
    rows = []
    with TestClient(app, base_url="http://127.0.0.1") as client:
        while client.get("/ready").status_code == 503:
            pass
        for first in range(0, len(faces), batch):
            files = [("file", ("face.png", _png(f))) for f in faces[first : first + batch]]
            rows += client.post("/api/crops", files=files).raise_for_status().json()["rows"]
    return np.array([[row["probabilities"][name] for name in recogniser.classes] for row in rows])


def _png(face: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face[..., 0]).save(file, "PNG")
    return file.getvalue()


def in_export(surface: str, folder: Path) -> Callable[[np.ndarray, int], np.ndarray]:
    """Returns the function of an exported file, by the script that lies beside it."""
    script, file = FILES[surface]
    spec = importlib.util.spec_from_file_location(script.removesuffix(".py"), folder / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, run = module.load(str(folder / file))
    classes = json.loads((folder / f"{NAME}.json").read_text("utf-8"))["classes"]

    def probabilities(faces: np.ndarray, batch: int) -> np.ndarray:
        parts = [run(faces[first : first + batch]) for first in range(0, len(faces), batch)]
        return np.stack([np.concatenate([part[name] for part in parts]) for name in classes], -1)

    return probabilities


def surfaces(exports: Path) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Returns name → (faces uint8 [N, H, W, 1], batch size) → probabilities [N, K]."""
    return {
        "Python": in_python,
        "csv": in_csv,
        "live frame": in_live_frames,
        "page": in_page,
        **{surface: in_export(surface, exports) for surface in FILES},
    }


def differences(exports: Path, faces: Path) -> dict[tuple[str, int, int], float]:
    """Returns (surface, batch size, devices) → largest difference from Python's 64 on one device.

    Each number of devices has a process of its own, in which JAX simulates them.
    """
    found: dict[tuple[str, int, int], np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        for devices in DEVICES:
            saved = Path(folder) / f"{devices}.npz"
            command = [sys.executable, __file__, str(exports), str(faces), str(saved)]
            environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)}
            subprocess.run(command, env=environment, check=True)
            with np.load(saved) as values:
                for key in values.files:
                    surface, batch = key.split("/")
                    found[surface, int(batch), devices] = values[key]
    reference = found["Python", 64, 1]
    return {key: float(np.abs(values - reference).max()) for key, values in found.items()}


@pytest.mark.parity
def test_a_face_has_the_same_probabilities_on_seven_surfaces(tmp_path: Path) -> None:
    for package in ("torch", "onnxruntime"):
        pytest.importorskip(package)
    from ferjax.config.predict_and_export import ExportConfig
    from ferjax.data.synthetic.load_synthetic import render_faces
    from ferjax.export.run_export import run_export

    faces = render_faces(np.arange(71) % 7, np.arange(71) + 900, size=48)[..., :1]
    np.save(tmp_path / "faces.npy", faces)
    formats = ("stablehlo", "onnx", "pytorch")
    run_export(ExportConfig(weights=NAME, out=str(tmp_path / "out"), format=formats))
    found = differences(tmp_path / "out", tmp_path / "faces.npy")
    assert len(found) == 7 * len(BATCHES) * len(DEVICES)
    assert {key: value for key, value in found.items() if not value < BAR} == {}


def main() -> None:
    """Saves the probabilities of this process's surfaces, or prints the table of all."""
    exports, faces, *saved = map(Path, sys.argv[1:])
    if saved:
        images = np.load(faces)
        values = {
            f"{name}/{batch}": function(images, batch)
            for name, function in surfaces(exports).items()
            for batch in BATCHES
        }
        np.savez(saved[0], **values)
        return
    found = differences(exports, faces)
    columns = [(batch, devices) for devices in DEVICES for batch in BATCHES]
    print("| surface |" + "".join(f" {b} at a time, {d} device(s) |" for b, d in columns))
    print("|---|" + "--:|" * len(columns))
    for name in dict.fromkeys(key[0] for key in found):
        print(f"| {name} |" + "".join(f" {found[name, b, d]:.1e} |" for b, d in columns))


if __name__ == "__main__":
    main()
