"""A case of one operation, forward and backward, on three sides."""

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
      name: of the case.
      shapes: of the arguments: image NHWC, kernel HWIO, bias.
      ours: ferjax's operation.
      plain: the same written with `lax`, as one would without ferjax.
      torch: the same on NCHW and OIHW tensors.
      wrt: the arguments that get a gradient.
      **fields: of `Case`.
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
