"""--shard_params: the same run with a share of the state on each device."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from ferjax.experiment import run_train
from ferjax.models.cnn import DepthCNN
from ferjax.models.registry import create_model
from ferjax.predict import load_run
from ferjax.runtime.sharding import data_mesh, split_over
from ferjax.specs import InputSpec
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.state import TrainState, create_state


def bytes_on_a_device(state: TrainState) -> int:
    """Returns the bytes of parameters, statistics and slots that the first device holds."""
    return sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize(("name", "side", "channels"), [("awei", 32, 3), ("cnn6", 48, 1)])
def test_a_device_holds_a_third_of_the_state_at_most(name: str, side: int, channels: int) -> None:
    spec = InputSpec((48, 48), side, channels, (0.5,) * channels, (0.25,) * channels)
    model, mesh = create_model(name, 7), data_mesh()
    state = jax.eval_shape(lambda: create_state(model, optax.adam(1.0), spec, 0, mesh))
    placed = jax.tree.leaves(split_over(state, mesh))
    held = {"whole": 0, "shared": 0}
    for leaf, placement in zip(jax.tree.leaves(state), placed, strict=True):
        held["whole"] += leaf.dtype.itemsize * math.prod(leaf.shape)
        held["shared"] += leaf.dtype.itemsize * math.prod(placement.shard_shape(leaf.shape))
    assert held["shared"] <= 0.3 * held["whole"]


def test_a_shared_state_is_the_whole_one() -> None:
    spec = InputSpec((48, 48), 32, 1, (0.5,), (0.25,))
    model, optimizer = DepthCNN(7, depth=1, widths=(8,), hidden=32), optax.adam(1.0)
    whole, shared = (
        create_state(model, optimizer, spec, 0, data_mesh(), split=split) for split in (False, True)
    )
    assert bytes_on_a_device(shared) <= 0.3 * bytes_on_a_device(whole)
    jax.tree.map(np.testing.assert_array_equal, shared, whole)


def test_the_run_is_the_same_and_its_checkpoints_are_exchanged(
    tmp_path: Path,
    tiny_config: Callable[..., Any],
    stop_after: Callable[[int], Any],
    toy_network: None,
    no_figures: None,
) -> None:
    given: dict[str, Any] = dict(model="toy", ema=0.9, freeze=("conv1.*", "none"))
    given |= dict(epochs=(1, 1), resume=True)
    runs = {name: tmp_path / name for name in ("whole", "shared", "stopped")}
    run_train(tiny_config(runs["whole"], **given))
    run_train(tiny_config(runs["shared"], **given, shard_params=True))
    # In the first phase split, in the second not, and back: which arrays there are differs too.
    for steps, split in ((3, True), (2, False)):
        with stop_after(steps), pytest.raises(KeyboardInterrupt):
            run_train(tiny_config(runs["stopped"], **given, shard_params=split))
    run_train(tiny_config(runs["stopped"], **given, shard_params=True))
    expected = [line["loss"] for line in read_lines(runs["whole"])]
    for name in ("shared", "stopped"):
        losses = [line["loss"] for line in read_lines(runs[name])]
        assert losses == pytest.approx(expected, rel=1e-5)
        a, b = (load_run(runs[which], "last").variables for which in ("whole", name))
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5), a, b)
        report = json.loads((runs[name] / "report.json").read_text("utf-8"))
        assert report["config"]["shard_params"]
