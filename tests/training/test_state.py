"""Moving averages by hand, and what a state keeps from one phase to the next."""

import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from ferjax.runtime.sharding import batch_sharded, data_mesh, replicated
from ferjax.runtime.variable_tree import flatten, merge_trees, split_tree
from ferjax.specs import InputSpec
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.optimizers.parameter_groups import optimizer_state_labels
from ferjax.training.state import (
    TrainState,
    _finite_on_devices,
    all_finite,
    averaged_parameters,
    create_state,
    evaluated_params,
    next_phase,
)

SPEC = InputSpec((4, 4), 4, 1, (0.5,), (0.25,))
HEAD_ALONE = "(?!head/).*"


class Layers(nn.Module):
    """Three dense layers."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.relu(nn.Dense(4, name="stem")(x.reshape(x.shape[0], -1)))
        return nn.Dense(3, name="head")(nn.relu(nn.Dense(4, name="middle")(x)))


def test_averages_by_hand() -> None:
    """The start is soon forgotten: decays of 1/10, 2/11, 3/12 ... until 0.3 is less."""
    ema, expected = {"w": jnp.float32(1.0)}, 1.0
    values = (2.0, -1.0, 4.0, 0.5, 3.0, 7.0)
    decays = (1 / 10, 2 / 11, 3 / 12, 0.3, 0.3, 0.3)
    for step, (value, kept) in enumerate(zip(values, decays, strict=True)):
        assert kept == pytest.approx(min(0.3, (1 + step) / (10 + step)))
        ema = averaged_parameters(ema, {"w": jnp.float32(value)}, jnp.int32(step), 0.3)
        expected = kept * expected + (1 - kept) * value
        np.testing.assert_allclose(ema["w"], expected, rtol=1e-6)
    assert ema["w"].dtype == jnp.float32


def test_late_averages_have_the_full_decay() -> None:
    ema = averaged_parameters({"w": jnp.ones(2)}, {"w": jnp.zeros(2)}, jnp.int32(10**6), 0.99)
    np.testing.assert_allclose(ema["w"], 0.99, rtol=1e-6)


def test_an_average_of_what_stays_is_what_stays() -> None:
    params = {"w": jnp.linspace(-3, 3, 7)}
    ema = params
    for step in (0, 1, 5, 1000):
        ema = averaged_parameters(ema, params, jnp.int32(step), 0.999)
    np.testing.assert_allclose(ema["w"], params["w"], rtol=1e-6)


def new_state(frozen: str | None, optimizer: Any, *, ema: bool = True) -> TrainState:
    mesh = data_mesh(jax.devices()[:1])
    return create_state(Layers(), optimizer, SPEC, 0, mesh, frozen=frozen, ema=ema)


def test_what_is_evaluated() -> None:
    plain = new_state(None, make_optimizer("sgd"), ema=False)
    assert plain.ema is None
    assert evaluated_params(plain) is plain.params
    state = new_state("stem/.*", make_optimizer("sgd"))
    assert set(state.ema) == {"middle", "head"}
    state = state.replace(ema=jax.tree.map(lambda x: x + 1, state.ema))
    found = evaluated_params(state)
    jax.tree.map(np.testing.assert_array_equal, found["stem"], state.params["stem"])
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a, b + 1), found["head"], state.params["head"]
    )


def trained_for(state: TrainState, optimizer: Any, frozen: str | None, steps: int) -> TrainState:
    """Returns the state after steps by random gradients of its trained parameters."""
    rng = np.random.default_rng(int(state.step))
    trained, kept = split_tree(state.params, frozen)
    opt_state, ema = state.opt_state, state.ema
    for step in range(int(state.step), int(state.step) + steps):
        gradients = jax.tree.map(lambda x: rng.standard_normal(x.shape, np.float32), trained)
        updates, opt_state = optimizer.update(gradients, opt_state, trained)
        trained = optax.apply_updates(trained, jax.tree.map(lambda u: 0.1 * u, updates))
        ema = averaged_parameters(ema, trained, jnp.int32(step), 0.9)
    params = merge_trees(trained, kept)
    return TrainState(state.step + steps, params, state.batch_stats, opt_state, ema)


def slots(state: TrainState) -> dict[str, Any]:
    """Returns tree path → array of the optimizer's state."""
    leaves = jax.tree_util.tree_leaves_with_path(state.opt_state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def test_the_next_phase_keeps_what_goes_on_and_begins_what_is_new() -> None:
    """Three phases: the head, then the middle too, then all: each starts Adam's counts at 0."""
    patterns = [HEAD_ALONE, "stem/.*", None]
    mesh, state, optimizer = data_mesh(jax.devices()[:1]), None, None
    for phase, frozen in enumerate(patterns):
        before, trained = state, split_tree(abstract(), frozen)[0]
        optimizer = make_optimizer("adam", labels=optimizer_state_labels(patterns, phase, trained))
        if before is None:
            state = new_state(frozen, optimizer)
        else:
            state = next_phase(before, optimizer, frozen, mesh)
            old, new = slots(before), slots(state)
            # Everything there was, at the same place, bit for bit.
            assert set(old) < set(new)
            for path in old:
                np.testing.assert_array_equal(new[path], old[path], err_msg=path)
            # Everything else is fresh, and there is a slot of it for each new parameter.
            for path in set(new) - set(old):
                np.testing.assert_array_equal(new[path], 0, err_msg=path)
            counts = [leaf for path, leaf in new.items() if path.endswith(".count")]
            assert sorted(map(int, counts)) == [0, *(3 * k for k in range(1, phase + 1))]
            jax.tree.map(np.testing.assert_array_equal, state.params, before.params)
            assert state.step == before.step
            # Averages go on; those of new parameters begin where the parameters are.
            averages, was = flatten(state.ema), flatten(before.ema)
            for path, leaf in averages.items():
                np.testing.assert_array_equal(leaf, was.get(path, flatten(state.params)[path]))
        assert set(flatten(state.ema)) == set(flatten(trained))
        moments = [path for path in slots(state) if ".mu" in path]
        assert len(moments) == len(flatten(trained))
        state = trained_for(state, optimizer, frozen, 3)


def abstract() -> dict[str, Any]:
    return jax.eval_shape(lambda: new_state(None, make_optimizer("sgd")).params)


def test_what_is_frozen_again_loses_slots_and_averages() -> None:
    patterns, mesh = [None, "stem/.*|middle/.*"], data_mesh(jax.devices()[:1])
    optimizer = make_optimizer("adam", labels=optimizer_state_labels(patterns, 0, abstract()))
    state = trained_for(new_state(None, optimizer), optimizer, None, 2)
    left = split_tree(abstract(), patterns[1])[0]
    optimizer = make_optimizer("adam", labels=optimizer_state_labels(patterns, 1, left))
    after = next_phase(state, optimizer, patterns[1], mesh)
    assert set(after.ema) == {"head"}
    assert not [path for path in slots(after) if "stem" in path or "middle" in path]
    np.testing.assert_array_equal(after.ema["head"]["kernel"], state.ema["head"]["kernel"])
    assert {int(leaf) for path, leaf in slots(after).items() if path.endswith(".count")} == {2}
    # What is frozen stays as it was trained, not as it was averaged.
    found = evaluated_params(after)
    np.testing.assert_array_equal(found["stem"]["kernel"], state.params["stem"]["kernel"])


@pytest.mark.parametrize("devices", [1, 4])
def test_a_new_phases_state_may_be_donated_whole(devices: int) -> None:
    """Parameters and the averages that begin at them are two arrays."""
    mesh = data_mesh(jax.devices()[:devices])
    optimizer = make_optimizer("sgd")
    state = create_state(Layers(), optimizer, SPEC, 0, mesh, frozen=HEAD_ALONE, ema=True)
    state = next_phase(state, optimizer, None, mesh)
    before = jax.tree.map(np.array, state)
    advance = jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)
    after = advance(state)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b + 1), after, before)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
@pytest.mark.parametrize("split", [False, True])
def test_one_value_in_any_share_that_is_not_finite_is_found(bad: float | None, split: bool) -> None:
    values = np.ones((8, 4), np.float32)
    if bad is not None:
        values[7, 3] = bad
    mesh = data_mesh(jax.devices()[:4])
    placement = batch_sharded(mesh) if split else replicated(mesh)
    tree = {"a": jnp.ones(3), "b": jax.device_put(values, placement)}
    assert all_finite(tree) == bool(_finite_on_devices(tree)) == (bad is None)


@pytest.mark.parametrize("split", [False, True])
def test_while_a_state_is_made_its_shapes_and_placement_are_told(split: bool) -> None:
    mesh = data_mesh(jax.devices()[:1])
    make = partial(create_state, Layers(), make_optimizer("sgd"), SPEC, 0, mesh, split=split)
    told: list[TrainState] = []
    state = make(during_compilation=told.append)
    jax.tree.map(np.testing.assert_array_equal, state, make())
    (abstract,) = told
    of = operator.attrgetter("shape", "dtype", "sharding")
    assert jax.tree.map(of, abstract) == jax.tree.map(of, state)
