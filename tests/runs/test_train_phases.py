"""Whole runs in phases: what is frozen, stopped, averaged, taken back or ended early."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_train
from ferjax.predict import load_predictor, load_run
from ferjax.runs import phase_optimizer_and_step
from ferjax.runs.task import prepare_task
from ferjax.runs.train_phases import train_run
from ferjax.runtime.variable_tree import flatten
from ferjax.training.loop import Diverged
from ferjax.training.run_directory.checkpoints import latest_meta
from ferjax.training.run_directory.config_and_lock import locked_run_dir
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.state import init_variables
from ferjax.training.train_step import predict_step

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]
FROZEN = "(conv1|bn1)/.*"
# Epochs of 4 steps.
PHASES: dict[str, Any] = dict(
    model="toy",
    optimizer="adamw",
    weight_decay=0.01,
    label_smoothing=0.1,
    augment="standard",
    epochs=(2, 3),
    learning_rate=(2e-3, 5e-4),
    schedule=("constant", "cosine"),
    freeze=(FROZEN, "none"),
    ema=0.8,
)


def one() -> list[Any]:
    return jax.devices()[:1]


def train(config: TrainConfig, devices: list[Any] | None) -> None:
    """Trains without the report, which takes as long as a tiny run."""
    task = prepare_task(config, devices)
    with locked_run_dir(config) as run_dir:
        train_run(task, run_dir)


def meta_of(run_dir: Path) -> dict[str, Any]:
    meta = latest_meta(run_dir)
    assert meta is not None
    return meta


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list that grows by one whenever a training step is traced."""
    found: list[int] = []
    step = phase_optimizer_and_step.train_step

    def counted(*arguments: Any, **keywords: Any) -> Any:
        found.append(1)
        return step(*arguments, **keywords)

    monkeypatch.setattr(phase_optimizer_and_step, "train_step", counted)
    return found


@pytest.fixture(scope="module")
def phased(finished_run: Callable[..., Path]) -> Path:
    """Returns an undisturbed run of two phases."""
    return finished_run("phased", **PHASES)


class Pruned(Exception):
    """What a watch raises here."""


def prune_at(epoch: int) -> Callable[[int, float], None]:
    """Returns a watch that ends the run after an epoch."""

    def watch(now: int, accuracy: float) -> None:
        if now == epoch:
            raise Pruned

    return watch


def test_a_run_stopped_between_its_phases_is_the_run_undisturbed(
    tmp_path: Path,
    tiny_config: Tiny,
    phased: Path,
    assert_same_run: Callable[[Path, Path], None],
    traces: list[int],
) -> None:
    config = tiny_config(tmp_path / "run", **PHASES, resume=True)
    with pytest.raises(Pruned):
        run_train(config, one(), prune_at(2))
    assert len(traces) == 1

    # What the first phase froze is as it was initialised, statistics too.
    task, run = prepare_task(config, one()), load_run(tmp_path / "run", "last", raw=True)
    assert run.epoch == 2
    start = flatten(init_variables(task.model, task.spec, config.seed))
    for path, leaf in flatten(run.variables).items():
        still = "/conv1/" in path or "/bn1/" in path
        assert (leaf == np.asarray(start[path])).all() == still, path

    run_train(config, one())
    # A phase is compiled once, and one that is over not at all.
    assert len(traces) == 2
    assert_same_run(tmp_path / "run", phased)


def test_a_run_stopped_anywhere_is_the_run_undisturbed(
    tmp_path: Path,
    tiny_config: Tiny,
    phased: Path,
    stop_after: Callable[[int], Any],
    assert_same_run: Callable[[Path, Path], None],
) -> None:
    """After the first phase's last step, before its evaluation; within the second phase."""
    config = tiny_config(tmp_path / "run", **PHASES, resume=True)
    for steps in (8, 6):
        with stop_after(steps), pytest.raises(KeyboardInterrupt):
            run_train(config, one())
    run_train(config, one())
    assert_same_run(tmp_path / "run", phased)


def test_rates_and_reports_of_a_phased_run(phased: Path) -> None:
    lines = [line for line in read_lines(phased) if line["split"] == "train"]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    # The rate of each epoch's last step: constant, then a cosine over 12 steps of its own.
    cosine = [5e-4 * (1 + np.cos(np.pi * step / 12)) / 2 for step in (3, 7, 11)]
    assert [line["learning_rate"] for line in lines] == pytest.approx(
        [2e-3, 2e-3, *cosine], rel=1e-5
    )
    report = json.loads((phased / "report.json").read_text("utf-8"))
    first, second = report["protocol"]["phases"]
    assert first.startswith("1: 2 epochs, adamw at 0.002, constant; trains ")
    assert first.endswith(f", frozen: {FROZEN}")
    assert second.startswith("2: 3 epochs, adamw at 0.0005, cosine; trains ")
    trained, everything = (int(x.replace(",", "")) for x in first.split("trains ")[1].split()[:3:2])
    # The first convolution's 3x3 kernels and its batch norm.
    assert everything - trained == 3 * 3 * load_run(phased).spec.channels * 8 + 2 * 8
    assert report["protocol"]["course"] == "as planned"
    assert meta_of(phased)["starts"] == [0, 2]
    assert "moving average (decay 0.8)" in report["protocol"]["selection"]


