"""Suite `jumper`: P5's residual jumper as one operation, and whole steps of its network (awei)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.bench.measuring.case import OURS, Case
from ferjax.bench.measuring.op_case import op_case
from ferjax.bench.measuring.operation_counts import work_of
from ferjax.bench.measuring.train_step_case import random_batch, step_parts, train_case
from ferjax.bench.pytorch import networks
from ferjax.models.awei import JUMPERS
from ferjax.ops.conv_pool import conv_relu_max_pool

_BATCH, _SIDE, _FILTERS, _WINDOW = 8, 224, 512, 32


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    return (
        _jumper("jumper of the image", inputs=3, wrt=(1, 2), quick=True),
        _jumper("jumper of conv1", inputs=32, wrt=(0, 1, 2)),
        *map(awei_step, JUMPERS),
    )


def awei_step(jumper: str = "input") -> Case:
    """Returns the case of a training step of the whole network with one of its jumpers.

    Only P5's own jumper has peers: the others serve to compare the jumpers.
    """
    # Channels of the jumper's input, for the jumpers that are one fused operation.
    channels = {"input": 3, "conv1": 32}.get(jumper)
    case = train_case(
        "awei",
        side=_SIDE,
        channels=3,
        batch_size=_BATCH,
        optimizer="adam",
        twin=lambda: networks.awei(jumper, _SIDE),
        network={"jumper": jumper},
        flops=channels
        and (lambda: _trunk_flops() + jumper_flops(channels, 1 if channels == 3 else 2)),
        memory=jumper == "input",
    )
    if jumper == "input":
        return case
    return dataclasses.replace(case, sides={OURS: case.sides[OURS]}, peers=())


def jumper_flops(inputs: int, gradients: int) -> float:
    """Returns the FLOPs of the jumper: a full convolution, and gradients of pooled maxima only.

    Args:
      inputs: channels of its input.
      gradients: how many of input and kernel get a gradient. The gradient flows only through the
        maximum of a pooling window, one pixel of 32x32.
    """
    pixels = _BATCH * _SIDE**2
    return 2 * 9 * inputs * _FILTERS * (pixels + gradients * pixels / _WINDOW**2)


def _trunk_flops() -> float:
    step, init = step_parts("awei", _SIDE, 3, "adam", {"jumper": "none"})
    return work_of(step, *jax.eval_shape(init), random_batch(_SIDE, 3, _BATCH)).flops


def _plain(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
    y = jnp.maximum(y + bias[None, None, None], 0)
    window = (1, _WINDOW, _WINDOW, 1)
    return lax.reduce_window(y, -jnp.inf, lax.max, window, window, "VALID")


def _torch(x: Any, kernel: Any, bias: Any) -> Any:
    from torch.nn import functional

    y = functional.relu(functional.conv2d(x, kernel, bias, padding=1), inplace=True)
    return functional.max_pool2d(y, _WINDOW)


def _jumper(name: str, inputs: int, wrt: tuple[int, ...], quick: bool = False) -> Case:
    return op_case(
        name,
        [(_BATCH, _SIDE, _SIDE, inputs), (3, 3, inputs, _FILTERS), (_FILTERS,)],
        ours=lambda x, kernel, bias: conv_relu_max_pool(x, kernel, bias, window=_WINDOW),
        plain=_plain,
        torch=_torch,
        wrt=wrt,
        flops=lambda: jumper_flops(inputs, len(wrt) - 1),
        memory=True,
        quick=quick,
    )
