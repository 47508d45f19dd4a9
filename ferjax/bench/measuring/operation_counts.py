"""Counts FLOPs of convolutions and matrix products, and bytes, in the jaxpr of a function."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from ferjax.bench.measuring.case import Case
from ferjax.ops.choose_implementation import with_plain_implementations


@dataclass(frozen=True)
class Work:
    """The minimum of work in one run.

    Attributes:
      flops: FLOPs of convolutions and matrix products; a multiply-add counts as two.
      bytes: bytes of all arguments, read once, and of all results, written once.
    """

    flops: float
    bytes: float


def case_work(case: Case) -> Work:
    """Returns the work of a case, with its own `flops` or `bytes` where it states them."""
    if case.function is None:
        return Work(0.0, case.bytes)
    work = work_of(case.function, *case.arguments())
    return Work(case.flops(), work.bytes) if case.flops else work


def work_of(function: Callable[..., Any], *arguments: Any) -> Work:
    """Returns the least work of a function of abstract arguments, traced in its plain form."""
    closed = jax.make_jaxpr(with_plain_implementations(function))(*arguments)
    arrays = (*closed.in_avals, *closed.out_avals)
    return Work(matrix_flops(closed.jaxpr)[0], sum(a.size * a.dtype.itemsize for a in arrays))


def matrix_flops(jaxpr: Any) -> tuple[float, int]:
    """Returns the FLOPs and the number of a jaxpr's convolutions and matrix products.

    Those in a loop count as often as it runs.
    """
    flops, products = 0.0, 0
    for equation in jaxpr.eqns:
        if count := MATRIX_OPERATIONS.get(equation.primitive.name):
            flops, products = flops + count(equation), products + 1
        repeats = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner_flops, inner_products in map(matrix_flops, inner_jaxprs(equation)):
            flops, products = flops + repeats * inner_flops, products + repeats * inner_products
    return flops, products


def inner_jaxprs(equation: Any) -> Iterator[Any]:
    """Yields the jaxprs that an equation calls."""
    for value in equation.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(item, "jaxpr", item)
            if hasattr(inner, "eqns"):
                yield inner


def _convolution(equation: Any) -> float:
    kernel, out = equation.invars[1].aval.shape, equation.outvars[0].aval
    _, inputs, *window = (kernel[axis] for axis in equation.params["dimension_numbers"].rhs_spec)
    # The input gradient of a strided convolution convolves a map of mostly inserted zeros.
    zeros = math.prod(equation.params["lhs_dilation"])
    return 2 * out.size * inputs * math.prod(window) / zeros


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    lhs = equation.invars[0].aval.shape
    return 2 * equation.outvars[0].aval.size * math.prod(lhs[axis] for axis in contracted)


# Primitive → function that counts the FLOPs of an equation.
MATRIX_OPERATIONS: Mapping[str, Callable[[Any], float]] = {
    "conv_general_dilated": _convolution,
    "dot_general": _product,
}
