"""Checkpoints: which are kept, what comes back, on which devices, and what a kill leaves."""

import functools
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.format_versions import FORMAT, KEY
from ferjax.errors import UserError
from ferjax.models.registry import create_model
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import OPTIMIZERS, make_optimizer
from ferjax.training.run_directory.checkpoints import (
    latest_meta,
    open_checkpoints,
    read_meta,
    restore_checkpoint,
    restore_meta,
    restore_variables,
    save_checkpoint,
)
from ferjax.training.state import TrainState, create_state, init_variables

MODEL = create_model("cnn3", 7)
SPEC = InputSpec((6, 6), 6, 1, (0.5,), (0.25,))
PARAMS = jax.eval_shape(lambda: init_variables(MODEL, SPEC, 0))["params"]


@functools.cache
def drawn() -> TrainState:
    """Returns a state of random values as numpy arrays: to initialise one would take seconds."""
    mesh, rng = data_mesh(jax.devices()[:1]), np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: create_state(MODEL, make_optimizer("adam"), SPEC, 0, mesh))
    return jax.tree.map(lambda x: np.asarray(rng.standard_normal(x.shape), x.dtype), shapes)


def new_state(devices: int = 1, step: int = 0, fill: float | None = None) -> TrainState:
    """Returns a state on that many devices, all floats set to `fill` where one is given."""
    state = jax.tree.map(np.array, drawn())
    if fill is not None:
        state = jax.tree.map(lambda x: np.full_like(x, fill), state)
    state = state.replace(step=np.full_like(state.step, step))
    return jax.device_put(state, replicated(data_mesh(jax.devices()[:devices])))


def save(run_dir: Path, saves: list[tuple[int, float | None]]) -> list[int]:
    """Saves a state filled with its step at each (step, accuracy); returns the steps kept."""
    with open_checkpoints(run_dir) as manager:
        for step, accuracy in saves:
            meta = {KEY: FORMAT, "epoch": step, "accuracy": accuracy}
            save_checkpoint(manager, new_state(step=step, fill=step), meta, accuracy)
        manager.wait_until_finished()
        return sorted(manager.all_steps())


