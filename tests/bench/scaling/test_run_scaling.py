"""The scaling suite: step costs, worker processes, collectives of real steps, the report."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.scaling import run_scaling
from ferjax.bench.scaling import scaling_cases as suite
from ferjax.bench.scaling.compile_train_step import first_arguments, uncompiled_step
from ferjax.bench.scaling.hlo_collectives import (
    ALL_GATHER,
    ALL_REDUCE,
    read_collectives,
    sum_traffic,
    wire_bytes,
)
from ferjax.bench.scaling.report_files import scaling_table
from ferjax.bench.scaling.scaling_cases import Layout, Scaling, Workload
from ferjax.bench.scaling.scaling_results import Measured
from ferjax.bench.scaling.step_costs import recipe_workload, step_costs
from ferjax.bench.scaling.step_worker import LOAD, STEP, make_answer
from ferjax.bench.scaling.worker_processes import start_workers
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables

ONE, TWO = Layout(1, 1), Layout(1, 2)
TINY = Workload("base_cnn", 32, 3, 8, "sgd")


def test_names_and_batch_sizes_of_layouts() -> None:
    layouts = (ONE, TWO, Layout(2, 2))
    assert [*map(str, layouts)] == ["1 device", "2 devices", "2 processes x 2"]
    weak = Scaling(TINY, weak=True, layouts=(ONE, TWO))
    assert [weak.batch_on(layout) for layout in (ONE, TWO, Layout(2, 2))] == [8, 16, 32]
    assert dataclasses.replace(weak, weak=False).batch_on(TWO) == 8


def test_speedups_by_hand() -> None:
    weak = Scaling(TINY, weak=True, layouts=(ONE, TWO))
    found = Measured(weak, {ONE: (2.0, 3.0, 1.0), TWO: (4.0, 3.0)}, {})
    # Twice the images in 2 and in 1 times the time: 1 and 2, their median 1.5.
    assert found.speedup(TWO) == pytest.approx(1.5)
    assert found.speedup(ONE) == 1
    assert found.rate(ONE) == 4


def test_a_replicated_step_sums_its_gradients_and_statistics() -> None:
    workload = Workload("cnn3", 32, 1, 8, "adamw")
    program = uncompiled_step(workload)
    compiled = program.step.lower(*program.arguments).compile()
    (sums,) = sum_traffic(read_collectives(compiled.as_text(), 4))
    # The network's own shapes: what the dense layer sees is 4 x 4 x 128 at 32 px.
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128)
    dense = 4 * 4 * 128 * 256 + 256 + 256 * 7 + 7
    channels = 32 + 64 + 128
    parameters = convolutions + dense + 2 * channels
    assert parameters == sum(leaf.size for leaf in jax.tree.leaves(program.arguments[0].params))
    assert sums.kind == ALL_REDUCE
    assert 4 * parameters + 8 * channels <= sums.payload <= 4 * parameters + 8 * channels + 64
    assert sums.wire == pytest.approx(1.5 * sums.payload)
    with pytest.raises(UserError, match=r"--batch_size=7 is not a multiple of the 4 devices"):
        uncompiled_step(dataclasses.replace(workload, batch_size=7))
    costs = step_costs(workload)
    assert costs.payload == 4 * parameters + 8 * channels
    # Of each batch norm its mean, then its variance, which needs the mean, and its gradients.
    assert sums.count == 3 * len(costs.norm_channels) + 2
    # It is the step of a run: it runs, and steps are counted.
    state, running = compiled(*first_arguments(program))
    assert int(state.step) == 1
    assert int(running.count) == 8
    assert np.isfinite(float(running.loss))


def test_costs_of_a_network() -> None:
    recipe, workload = recipe_workload("base_cnn", "sfew")
    costs = step_costs(workload, recipe, "sfew")
    shapes = abstract_variables("base_cnn", 7)
    assert costs.recipe == "farahani_base_cnn_sfew"
    # P3 at 120 px: 5x5 VALID and a pool, twice, leave 27 x 27 x 20 for 50.
    rest = sum(int(np.prod(s)) for path, s in shapes.items() if "params/dense/kernel" not in path)
    assert costs.gradient_bytes == 4 * (rest + 27 * 27 * 20 * 50)
    assert costs.products == 3 * 4 - 1
    # Forward, kernels' gradients, and inputs' gradients but the image's; that of the second
    # convolution has 58 x 58 positions, those of the first one's output.
    first, second = 116**2 * 25 * 3 * 10, 25 * 10 * 20
    dense = 27 * 27 * 20 * 50 + 50 * 7
    assert costs.flops == 2 * (2 * first + (2 * 54**2 + 58**2) * second + 3 * dense)


@pytest.mark.slow
def test_a_tiny_measurement_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Scaling(TINY, weak=False, layouts=(ONE, TWO))
    monkeypatch.setattr(suite, "QUICK_MEASURED", (small,))
    monkeypatch.setattr(suite, "COUNTED", (TINY,))
    monkeypatch.setattr(suite, "QUICK_COUNTED", (TINY,))
    monkeypatch.setattr(suite, "COUNTED_ON", TWO)
    monkeypatch.setattr(run_scaling, "QUICK", Effort(rounds=2, least=2, sample=0))
    result, folder = run_scaling.run_scaling("base_cnn", quick=True, out=str(tmp_path / "out"))
    (found,), (counted,), (costs,) = result.measured, result.counted, result.networks
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in found.seconds.values())
    assert found.traffic[ONE] == ()
    (sums,) = found.traffic[TWO]
    assert counted.replicated == (sums,)
    assert counted.expected <= sums.payload <= counted.expected + 64
    # Each device has a share of the state, so that the parameters have to be gathered.
    assert ALL_GATHER in {entry.kind for entry in counted.split}
    assert wire_bytes(counted.split) > wire_bytes(counted.replicated)
    assert costs.model == "base_cnn"

    names = {path.name for path in folder.iterdir()}
    assert names == {"bench.json", "bench.md", "bench.html", "bench.png"}
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert [entry["on"] for entry in record["measured"]] == ["1 device", "2 devices"]
    assert record["measured"][0]["speed-up over one device"] == 1
    assert len(record["predicted"]) == 5
    assert set(record["predicted"][0]["steps"]) >= {"8", "1024"}
    page = (folder / "bench.md").read_text("utf-8")
    for words in ("share the cores", "utilisation", "Efficiency", "Devices that keep 80 %"):
        assert words in page
    widths = [line.count("|") - line.count("\\|") for line in page.splitlines() if line[:1] == "|"]
    assert min(widths) >= 3
    assert "2 devices" in scaling_table(result)
    with Image.open(folder / "bench.png") as image:
        assert image.size[0] > 1000


def test_errors_and_the_end_of_a_worker_are_reported() -> None:
    with start_workers(ONE, make_answer, "scaling") as one:
        with pytest.raises(UserError, match=r"scaling on 1 device: --image_size=31: the strides"):
            one.request(LOAD, dataclasses.replace(TINY, image_size=31))
        one.children[0].kill()
        with pytest.raises(UserError, match=r"scaling on 1 device, process 0 has ended: "):
            one.request(STEP, 1)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"--cases=\(: not a regular expression"),
        ("alexnet", r"--cases=alexnet matches no network\. Networks: awei, base_cnn"),
    ],
)
def test_wrong_choices(pattern: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run_scaling.run_scaling(pattern)
