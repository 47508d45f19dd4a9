"""Settings of `init_state`, `make_train_step` and `batches` that fit nothing are refused."""

from typing import Any

import jax
import numpy as np
import optax
import pytest

import ferjax
from ferjax.specs import InputSpec

SPEC = InputSpec((16, 16), 16, 1, (0.5,), (0.25,))
MODEL = ferjax.create_model("base_cnn", 3)
OPTIMIZER = optax.adam(1e-3)
SPLIT = ferjax.split_from_arrays("train", np.zeros((20, 16, 16, 1), np.uint8), np.arange(20) % 3)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            {"variables": {"params/conv_1/kernel": np.zeros((5, 5, 1, 10))}},
            "no params/conv_1/kernel. Did you mean params/conv1/kernel",
        ),
        ({"variables": {"conv1/kernel": np.zeros(3)}}, "no conv1/kernel. It has params/"),
        (
            {"variables": {"params/conv1/kernel": np.zeros((3, 3))}},
            r"params/conv1/kernel is \[3, 3\], the network's is \[",
        ),
        ({"frozen": "convv.*"}, "convv.* matches no parameter"),
        ({"frozen": ".*"}, "matches every parameter"),
        ({"frozen": "conv("}, r"frozen=conv\(: not a regular expression"),
    ],
)
def test_initial_values_and_frozen_parameters_exist(given: dict[str, Any], error: str) -> None:
    with pytest.raises(ferjax.UserError, match=error):
        ferjax.init_state(MODEL, OPTIMIZER, SPEC, **given)


def test_values_of_variables_of_the_network_are_taken() -> None:
    shape = ferjax.init_state(MODEL, OPTIMIZER, SPEC).params["head"]["kernel"].shape
    given = {"params/head/kernel": np.full(shape, 0.5, np.float32)}
    state = ferjax.init_state(MODEL, OPTIMIZER, SPEC, variables=given, frozen="all_but_head")
    np.testing.assert_array_equal(state.params["head"]["kernel"], given["params/head/kernel"])
    trained = [leaf.shape for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim == 2]
    assert trained == 2 * [shape]  # adam's two moments of the head's kernel, and of no other


@pytest.mark.parametrize(
    ("state", "step", "error"),
    [
        ({"ema": True}, {}, "made with ema=True and the step with ema=None"),
        ({}, {"ema": 0.9}, "made with ema=False and the step with ema=0.9"),
        ({"frozen": "conv1/.*"}, {}, "the same optimizer and the same `frozen`"),
        ({}, {"frozen": "conv1/.*"}, "the same optimizer and the same `frozen`"),
        ({"optimizer": optax.sgd(0.1, momentum=0.9)}, {}, "the same optimizer"),
    ],
)
def test_state_and_step_have_the_same_settings(
    state: dict[str, Any], step: dict[str, Any], error: str
) -> None:
    made = ferjax.init_state(**{"model": MODEL, "optimizer": OPTIMIZER, "spec": SPEC, **state})
    take_step = ferjax.make_train_step(MODEL, OPTIMIZER, SPEC, **step)
    with pytest.raises(ferjax.UserError, match=error):
        take_step(made, ferjax.zero_sums(), next(ferjax.batches(SPLIT, 8)))


def test_a_step_with_average_and_frozen_parameters_goes_on() -> None:
    state = ferjax.init_state(MODEL, OPTIMIZER, SPEC, frozen="all_but_head", ema=True)
    step = ferjax.make_train_step(MODEL, OPTIMIZER, SPEC, frozen="all_but_head", ema=0.9)
    before, sums = jax.tree.map(np.asarray, state.params), ferjax.zero_sums()
    for batch in ferjax.batches(SPLIT, 8):
        state, sums = step(state, sums, batch)
    assert int(state.step) == 2
    np.testing.assert_array_equal(state.params["conv1"]["kernel"], before["conv1"]["kernel"])
    assert np.any(state.params["head"]["kernel"] != before["head"]["kernel"])
    assert np.any(state.ema["head"]["kernel"] != state.params["head"]["kernel"])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"batch_size": 24}, "--batch_size=24 is more than the 20 images of train"),
        ({"batch_size": 0}, "--batch_size=0: at least 1"),
        ({"batch_size": -8}, "--batch_size=-8: at least 1"),
        ({"batch_size": 8, "first_step": -1}, "first_step=-1: 0 or more"),
        ({"batch_size": 8, "epochs": -1}, "epochs=-1, .*: 0 or more"),
    ],
)
def test_batches_that_do_not_exist_are_refused(given: dict[str, Any], error: str) -> None:
    with pytest.raises(ferjax.UserError, match=error):
        next(ferjax.batches(SPLIT, **given))
    if given["batch_size"] < 1:
        with pytest.raises(ferjax.UserError, match=error):
            ferjax.split_logits(MODEL, SPEC, {}, SPLIT, batch_size=given["batch_size"])