def assert_equal(one: Any, other: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_save_goes_on_when_the_clock_is_set_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orbax measures the time limit of a save, by default twenty minutes, with that clock."""
    real, ahead = time.time, 0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    # Large enough to be written still when the clock is set.
    kernel = np.random.default_rng(0).random(20_000_000, np.float32)
    state = new_state().replace(params={"kernel": jax.device_put(kernel)})
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, state, {}, accuracy=0.5)
        ahead = 86400
        assert manager.is_saving_in_progress()
        manager.wait_until_finished()
        assert list(manager.all_steps()) == [0]


@pytest.mark.parametrize(
    ("saves", "kept"),
    [
        ([(1, 0.5), (2, 0.7), (3, 0.6), (4, 0.4)], [2, 4]),
        ([(1, 0.5), (2, 0.7), (3, 0.7), (4, 0.1)], [2, 4]),
        ([(1, 0.0), (2, 0.5)], [2]),
        ([(1, 0.5), (2, None), (3, None)], [1, 3]),
        ([(2, None), (2, 0.5), (3, 0.4)], [2, 3]),
    ],
    ids=["latest and best", "ties to the earlier", "both in one", "within an epoch", "replaced"],
)
def test_latest_and_best_are_kept(
    tmp_path: Path, saves: list[tuple[int, float | None]], kept: list[int]
) -> None:
    assert save(tmp_path, saves) == kept
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == kept
    step, meta = read_meta(tmp_path)
    assert (step, meta) == (kept[-1], {"epoch": kept[-1], "accuracy": saves[-1][1]})
    for step in kept:
        with open_checkpoints(tmp_path) as manager:
            state = restore_checkpoint(manager, step, new_state())
            meta = restore_meta(manager, step)
        assert_equal(state, new_state(step=step, fill=step))
        assert meta["epoch"] == step


@pytest.mark.parametrize("step", [1, 2])
def test_a_step_below_the_latest_is_refused(tmp_path: Path, step: int) -> None:
    """Orbax would return without a word. Step 1 is the best, step 2 has been removed."""
    assert save(tmp_path, [(1, 0.9), (2, 0.1), (3, 0.5)]) == [1, 3]
    with pytest.raises(UserError, match=f"step {step} was not saved.* of step 3 is later"):
        save(tmp_path, [(step, 1.0)])
    assert save(tmp_path, [(4, 0.4)]) == [1, 4]
    with open_checkpoints(tmp_path) as manager:
        assert_equal(restore_checkpoint(manager, 1, new_state()), new_state(step=1, fill=1))


@pytest.mark.parametrize(("saved_on", "restored_on"), [(1, 4), (4, 1)])
def test_a_run_resumes_on_other_devices(tmp_path: Path, saved_on: int, restored_on: int) -> None:
    saved = new_state(saved_on, step=5)
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, saved, {}, 0.5)
        manager.wait_until_finished()
        like = new_state(restored_on)
        restored = restore_checkpoint(manager, 5, like)
    assert_equal(restored, saved)
    for leaf, wanted in zip(jax.tree.leaves(restored), jax.tree.leaves(like), strict=True):
        assert len(leaf.sharding.device_set) == restored_on
        assert (leaf.sharding, leaf.dtype) == (wanted.sharding, wanted.dtype)


def test_a_save_is_unharmed_by_donating_the_state(tmp_path: Path) -> None:
    state = new_state(step=1)
    before = jax.tree.map(np.array, state)
    advance = jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, state, {}, 0.5)
        advance(state)
        manager.wait_until_finished()
        restored = restore_checkpoint(manager, 1, new_state())
    assert_equal(restored, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizers_state_comes_back(tmp_path: Path, name: str) -> None:
    """With averages beside it, and slots of two phases."""
    mesh = data_mesh(jax.devices()[:1])
    labels = jax.tree.map(lambda _: "phase1", PARAMS)
    labels["conv1"]["kernel"] = "phase2"
    optimizer = make_optimizer(name, weight_decay=0.1, clip_norm=1.0, labels=labels)
    shapes = jax.eval_shape(lambda: create_state(MODEL, optimizer, SPEC, 0, mesh, ema=True))
    numbers = iter(range(1, 1000))

    def draw(like: jax.ShapeDtypeStruct) -> jax.Array:
        return jax.device_put(np.full(like.shape, next(numbers), like.dtype), replicated(mesh))

    saved = jax.tree.map(draw, shapes)
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, saved, {}, 0.5)
        manager.wait_until_finished()
        restored = restore_checkpoint(manager, int(saved.step), jax.tree.map(draw, shapes))
    assert jax.tree.structure(restored) == jax.tree.structure(saved)
    assert_equal(restored, saved)


def variables_of(state: TrainState) -> dict[str, Any]:
    return {"params": state.params, "batch_stats": state.batch_stats}


def test_variables_come_back_as_numpy_without_the_optimizer(tmp_path: Path) -> None:
    saved = new_state(4, step=3)
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, saved, {}, 0.5)
    abstract = jax.eval_shape(lambda: variables_of(drawn()))
    restored = restore_variables(tmp_path, 3, abstract)
    assert_equal(restored, variables_of(saved))
    assert {type(leaf) for leaf in jax.tree.leaves(restored)} == {np.ndarray}


def test_variables_of_another_shape_are_refused(tmp_path: Path) -> None:
    save(tmp_path, [(1, 0.5)])
    abstract = jax.eval_shape(lambda: variables_of(drawn()))
    abstract["params"]["head"]["kernel"] = jax.ShapeDtypeStruct((256, 8), np.float32)
    with pytest.raises(UserError) as caught:
        restore_variables(tmp_path, 1, abstract)
    for part in (str(tmp_path), "params/head/kernel", "[256, 7]", "[256, 8]"):
        assert part in str(caught.value)


def test_another_precision_is_refused_and_not_converted(tmp_path: Path) -> None:
    """Orbax would cast without a word: 70,000 becomes infinity in half precision."""
    saved = new_state(step=1, fill=70_000)
    with open_checkpoints(tmp_path) as manager:
        save_checkpoint(manager, saved, {}, 0.5)

    def narrower(leaf: jax.Array) -> jax.Array:
        return leaf.astype(np.float16) if leaf.dtype == np.float32 else leaf

    with open_checkpoints(tmp_path) as manager:
        with pytest.raises(UserError, match=r"was saved as float32, and is float16 here"):
            restore_checkpoint(manager, 1, jax.tree.map(narrower, new_state()))
        assert_equal(restore_checkpoint(manager, 1, new_state()), saved)
    abstract = jax.eval_shape(lambda: variables_of(drawn()))
    abstract["params"]["head"]["kernel"] = jax.ShapeDtypeStruct((256, 7), np.float16)
    with pytest.raises(UserError, match=r"params/head/kernel was saved as float32, and is float16"):
        restore_variables(tmp_path, 1, abstract)


def test_what_a_kill_left_half_written_is_ignored(tmp_path: Path) -> None:
    save(tmp_path, [(1, 0.5), (2, 0.7)])
    torn = tmp_path / "checkpoints" / "3.orbax-checkpoint-tmp" / "state"
    torn.mkdir(parents=True)
    (torn / "manifest").write_text("half")
    assert read_meta(tmp_path)[0] == 2
    with open_checkpoints(tmp_path) as manager:
        assert manager.latest_step() == 2
    assert save(tmp_path, [(3, 0.6)]) == [2, 3]


def test_no_checkpoint_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoints/ there"):
        read_meta(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="no finished checkpoint yet"):
        read_meta(tmp_path)


def test_a_run_killed_in_its_first_save_has_no_meta_yet(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "4.orbax-checkpoint-tmp-1").mkdir(parents=True)
    assert latest_meta(tmp_path) is None