def test_moments_go_on_into_the_next_phase(phased: Path) -> None:
    """Each group of parameters counts the steps since it was first trained."""
    folder = (phased / "checkpoints").resolve()
    with ocp.CheckpointManager(folder, item_names=("state", "meta")) as manager:
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        state = manager.restore(20, args=args)["state"]
    leaves = jax.tree_util.tree_leaves_with_path(state["opt_state"])
    found = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    counts = {path.split("'phase")[1][0]: int(n) for path, n in found.items() if "count" in path}
    assert counts == {"1": 20, "2": 12}
    for path in (path for path in found if "'mu'" in path):
        assert ("'phase2'" in path) == ("conv1" in path or "bn1" in path), path


def test_a_report_has_raw_parameters_beside_averages(phased: Path) -> None:
    results = json.loads((phased / "report.json").read_text("utf-8"))["results"]
    for split in ("val", "test"):
        assert list(results[split]) == ["raw last", "raw selected", "last", "selected"]
        assert results[split]["last"]["loss"] != results[split]["raw last"]["loss"]
        for which in ("last", "selected"):
            assert results[split][which]["epoch"] == results[split][f"raw {which}"]["epoch"]
    last = [line for line in read_lines(phased) if line["split"] == "val"][-1]
    # The run looked at the same numbers.
    for line, which in ((last, "last"), (last["raw"], "raw last")):
        assert results["val"][which]["accuracy"] == line["accuracy"]
        assert results["val"][which]["loss"] == pytest.approx(line["loss"], rel=1e-6)
    page = (phased / "report.md").read_text("utf-8")
    assert "raw selected" in page


@pytest.mark.parametrize("which", ["last", "selected"])
def test_loaders_take_the_averages(phased: Path, which: str) -> None:
    run, raw = load_run(phased, which), load_run(phased, which, raw=True)
    averages, params = (flatten(found.variables["params"]) for found in (run, raw))
    differing = {path for path, leaf in averages.items() if (leaf != params[path]).any()}
    still = set() if run.epoch > 2 else {"conv1/kernel", "bn1/scale", "bn1/bias"}
    assert differing == set(params) - still
    jax.tree.map(
        np.testing.assert_array_equal, run.variables["batch_stats"], raw.variables["batch_stats"]
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    found = load_predictor(phased, which, batch_size=3)(images)
    logits, others = (
        predict_step(r.variables, images, model=r.model, spec=r.spec) for r in (run, raw)
    )
    np.testing.assert_allclose(found, jax.nn.softmax(logits), atol=1e-5)
    assert np.abs(found - jax.nn.softmax(others)).max() > 1e-4


def jumping(monkeypatch: pytest.MonkeyPatch, at: int, *broken_ones: int) -> None:
    """Lets the learning rate explode from a step of a phase on, in these attempts at a phase."""
    attempts = iter(range(1, 100))

    def make(*_: Any, **__: Any) -> Callable[[Any], Any]:
        broken = next(attempts) in broken_ones
        return lambda step: jax.numpy.where(step < at, 1e-3, 1e30 if broken else 2e-3)

    monkeypatch.setattr(phase_optimizer_and_step, "make_schedule", make)


def test_a_loss_that_jumps_once_is_survived(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping(monkeypatch, 5, 1)
    report = run_train(tiny_config(tmp_path / "run", model="toy", on_nan="rollback"), one())
    note = "the loss, a gradient or a parameter was not finite: taken back to step 4, once"
    assert report["protocol"]["course"] == [note]
    meta = meta_of(tmp_path / "run")
    assert (meta["retries"], meta["notes"], meta["epoch"]) == (1, [note], 2)
    lines = read_lines(tmp_path / "run")
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (1, "train"),
        (1, "val"),
        (2, "train"),
        (2, "val"),
    ]
    # What came after was at a tenth.
    rates = [line["learning_rate"] for line in lines if line["split"] == "train"]
    assert rates == pytest.approx([1e-3, 2e-4])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(load_run(tmp_path / "run").variables))


