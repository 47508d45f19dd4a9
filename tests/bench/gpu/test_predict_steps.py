"""Predictions against sums by hand; the report says that nothing was measured; the comparison."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ferjax.bench.command.run_suite import run_suite
from ferjax.bench.gpu import compare_measured, predict_steps
from ferjax.bench.gpu.compare_measured import comparison, comparison_table
from ferjax.bench.gpu.count_step import StepCounts
from ferjax.bench.gpu.predict_steps import predict_on
from ferjax.bench.gpu.report_files import explanation
from ferjax.bench.gpu.run_predictions import run_predictions
from ferjax.bench.measuring.case import OURS
from ferjax.bench.measuring.case_result import CaseResult
from ferjax.bench.measuring.operation_counts import Work
from ferjax.bench.scaling.cluster_hardware import GPUS, Accelerator
from ferjax.bench.scaling.predict_step_time import Assumptions
from ferjax.bench.suites.gpu_steps import STEPS, GpuStep
from ferjax.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
COUNTS = StepCounts(flops=6000, products=4, state_bytes=100, batch_bytes=50, stored_bytes=325)
CHIP = Accelerator("chip", flops=100.0, memory=10.0)
SMALL = GpuStep("cnn3", 48, 1, 8, "adamw", "bf16")


def test_the_longest_bound_by_hand() -> None:
    assumed = Assumptions(utilisation=0.5, launch=10.0)
    found = predict_on(COUNTS, "step", 12, "H100", CHIP, assumed)
    # 6,000 at half of 100 a second; 2 x 100 + 50 + 2 x 325 bytes at 10 a second; 4 launches.
    assert found.bounds == pytest.approx({"arithmetic": 120, "memory": 90, "launches": 40})
    assert (found.seconds, found.binding) == (pytest.approx(120), "arithmetic")
    assert found.images_per_second == pytest.approx(0.1)
    slow_memory = predict_on(COUNTS, "step", 12, "H100", replace(CHIP, memory=5.0), assumed)
    assert (slow_memory.seconds, slow_memory.binding) == (pytest.approx(180), "memory")
    late = predict_on(COUNTS, "step", 12, "H100", CHIP, replace(assumed, launch=50.0))
    assert (late.seconds, late.binding) == (200, "launches")


def test_peaks_of_the_data_sheets() -> None:
    peaks = {
        (gpu, precision): (chip.flops, chip.memory)
        for gpu, chips in GPUS.items()
        for precision, chip in chips.items()
    }
    assert peaks == {
        ("H100", "bf16"): (989e12, 3.35e12),
        ("H100", "f32"): (494.5e12, 3.35e12),
        ("H200", "bf16"): (989e12, 4.8e12),
        ("H200", "f32"): (494.5e12, 4.8e12),
    }


@pytest.fixture
def small_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_steps, "STEPS", (SMALL,))
    monkeypatch.setattr("ferjax.bench.gpu.run_predictions.STEPS", (SMALL,))


@pytest.mark.usefixtures("small_suite")
def test_a_report_of_predictions(tmp_path: Path) -> None:
    text, folder = run_suite("gpu", None, False, str(tmp_path / "out"), {"predict": True})
    assert text.startswith("Predicted, not measured\n")
    page = (folder / "bench.md").read_text("utf-8")
    assert "**Predicted, not measured.**" in page
    assert "moved  = 2 state + batch + 2 stored" in page
    assert "TF32" in page
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert record["note"] == "Predicted, not measured"
    h100, h200 = record["predicted"]
    assert (h100["gpu"], h200["gpu"]) == ("H100", "H200")
    assert h100["bounds, seconds"]["memory"] / h200["bounds, seconds"]["memory"] == pytest.approx(
        4.8 / 3.35
    )
    assert h100["bounds, seconds"]["memory"] == pytest.approx(h100["least bytes"] / 3.35e12)
    with pytest.raises(UserError, match=r"--cases=vgg matches no step\. Steps: cnn3, 48 px, bf16"):
        run_predictions("vgg")


@pytest.mark.usefixtures("small_suite")
def test_predicted_beside_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        device_kind = "NVIDIA H200"

    result = CaseResult("gpu", str(SMALL), "", Work(1, 1), 1.0, {OURS: (0.002,)}, images=8)
    other = replace(result, name="max pool 2x2")
    monkeypatch.setattr(compare_measured.jax, "devices", lambda: [Device()])
    text, values = comparison([result, other])
    assert "## Predicted and measured" in text
    assert explanation() in text
    (row,) = values["predicted and measured"]
    assert row["chip"] == "H200 SXM, bf16"
    assert row["measured seconds"] == 0.002
    assert row["ratio"] == pytest.approx(0.002 / row["predicted seconds"])
    assert "4,000" in comparison_table([result])
    assert comparison([other]) == ("", {})
    assert comparison_table([other]) == ""
    # On another GPU the predictions of both stand there.
    monkeypatch.setattr(Device, "device_kind", "NVIDIA L4")
    assert len(comparison([result])[1]["predicted and measured"]) == 2


@pytest.mark.parametrize("number", [0, 2])
def test_the_table_of_the_documentation(number: int) -> None:
    """The smaller steps of the table of docs/devices.md; tracing the others takes longer."""
    h100, h200 = predict_steps.predictions_by_name(str(STEPS[number]))
    cells = [
        f"{h100.counts.flops / 1e12:.3f}",
        f"{h100.counts.moved_bytes / 1e9:.2f}",
        f"{1000 * h100.bounds['arithmetic']:.2f}",
        ", ".join(f"{1000 * each.bounds['memory']:.2f}" for each in (h100, h200)),
        f"{1000 * h100.bounds['launches']:.2f}",
        f"{1000 * h100.seconds:.2f}",
        f"{h100.images_per_second:,.0f}",
        h100.binding,
    ]
    page = (ROOT / "docs" / "devices.md").read_text("utf-8")
    assert f"images | {' | '.join(cells)} |" in page


def test_the_flag_belongs_to_the_suite() -> None:
    with pytest.raises(UserError, match=r"--predict belongs to --suite=gpu; leave it out"):
        run_suite("ops", None, True, None, {"predict": True})
