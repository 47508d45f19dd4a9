"""Counts the FLOPs and the least bytes of a training step as it is compiled for a GPU.

    moved  = 2 state + batch + 2 stored
    state  = parameters, batch statistics, optimizer's slots and sums: read once, written once
    batch  = the uint8 images and their labels: read once
    stored = distinct arrays that the convolutions and matrix products of the forward pass multiply
             by kernels: written in the forward pass, read in the backward pass for the gradients
             of the kernels

A real step moves more. Each convolution reads its input and writes its output, a batch norm reads
both its input and its gradient twice, and gradients of kernels are written before the optimizer
reads them. An array inside a loop is not counted: the tiled jumper keeps only its input.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
from jax import export
from jax.extend.core import Literal

from ferjax.bench.measuring.operation_counts import (
    MATRIX_OPERATIONS,
    inner_jaxprs,
    matrix_flops,
)
from ferjax.ops.choose_implementation import implementations_of
from ferjax.runtime.random_keys import stream_key
from ferjax.training.augmented_views import augmented_views
from ferjax.training.forward_pass import training_logits
from ferjax.training.step_settings import StepSettings

# jax's name of the platform in programs, and in the choice of implementations.
_LOWERED, _CHOSEN = "cuda", "gpu"
_LOOPS = ("scan", "while")


@dataclass(frozen=True)
class StepCounts:
    """Work of one training step.

    Attributes:
      flops: FLOPs of convolutions and matrix products; a multiply-add counts as two.
      products: number of convolutions and matrix products.
      state_bytes: bytes of state and sums.
      batch_bytes: bytes of the batch.
      stored_bytes: bytes that the forward pass stores for the gradients of kernels.
    """

    flops: float
    products: int
    state_bytes: int
    batch_bytes: int
    stored_bytes: int

    @property
    def moved_bytes(self) -> int:
        """Returns the least bytes that the step moves between GPU and memory."""
        return 2 * self.state_bytes + self.batch_bytes + 2 * self.stored_bytes


@dataclass(frozen=True)
class GpuProgram:
    """A training step, traced with a GPU's implementations and lowered for an NVIDIA GPU.

    Attributes:
      jaxpr: the trace.
      text: the lowered program, StableHLO.
    """

    jaxpr: Any
    text: str


def gpu_program(step: Callable[..., Any], arguments: tuple[Any, ...]) -> GpuProgram:
    """Returns the program of a step, on any machine; compiles nothing.

    Args:
      step: a pure function.
      arguments: abstract arguments.
    """
    with implementations_of(_CHOSEN):
        # A new function: jit caches traces by function, and a trace keeps its implementations.
        jitted = jax.jit(lambda *values: step(*values))
        exported = export.export(jitted, platforms=(_LOWERED,))(*arguments)
        return GpuProgram(jitted.trace(*arguments).jaxpr.jaxpr, str(exported.mlir_module()))


def count_step(step: Callable[..., Any], arguments: tuple[Any, ...]) -> StepCounts:
    """Returns the work of a training step on a GPU; lowers it for one, and compiles nothing.

    Args:
      step: a partial of `train_step` with its `settings`.
      arguments: abstract state, sums and batch.
    """
    state, sums, batch = arguments
    settings: StepSettings = step.keywords["settings"]  # pyright: ignore
    with implementations_of(_CHOSEN):
        forward = jax.make_jaxpr(_forward(settings))(state.params, state.batch_stats, batch)
    flops, products = matrix_flops(gpu_program(step, arguments).jaxpr)
    return StepCounts(
        flops=flops,
        products=products,
        state_bytes=_bytes((state, sums)),
        batch_bytes=_bytes(batch),
        stored_bytes=stored_bytes(forward.jaxpr),
    )


def stored_bytes(jaxpr: Any) -> int:
    """Returns the bytes of the distinct arrays that matrix operations take on their left side."""
    operands = dict(_left_operands(jaxpr, {}, ()))
    return sum(aval.size * aval.dtype.itemsize for aval in operands.values())


def _left_operands(jaxpr: Any, outer: dict[Any, Any], path: tuple[int, ...]) -> Iterator[Any]:
    """Yields (identity, abstract array) of the left operands outside loops.

    Args:
      jaxpr: the jaxpr to walk through.
      outer: variable of the jaxpr → identity of the array of the caller that it stands for.
      path: numbers of the calling equations. A jaxpr that is called twice has the same variables.
    """

    def identity(variable: Any) -> Any:
        return outer.get(variable, (path, variable))

    for number, equation in enumerate(jaxpr.eqns):
        name = equation.primitive.name
        if name in MATRIX_OPERATIONS:
            yield identity(equation.invars[0]), equation.invars[0].aval
        if name in _LOOPS:
            continue
        for inner in inner_jaxprs(equation):
            same = len(inner.invars) == len(equation.invars)
            values = zip(inner.invars, equation.invars, strict=True) if same else ()
            # Literals are constants, and not hashable.
            identities = {
                variable: identity(value)
                for variable, value in values
                if not isinstance(value, Literal)
            }
            yield from _left_operands(inner, identities, (*path, number))


def _forward(settings: StepSettings) -> Callable[..., Any]:
    def forward(params: Any, batch_stats: Any, batch: Any) -> jax.Array:
        key = stream_key(settings.seed, "augment", 0)
        inputs = augmented_views(key, batch, settings)[0]
        return training_logits(settings.model, params, batch_stats, inputs, key)[0]

    return forward


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
