"""The JAX sides of a case: ferjax's operations and compiler options, or plain XLA's defaults."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import Run
from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.sharding import data_mesh

Shapes = Sequence[tuple[int, ...]]


def compile_ahead(
    function: Callable[..., Any], arguments: tuple[Any, ...], *, plain: bool, **jit_arguments: Any
) -> Callable[..., Any]:
    """Returns the function compiled for these arguments, with ferjax's options or plain XLA's.

    Args:
      function: a pure function.
      arguments: concrete or abstract.
      plain: use the plain forms of operations and XLA's default compiler options.
      **jit_arguments: passed to `jax.jit`.
    """
    if plain:
        step: Any = jax.jit(with_plain_implementations(function), **jit_arguments)
    else:
        step = compiled(function, data_mesh(jax.devices()[:1]), **jit_arguments)
    return step.lower(*arguments).compile()


def forward_backward(op: Callable[..., jax.Array], wrt: tuple[int, ...]) -> Callable[..., Any]:
    """Returns a function (dy, *inputs) → value and gradients of the inputs numbered in `wrt`."""

    def run(dy: jax.Array, *inputs: jax.Array) -> tuple[Any, Any]:
        def value(*differentiated: jax.Array) -> jax.Array:
            values = dict(enumerate(inputs)) | dict(zip(wrt, differentiated, strict=True))
            return op(*(values[i] for i in range(len(inputs))))

        y, pullback = jax.vjp(value, *(inputs[i] for i in wrt))
        return y, pullback(dy)

    return run


def abstract(op: Callable[..., jax.Array], shapes: Shapes) -> tuple[jax.ShapeDtypeStruct, ...]:
    """Returns the abstract float32 arguments (dy, *inputs) of `forward_backward`."""
    inputs = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    return (jax.eval_shape(op, *inputs), *inputs)


def random_arrays(abstract_arrays: Sequence[Any]) -> list[np.ndarray]:
    """Returns standard normal float32 arrays of the given shapes, the same on every side."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(array.shape, np.float32) for array in abstract_arrays]


def op_run(
    op: Callable[..., jax.Array], shapes: Shapes, wrt: tuple[int, ...], *, plain: bool
) -> Run:
    """Returns a run of an operation, forward and backward."""
    abstract_arrays = abstract(op, shapes)
    arguments = tuple(jax.device_put(random_arrays(abstract_arrays)))
    step = compile_ahead(forward_backward(op, wrt), arguments, plain=plain)

    def run() -> Any:
        return jax.block_until_ready(step(*arguments))

    return run
