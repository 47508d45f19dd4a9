"""Steps in processes of their own: what they exchange, how they end, and the report."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from ferjax.bench.measuring.measure_in_turns import Effort
from ferjax.bench.scaling import measured_cases as suite
from ferjax.bench.scaling import run_scaling
from ferjax.bench.scaling.compile_train_step import first_arguments, train_program
from ferjax.bench.scaling.devices_and_workload import Layout, Scaling, Workload
from ferjax.bench.scaling.hlo_exchanges import ALL_GATHER, ALL_REDUCE, exchanges
from ferjax.bench.scaling.measured_results import Counted, Measured, Outcome
from ferjax.bench.scaling.network_facts import facts_of, network_facts
from ferjax.bench.scaling.report_files import scaling_table
from ferjax.bench.scaling.ring_traffic import Traffic, traffic
from ferjax.bench.scaling.worker_processes import team
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables

ONE, TWO = Layout(1, 1), Layout(1, 2)
TINY = Workload("base_cnn", 32, 3, 8, "sgd")


def test_layouts_in_words() -> None:
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


def test_counts_by_hand() -> None:
    facts = facts_of(TINY, "", "fer2013")
    sums = Traffic(ALL_REDUCE, 2, facts.payload + 10, 300.0)
    split = (Traffic(ALL_REDUCE, 2, 0, 300.0), Traffic(ALL_GATHER, 1, 0, 150.0))
    found = Counted(TINY, 4, facts, (sums,), split)
    assert found.excess == 10
    assert found.more == 1.5
    assert Outcome((), (found,), ()).split_wire == 1.5
    assert Outcome((), (), ()).split_wire == 1


def test_a_replicated_step_sums_its_gradients_and_statistics() -> None:
    workload = Workload("cnn3", 32, 1, 8, "adamw")
    program = train_program(workload)
    compiled = program.step.lower(*program.arguments).compile()
    (sums,) = traffic(exchanges(compiled.as_text(), 4))
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
        train_program(dataclasses.replace(workload, batch_size=7))
    facts = facts_of(workload, "", "fer2013")
    assert facts.payload == 4 * parameters + 8 * channels
    assert sums.count == 2 * len(facts.norm_channels) + 2
    # It is the step of a run: it runs, and steps are counted.
    state, running = compiled(*first_arguments(program))
    assert int(state.step) == 1
    assert int(running.count) == 8
    assert np.isfinite(float(running.loss))


def test_facts_of_a_network() -> None:
    facts = network_facts("base_cnn", "sfew")
    shapes = abstract_variables("base_cnn", 7)
    assert facts.recipe == "farahani_base_cnn_sfew"
    # P3 at 120 px: 5x5 VALID and a pool, twice, leave 27 x 27 x 20 for 50.
    rest = sum(int(np.prod(s)) for path, s in shapes.items() if "params/dense/kernel" not in path)
    assert facts.gradient_bytes == 4 * (rest + 27 * 27 * 20 * 50)
    assert (facts.largest, facts.largest_bytes) == ("dense/kernel", 4 * 27 * 27 * 20 * 50)
    assert facts.products == 3 * 4 - 1
    # Forward, kernels' gradients, and inputs' gradients but the image's; that of the second
    # convolution has 58 x 58 places, the first one's output.
    first, second = 116**2 * 25 * 3 * 10, 25 * 10 * 20
    dense = 27 * 27 * 20 * 50 + 50 * 7
    assert facts.flops == 2 * (2 * first + (2 * 54**2 + 58**2) * second + 3 * dense)


def test_the_smallest_measurement_from_start_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Scaling(TINY, weak=False, layouts=(ONE, TWO))
    monkeypatch.setattr(suite, "QUICK_MEASURED", (small,))
    monkeypatch.setattr(suite, "COUNTED", (TINY,))
    monkeypatch.setattr(suite, "QUICK_COUNTED", (TINY,))
    monkeypatch.setattr(suite, "COUNTED_ON", TWO)
    monkeypatch.setattr(run_scaling, "QUICK", Effort(rounds=2, least=2, sample=0))
    outcome, folder = run_scaling.run_scaling("base_cnn", quick=True, out=str(tmp_path / "out"))
    (found,), (counted,), (facts,) = outcome.measured, outcome.counted, outcome.networks
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in found.seconds.values())
    assert found.traffic[ONE] == ()
    (sums,) = found.traffic[TWO]
    assert counted.replicated == (sums,)
    assert counted.facts.gradient_bytes <= sums.payload <= counted.facts.gradient_bytes + 64
    # A share of the state on each device: its parameters have to be gathered.
    assert ALL_GATHER in {entry.kind for entry in counted.split}
    assert counted.more > 1
    assert facts.model == "base_cnn"

    assert {path.name for path in folder.iterdir()} == {"bench.json", "bench.md", "bench.png"}
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert [entry["on"] for entry in record["measured"]] == ["1 device", "2 devices"]
    assert record["measured"][0]["speed-up over one device"] == 1
    assert len(record["predicted"]) == 5
    assert set(record["predicted"][0]["steps"]) >= {"8", "1024"}
    page = (folder / "bench.md").read_text("utf-8")
    assert "share the same cores" in page
    for word in ("utilisation", "efficiency", "batch size", "input", "dense layer", "checkpoints"):
        assert word in page
    widths = [line.count("|") - line.count("\\|") for line in page.splitlines() if line[:1] == "|"]
    assert min(widths) >= 3
    assert "2 devices" in scaling_table(outcome)
    with Image.open(folder / "bench.png") as picture:
        assert picture.size[0] > 1000


def test_what_a_process_refuses_and_that_it_has_ended_is_said() -> None:
    with team(ONE) as one:
        with pytest.raises(UserError, match=r"scaling on 1 device: --image_size=31: the strides"):
            one.load(dataclasses.replace(TINY, image_size=31))
        one.children[0].kill()
        with pytest.raises(UserError, match=r"scaling on 1 device, process 0 has ended: "):
            one.step()


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
