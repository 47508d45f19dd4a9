"""Suite `forward`: every network has its cases, and all sides answer with probabilities."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench import measure_suites
from ferjax.bench.measuring import forward_side
from ferjax.bench.measuring.case import ONNX, OURS, XLA, Case
from ferjax.bench.measuring.forward_side import initial_variables
from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.measuring.operation_counts import case_work
from ferjax.bench.suites import forward_passes
from ferjax.bench.suites.forward_passes import NETWORKS, cases
from ferjax.models.registry import MODELS

CASES = {case.name: case for case in cases()}
# The others differ from these in depth only.
SHALLOW = ("awei", "base_cnn", "cnn6", "efficientnet_b1", "fernet_s", "resnet18", "vgg16")


def test_every_network_with_many_faces_and_with_one() -> None:
    assert {*NETWORKS} == {*MODELS}
    assert len(CASES) == 2 * len(MODELS)
    quick = [name for name, case in CASES.items() if case.quick]
    assert quick == [
        f"{network} forward, {faces}"
        for network in ("cnn6", "efficientnet_b1", "resnet18")
        for faces in ("64 faces", "1 face")
    ]
    assert CASES["vgg16 forward, 16 faces"].shape == "uint8 16x224x224x3"


def answers(case: Case) -> dict[str, np.ndarray]:
    return {label: np.asarray(build()()) for label, build in case.sides.items()}


@pytest.mark.parametrize("faces", ["64 faces", "1 face"])
def test_the_jax_sides_compute_the_same(faces: str) -> None:
    case = CASES[f"base_cnn forward, {faces}"]
    ours, plain = (np.asarray(case.sides[label]()()) for label in (OURS, XLA))
    assert ours.shape == (case.images, 8)
    np.testing.assert_allclose(ours.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_the_floor_counts_one_forward_pass() -> None:
    # P3's convolutions at 28 px: 24 x 24 x 10 and 8 x 8 x 20 positions of 5 x 5; two dense layers.
    macs = 24**2 * 25 * 10 + 8**2 * 25 * 10 * 20 + 320 * 50 + 50 * 8
    assert case_work(CASES["base_cnn forward, 1 face"]).flops == 2 * macs


def test_pytorch_answers_in_both_memory_formats() -> None:
    pytest.importorskip("torch")
    found = [peer.build()() for peer in CASES["base_cnn forward, 64 faces"].peers[:2]]
    assert all(each.shape == (64, 8) for each in found)
    np.testing.assert_allclose(found[0].sum(1), 1, rtol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in SHALLOW else (pytest.mark.slow,)) for n in MODELS],
)
def test_the_peer_is_the_same_network(name: str, torchvision_models: Any) -> None:
    torch = pytest.importorskip("torch")
    network = NETWORKS[name]
    with torch.device("meta"):  # shapes only
        module = network.twin()
    shapes = jax.eval_shape(lambda: initial_variables(name, network.side, network.channels))
    ours, theirs = jax.tree.leaves(shapes["params"]), module.parameters()
    assert sorted(leaf.size for leaf in ours) == sorted(p.numel() for p in theirs)


def test_without_the_converter_the_other_sides_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERJAX_OFFLINE", "1")
    monkeypatch.setenv("FERJAX_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setattr(forward_passes, "missing_onnxruntime", lambda: None)
    monkeypatch.setattr(measure_suites, "missing_onnxruntime", lambda: None)
    monkeypatch.setattr(measure_suites, "missing_torch", lambda: "no side of PyTorch: not here")
    monkeypatch.setattr(measure_suites, "QUICK", Effort(rounds=2, sample=0, all_peers=False))
    monkeypatch.setattr("ferjax.bench.measuring.machine_ceilings._SIZES", {"cpu": (64, 2**10)})
    forward_side._missing_converter.cache_clear()
    try:
        results, folder = measure_suites.run_bench(
            "forward", "base_cnn", quick=True, out=str(tmp_path / "out")
        )
    finally:
        forward_side._missing_converter.cache_clear()
    assert [{*result.seconds} for result in results] == [{OURS, XLA}] * 2
    assert [[*result.missing] for result in results] == [[ONNX]] * 2
    note = json.loads((folder / "bench.json").read_text("utf-8"))["note"]
    assert note.startswith("no side of PyTorch: not here; no side of onnxruntime: The converter's")
    assert note.endswith("FERJAX_OFFLINE or HF_HUB_OFFLINE forbids to install it")
    assert note.count(ONNX) == 1


@pytest.mark.slow
@pytest.mark.parity
def test_onnxruntime_runs_the_same_network() -> None:
    pytest.importorskip("onnxruntime")
    case = CASES["resnet18 forward, 1 face"]
    ours, plain, onnx = answers(case).values()
    np.testing.assert_allclose(ours, plain, atol=1e-5)
    np.testing.assert_allclose(ours, onnx, atol=1e-5)