def test_a_run_without_a_checkpoint_is_taken_back_to_its_start(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping(monkeypatch, 1, 1)
    train(tiny_config(tmp_path / "run", model="toy", on_nan="rollback", epochs=1), one())
    assert meta_of(tmp_path / "run")["notes"] == [
        "the loss, a gradient or a parameter was not finite: taken back to step 0, once"
    ]
    assert [line["learning_rate"] for line in read_lines(tmp_path / "run")[:1]] == pytest.approx(
        [2e-4]
    )


def test_a_jump_in_the_second_phase_goes_back_to_its_start(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is the first phase's last, and that phase is not trained again."""
    jumping(monkeypatch, 1, 2)
    config = tiny_config(
        tmp_path / "run",
        model="toy",
        on_nan="rollback",
        epochs=1,
        freeze=("conv1/.*", "none"),
        ema=0.5,
    )
    train(config, one())
    meta = meta_of(tmp_path / "run")
    assert (meta["starts"], meta["epoch"], meta["retries"]) == ([0, 1], 2, 1)
    assert meta["notes"] == [
        "the loss, a gradient or a parameter was not finite: taken back to step 4, once"
    ]
    rates = [x["learning_rate"] for x in read_lines(tmp_path / "run") if x["split"] == "train"]
    assert rates == pytest.approx([2e-3, 2e-4])


def test_a_second_jump_ends_the_run_also_after_a_resume(
    tmp_path: Path,
    tiny_config: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: Callable[[int], Any],
) -> None:
    config = tiny_config(tmp_path / "run", model="toy", on_nan="rollback", epochs=3, resume=True)
    jumping(monkeypatch, 5, 1, 2)
    with pytest.raises(Diverged, match=r"not finite at step [678] \(epoch 2\)"):
        train(config, one())
    assert load_run(tmp_path / "run", "last").epoch == 1

    # Taken back once, then stopped: the next process remembers.
    shutil.rmtree(tmp_path / "run")
    jumping(monkeypatch, 5, 1)
    with stop_after(12), pytest.raises(KeyboardInterrupt):
        train(config, one())
    assert meta_of(tmp_path / "run")["retries"] == 1
    jumping(monkeypatch, 5, 1)
    with pytest.raises(Diverged):
        train(config, one())
    kept = load_run(tmp_path / "run", "last")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.variables))


def test_a_phase_that_no_longer_gains_ends_early(
    tmp_path: Path, tiny_config: Tiny, traces: list[int]
) -> None:
    """At a rate that moves nothing every evaluation is the first one's equal."""
    given: dict[str, Any] = dict(
        epochs=(9, 4), learning_rate=(1e-30, 1e-29), schedule=("plateau", "cosine"), patience=2
    )
    given |= dict(optimizer="sgd", decay_epochs=0.4, freeze=("none", "all_but_head"), model="toy")
    config = tiny_config(tmp_path / "run", **given, resume=True)
    told = []
    report = run_train(config, one(), lambda epoch, accuracy: told.append(epoch))
    # One that is the best so far, and two that are not; so in each phase.
    assert told == [1, 2, 3, 4, 5, 6]
    assert meta_of(tmp_path / "run")["starts"] == [0, 3]
    assert len(traces) == 2
    rates = [x["learning_rate"] for x in read_lines(tmp_path / "run") if x["split"] == "train"]
    assert rates[:3] == pytest.approx([1e-30, 1e-30, 1e-31], rel=1e-5, abs=0)
    assert "ends after 2 evaluations without gain" in report["protocol"]["selection"]
    # Over is over: there is nothing to resume.
    assert run_train(config, one())["path"] == report["path"]
    assert told == [1, 2, 3, 4, 5, 6]


def test_everything_at_once_on_four_devices(
    tmp_path: Path, tiny_config: Tiny, traces: list[int]
) -> None:
    given: dict[str, Any] = dict(
        model="toy",
        optimizer="sam",
        accumulate=2,
        clip_norm=1.0,
        weight_decay=1e-3,
        layer_decay=0.5,
        backbone_factor=0.5,
        ema=0.9,
        epochs=(2, 1),
        schedule=("step", "cosine"),
        learning_rate=(1e-2, 1e-3),
        decay_rate=0.5,
        decay_epochs=1.0,
        freeze=("conv1/.*", "none"),
        class_weights="inverse",
        on_nan="rollback",
        patience=5,
    )
    config = tiny_config(tmp_path / "run", **given)
    train(config, None)
    assert len(traces) == 2
    lines = read_lines(tmp_path / "run")
    rates = [line["learning_rate"] for line in lines if line["split"] == "train"]
    last = 1e-3 * (1 + np.cos(np.pi * 3 / 4)) / 2
    assert rates == pytest.approx([1e-2, 5e-3, last], rel=1e-5)
    assert meta_of(tmp_path / "run")["notes"] == []


@pytest.mark.slow
def test_the_last_phase_may_grow(
    tmp_path: Path, tiny_config: Tiny, assert_same_run: Callable[[Path, Path], None]
) -> None:
    given: dict[str, Any] = dict(freeze=("conv1/.*", "none"), learning_rate=(1e-3, 1e-4))
    given |= dict(model="toy")
    for run, lengths in (("grown", [(1, 1), (1, 2)]), ("long", [(1, 2)])):
        for epochs in lengths:
            run_train(tiny_config(tmp_path / run, epochs=epochs, resume=True, **given), one())
    assert_same_run(tmp_path / "grown", tmp_path / "long")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"freeze": "layer1.*"}, "--freeze=layer1.* matches no parameter"),
        ({"freeze": ("none", ".*")}, "--freeze=.* matches every parameter"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    given: dict[str, Any], words: str, tmp_path: Path, tiny_config: Tiny
) -> None:
    with pytest.raises(UserError) as caught:
        run_train(tiny_config(tmp_path / "run", **given), one())
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()
