"""--steps_per_call: a run whose program computes several steps in one call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.experiment import run_train
from ferjax.predict import load_run
from ferjax.training.run_directory.metrics_jsonl import read_lines

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]
# Two epochs of five steps: calls of three steps and of two.
GIVEN: dict[str, Any] = dict(model="toy", augment="standard", limit=40, ema=0.9)
GIVEN |= dict(optimizer="adamw", schedule="one_cycle", learning_rate=2e-3, num_classes=7)


@pytest.fixture(scope="module")
def single_steps(finished_run: Callable[..., Path]) -> Path:
    """Returns a run with one step a call."""
    return finished_run("single", **GIVEN)


@pytest.fixture(scope="module")
def three_steps(finished_run: Callable[..., Path]) -> Path:
    """Returns a run with up to three steps a call."""
    return finished_run("three", **GIVEN, steps_per_call=3)


def assert_close(one: Path, other: Path) -> None:
    """Compares losses and parameters: in a loop XLA adds in another order."""
    lines = [read_lines(run) for run in (one, other)]
    for ours, theirs in zip(*lines, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
    a, b = (load_run(run, "last") for run in (one, other))
    close = lambda x, y: np.testing.assert_allclose(x, y, rtol=0.02, atol=2e-3)  # noqa: E731
    jax.tree.map(close, a.variables, b.variables)


def test_the_run_is_that_of_single_steps(single_steps: Path, three_steps: Path) -> None:
    assert_close(three_steps, single_steps)


@pytest.mark.parametrize("images", ["on", "off"])
def test_on_two_devices(tmp_path: Path, tiny_config: Tiny, single_steps: Path, images: str) -> None:
    config = tiny_config(tmp_path / "run", **GIVEN, steps_per_call=3, images_on_device=images)
    run_train(config, jax.devices()[:2])
    assert_close(tmp_path / "run", single_steps)


def test_a_stop_comes_after_a_call_and_the_resumed_run_has_the_same_bits(
    tmp_path: Path,
    tiny_config: Tiny,
    three_steps: Path,
    stop_after: Callable[[int], Any],
    assert_same_run: Callable[[Path, Path], None],
) -> None:
    config = tiny_config(tmp_path / "run", **GIVEN, steps_per_call=3, resume=True)
    for calls, step in ((1, 3), (1, 5), (1, 8)):
        with stop_after(calls), pytest.raises(KeyboardInterrupt):
            run_train(config, jax.devices()[:1])
        assert load_run(tmp_path / "run", "last").step == step
    run_train(config, jax.devices()[:1])
    assert_same_run(tmp_path / "run", three_steps)


def test_a_run_goes_on_with_another_number_of_steps(
    tmp_path: Path, tiny_config: Tiny, single_steps: Path, stop_after: Callable[[int], Any]
) -> None:
    for calls, most in ((4, 1), (1, 2)):
        config = tiny_config(tmp_path / "run", **GIVEN, steps_per_call=most, resume=True)
        with stop_after(calls), pytest.raises(KeyboardInterrupt):
            run_train(config, jax.devices()[:1])
    # Four steps, then the one that is left of the first epoch.
    assert load_run(tmp_path / "run", "last").step == 5
    config = tiny_config(tmp_path / "run", **GIVEN, steps_per_call=3, resume=True)
    run_train(config, jax.devices()[:1])
    assert_close(tmp_path / "run", single_steps)
