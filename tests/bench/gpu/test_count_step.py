"""Counted work of training steps against counts by hand, XLA's own count, and the GPU's program."""

import re
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.bench.gpu.count_step import count_step, gpu_program, stored_bytes
from ferjax.bench.measuring.train_step_case import random_batch
from ferjax.bench.suites.gpu_steps import STEPS, GpuStep
from ferjax.images.augment import AUGMENTS
from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.sharding import data_mesh
from ferjax.specs import InputSpec
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import train_step, zero_sums

SMALL = GpuStep("cnn3", 48, 1, 8, "adamw", "bf16")
JUMPER = GpuStep("awei", 64, 3, 8, "adam", "f32", MappingProxyType({"jumper": "input"}))
PRODUCTS = re.compile(r"stablehlo\.(?:convolution|dot_general)\b")


class Dense(nn.Module):
    """16 → 32 → 7, without convolutions."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.relu(nn.Dense(32, name="first")(x.reshape(len(x), -1)))
        return nn.Dense(7, name="head")(x)


def test_a_dense_network_by_hand() -> None:
    network, optimizer = Dense(), make_optimizer("sgd")
    spec = InputSpec((4, 4), 4, 1, mean=(0.0,), std=(1.0,))
    settings = StepSettings(
        network, optimizer, make_schedule("constant", 0.1, 1), spec, augment=AUGMENTS["none"]
    )
    state = jax.eval_shape(
        lambda: create_state(network, optimizer, spec, 0, data_mesh(jax.devices()[:1]))
    )
    step = jax.tree_util.Partial(train_step, settings=settings)
    counts = count_step(step, (state, zero_sums(), random_batch(4, 1, 10)))
    # Forward, gradient of the kernel; the second layer also has the gradient of its input.
    assert counts.flops == 2 * 10 * (2 * 16 * 32 + 3 * 32 * 7)
    assert counts.products == 5
    # The two layers' inputs, float32.
    assert counts.stored_bytes == 4 * 10 * (16 + 32)
    parameters = 16 * 32 + 32 + 32 * 7 + 7
    # Parameters and momentum; the step of the run; five sums.
    slots = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.opt_state))
    assert slots >= 4 * parameters
    assert counts.state_bytes == 4 * parameters + slots + 4 + 5 * 4
    # Image and mask are bytes; label and index int32.
    assert counts.batch_bytes == 10 * (16 + 1 + 4 + 4)
    moved = 2 * counts.state_bytes + counts.batch_bytes + 2 * counts.stored_bytes
    assert counts.moved_bytes == moved


def test_an_array_that_two_layers_read_is_stored_once() -> None:
    def network(x: jax.Array, kernel: jax.Array) -> jax.Array:
        y = jnp.tanh(x @ kernel)
        # Two calls of one jitted function, whose variables are the same.
        square = jax.jit(lambda y: jnp.tanh(y @ kernel) @ kernel)
        return y @ kernel + square(y) + square(2 * y)

    x, kernel = np.zeros((3, 5), np.float32), np.zeros((5, 5), np.float32)
    jaxpr = jax.make_jaxpr(network)(x, kernel).jaxpr
    # x, y, 2 y, and the tanh of both calls.
    assert stored_bytes(jaxpr) == 4 * 5 * x.size


def test_flops_are_those_that_xla_counts() -> None:
    """XLA leaves out products with padding, and also counts additions: 5 % fewer here."""
    step = GpuStep("cnn3", 48, 1, 8, "sgd", "f32")
    function, arguments = with_plain_implementations(step.parts()[0]), step.arguments()
    cost = jax.jit(function).lower(*arguments).cost_analysis()
    assert 0.9 < cost["flops"] / count_step(step.parts()[0], arguments).flops < 1


@pytest.mark.parametrize("step", [SMALL, JUMPER], ids=str)
def test_steps_lower_for_a_gpu_on_any_machine(step: GpuStep) -> None:
    function, arguments = step.parts()[0], step.arguments()
    program = gpu_program(function, arguments).text
    # Outside loops the program has as many products as were counted.
    loops = program.count("stablehlo.while")
    counted = count_step(function, arguments).products
    assert len(PRODUCTS.findall(program)) == counted or loops
    assert bool(loops) == (step is JUMPER)
    # cuDNN and cuBLAS are called by XLA's GPU compiler, nothing by us.
    assert "custom_call" not in program


def test_a_gpu_gets_its_own_implementations() -> None:
    """The tiled jumper has a matrix product in its forward pass only."""
    jumper, plain = (
        count_step(step.parts()[0], step.arguments()).flops
        for step in (JUMPER, GpuStep("awei", 64, 3, 8, "adam", "f32", {"jumper": "none"}))
    )
    assert jumper - plain == 2 * 8 * 64 * 64 * 27 * 512


def test_the_steps_have_different_names_and_both_precisions() -> None:
    assert len({str(step) for step in STEPS}) == len(STEPS)
    assert {step.precision for step in STEPS} == {"f32", "bf16"}
    (resnet50,) = [step for step in STEPS if step.model == "resnet50"]
    assert (resnet50.side, resnet50.batch_size, resnet50.precision) == (224, 256, "bf16")
