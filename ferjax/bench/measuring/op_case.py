"""Benchmark case of one operation, forward and backward: ferjax, plain XLA, PyTorch."""

from collections.abc import Callable
from typing import Any

import jax

from ferjax.bench.measuring.case import OURS, XLA, Case
from ferjax.bench.measuring.jax_sides import Shapes, abstract, forward_backward, op_run
from ferjax.bench.measuring.pytorch_side import op_peers


def op_case(
    name: str,
    shapes: Shapes,
    *,
    ours: Callable[..., jax.Array],
    plain: Callable[..., jax.Array],
    torch: Callable[..., Any],
    wrt: tuple[int, ...],
    **fields: Any,
) -> Case:
    """Returns the case of an operation.

    Args:
      name: the case's name.
      shapes: shapes of the arguments: image NHWC, kernel HWIO, bias.
      ours: ferjax's operation.
      plain: the same operation written with `lax`.
      torch: the same operation on NCHW and OIHW tensors.
      wrt: positions of the arguments that get a gradient.
      **fields: further fields of `Case`.
    """
    return Case(
        name=name,
        shape=" * ".join("x".join(map(str, shape)) for shape in shapes[:2]),
        function=forward_backward(ours, wrt),
        arguments=lambda: abstract(ours, shapes),
        sides={
            OURS: lambda: op_run(ours, shapes, wrt, plain=False),
            XLA: lambda: op_run(plain, shapes, wrt, plain=True),
        },
        peers=op_peers(torch, ours, shapes, wrt),
        **fields,
    )
