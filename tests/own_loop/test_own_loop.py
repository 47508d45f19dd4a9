"""An own loop on the public parts is the loop of `ferjax.train`, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import ferjax
from ferjax.config.train_config import TrainConfig
from ferjax.models.cnn import DepthCNN
from ferjax.runs.task import prepare_task
from ferjax.runtime.sharding import data_mesh
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import make_optimizer

Tiny = Callable[..., TrainConfig]
SETTINGS: dict[str, Any] = dict(
    optimizer="adam", schedule="constant", learning_rate=1e-2, augment="flip", label_smoothing=0.1
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_config: Tiny) -> TrainConfig:
    """Returns the config of a finished run of two epochs of four steps."""
    config = tiny_config(tmp_path_factory.mktemp("own") / "run", **SETTINGS)
    ferjax.train(config)
    return config


def test_an_own_loop_ends_with_the_parameters_of_a_run(trained: TrainConfig) -> None:
    run = ferjax.load_run(str(trained.workdir), "last")
    train = prepare_task(trained).bundle.splits["train"]
    optimizer = make_optimizer("adam")
    step = ferjax.make_train_step(
        run.model, optimizer, run.spec, rate=1e-2, augment="flip", label_smoothing=0.1
    )
    state, sums = ferjax.init_state(run.model, optimizer, run.spec), ferjax.zero_sums()
    for batch in ferjax.batches(train, trained.batch_size, epochs=2):
        state, sums = step(state, sums, batch)
    assert int(state.step) == run.step
    jax.tree.map(np.testing.assert_array_equal, dict(state.params), run.variables["params"])


def test_metrics_and_logits_are_those_of_the_report(trained: TrainConfig) -> None:
    report = ferjax.evaluate(ferjax.EvalConfig(workdir=str(trained.workdir), progress=False))
    run, val = ferjax.load_run(str(trained.workdir)), prepare_task(trained).bundle.splits["val"]
    logits = ferjax.split_logits(run.model, run.spec, run.variables, val, batch_size=8)
    own = ferjax.metrics(logits, val.labels, run.classes)
    official = report["results"]["val"]["selected"]
    # The report adds ranking scores to the row of each class.
    for found, expected in zip(own["per_class"], official["per_class"], strict=True):
        assert found == {name: expected[name] for name in found}
    others = set(own) - {"loss", "per_class"}
    assert {name: official[name] for name in others} == {name: own[name] for name in others}
    assert own["loss"] == pytest.approx(official["loss"], rel=1e-5)


def test_logits_of_a_batch_that_the_devices_do_not_divide() -> None:
    """Six rows on four devices: half of the devices are used, unless a mesh is given."""
    assert 6 % jax.device_count()
    images = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 1), np.uint8)
    split = ferjax.split_from_arrays("val", images, np.arange(9) % 7)
    model, spec = (
        DepthCNN(7, depth=1, widths=(8,), hidden=16),
        InputSpec((32, 32), 32, 1, (0.5,), (0.25,)),
    )
    state = ferjax.init_state(model, optax.sgd(0.1), spec)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    expected = ferjax.split_logits(model, spec, variables, split, batch_size=4)
    found = ferjax.split_logits(model, spec, variables, split, batch_size=6)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ferjax.UserError, match="--batch_size=6 is not a multiple of the 4 devices"):
        ferjax.split_logits(model, spec, variables, split, batch_size=6, mesh=data_mesh())


def test_any_optax_optimizer_loss_and_augmentation_by_argument(trained: TrainConfig) -> None:
    run = ferjax.load_run(str(trained.workdir))
    train = prepare_task(trained).bundle.splits["train"]
    optimizer = optax.sgd(0.1)

    def constant_loss(logits: Any, targets: Any, **_: Any) -> tuple[Any, Any]:
        return 0 * logits.sum(-1) + 2.0, jax.numpy.ones(len(logits))

    step = ferjax.make_train_step(
        run.model,
        optimizer,
        run.spec,
        loss=constant_loss,
        augment=lambda key, images, index: images * 0,
    )
    first = ferjax.init_state(run.model, optimizer, run.spec, seed=3)
    before = jax.tree.map(np.asarray, first.params)
    batch = next(ferjax.batches(train, 8))
    state, sums = step(first, ferjax.zero_sums(), batch)
    assert float(sums.loss / sums.weight) == 2.0
    jax.tree.map(np.testing.assert_array_equal, dict(state.params), dict(before))


def test_an_own_run_refuses_runs_of_launch_train_and_other_files(
    tmp_path: Path, trained: TrainConfig
) -> None:
    run = ferjax.load_run(str(trained.workdir))
    (tmp_path / "notes.txt").write_text("mine")
    with (
        pytest.raises(ferjax.UserError, match=r"holds other files"),
        ferjax.open_run(tmp_path, "base_cnn", run.spec, run.classes),
    ):
        pass
    with (
        pytest.raises(ferjax.UserError, match=r"is a run of launch\.train"),
        ferjax.open_run(str(trained.workdir), "base_cnn", run.spec, run.classes),
    ):
        pass
    images, labels = np.zeros((2, 32, 32, 3), np.uint8), np.array([0, len(run.classes)])
    outside = {"train": ferjax.split_from_arrays("train", images, labels)}
    with (
        pytest.raises(ferjax.UserError, match=r"labels of train lie between 0 and 7"),
        ferjax.open_run(tmp_path / "new", "base_cnn", run.spec, run.classes, splits=outside),
    ):
        pass
    assert not (tmp_path / "new").exists()


def test_an_own_loop_is_held_to_the_images_it_began_with(
    tmp_path: Path, trained: TrainConfig
) -> None:
    run = ferjax.load_run(str(trained.workdir))
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    labels = np.arange(40) % len(run.classes)
    data = ferjax.bundle_from_arrays(run.classes, (images, labels))
    with ferjax.open_run(tmp_path, "base_cnn", run.spec, run.classes, splits=data.splits) as own:
        val, train = data.splits["val"], data.splits["train"]
        logits = {"val": np.eye(len(run.classes))[val.labels], "train": np.zeros((len(train), 7))}
        page = ferjax.write_own_report(own, "own", logits, data.splits).read_text("utf-8")
    assert f"val: 0 of the {len(val)} images judged" in page
    assert f"train: {len(train)} of the {len(train)} images judged" in page
    assert "too good" not in page
    changed = ferjax.bundle_from_arrays(run.classes, (255 - images, labels))
    with (
        pytest.raises(ferjax.UserError, match="40 images with other content"),
        ferjax.open_run(tmp_path, "base_cnn", run.spec, run.classes, splits=changed.splits),
    ):
        pass
    # A val that was trained on, given to the report alone.
    with ferjax.open_run(tmp_path, "base_cnn", run.spec, run.classes) as own:
        leaked = {"val": train}
        path = ferjax.write_own_report(own, "own", {"val": logits["train"]}, leaked)
    assert "these scores are too good" in path.read_text("utf-8")
