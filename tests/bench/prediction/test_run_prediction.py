"""The suite `predict` from its flags to its report, with small parts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.command.run_suite import run_suite
from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.prediction import face_crops, run_prediction, single_face
from ferjax.bench.prediction.detector_scores import DetectorScore
from ferjax.bench.prediction.networks import NETWORKS
from ferjax.bench.prediction.other_runtimes import (
    loop_over_files,
    torch_onnx_probabilities,
    torch_probabilities,
)
from ferjax.bench.prediction.report_files import prediction_tables
from ferjax.bench.prediction.results import PredictionResult
from ferjax.bench.prediction.video_score import TableScore, VideoScore
from ferjax.bench.pytorch.missing_sides import missing_onnxruntime_for_torch
from ferjax.bench.suites.input_pipeline import image_folder
from ferjax.emotions import EMOTIONS
from ferjax.models.registry import create_model

FERNET = NETWORKS[0]


def test_crops_and_single_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (face_crops, single_face):
        monkeypatch.setattr(module, "NETWORKS", (FERNET,))
    monkeypatch.setattr(single_face, "_WARM_UP", 1)
    monkeypatch.setattr(run_prediction, "_QUICK_SIZES", (70, 3, 0.1))
    monkeypatch.setattr(run_prediction, "QUICK", Effort(rounds=2, sample=0, all_peers=False))
    monkeypatch.setattr("ferjax.bench.measuring.machine_ceilings._SIZES", {"cpu": (64, 2**10)})
    out = str(tmp_path / "out")
    table, folder = run_suite("predict", "crops|single", True, out, {})
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    (case,) = record["crops"]
    assert case["case"] == "fernet-ferplus, 70 face crops in a folder"
    assert {"ferjax", "the network alone"} <= set(case["sides"])
    assert {each["side"] for each in record["one face"]} >= {"ferjax"}
    assert all(0 < each["p50"] <= each["p99"] for each in record["one face"])
    page = (folder / "bench.md").read_text("utf-8")
    assert "vs the network alone" in table
    assert "## One face" in page
    assert "Photographs |" not in page


def test_tables_of_all_parts() -> None:
    video = VideoScore(90, 3.0, 300.0, 10**8, 10**8 + 5 * 10**6, TableScore(89, 3, 1, 0.875))
    detector = DetectorScore("haar", 4, 3, 6, 0.1, ("a/b.png",), ("c/d.png",) * 3)
    text = prediction_tables(PredictionResult(detectors=(detector,), photographs=2, video=video))
    assert "3 of 4, 6 boxes" in text
    assert "75.0 %" in text
    assert "50.0 %" in text
    assert "+5 MB" in text
    assert "30.0" in text


@pytest.mark.parity
def test_twins_have_the_same_parameters() -> None:
    pytest.importorskip("torch")
    for network, name in zip(NETWORKS, ("fernet_s", "resnet18"), strict=True):
        image = np.zeros((1, network.side, network.side, network.channels), np.float32)
        model: Any = create_model(name, len(EMOTIONS))
        shapes = jax.eval_shape(lambda x, m=model: m.init(jax.random.key(0), x, train=False), image)
        ours = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        assert ours == sum(p.numel() for p in network.twin().parameters())


@pytest.mark.parity
def test_files_in_any_number_of_batches() -> None:
    pytest.importorskip("torch")
    import torch

    module = FERNET.twin()
    network = replace(FERNET, twin=lambda: module)
    made = [torch_probabilities(network, channels_last=last) for last in (True, False)]
    if not missing_onnxruntime_for_torch():
        made.append(torch_onnx_probabilities(network))
    paths = image_folder("png", 48, 1, 7)
    results = [loop_over_files(function, paths, 1, 3) for function in made]
    assert results[0].shape == (7, 8)
    for result in results:
        np.testing.assert_allclose(result, results[0], atol=1e-5)
        np.testing.assert_allclose(result.sum(1), 1, atol=1e-5)
    assert torch.is_inference_mode_enabled() is False
