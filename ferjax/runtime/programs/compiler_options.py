"""`jax.jit` with the compiler options that are fastest on a CPU, where jaxlib knows them."""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jaxlib
import numpy as np
from jax.sharding import Mesh

from ferjax.errors import one_line

_log = logging.getLogger(__name__)

# jaxlib 0.10 runs CPU convolutions with YNNPACK. Its weight gradients are 4 times slower than those
# of Eigen. With the first option only reductions are fused, and convolutions use Eigen again. With
# YNNPACK a forward pass of resnet18 at 100 pixels takes 3 times as long for one face and 1.6 times
# for 64; the second option turns it off. Other versions of jaxlib may not know the option.
_YNNPACK = "xla_cpu_experimental_ynn_fusion_type"
_CPU_OPTIONS = {_YNNPACK: "LIBRARY_FUSION_TYPE_REDUCE"}
_CPU_FORWARD_OPTIONS = {_YNNPACK: ""}
# How the error of XLA begins for an option, or a value of it, that jaxlib does not have.
_UNKNOWN_OPTION = "INVALID_ARGUMENT"


def _options_for(platform: str, forward: bool) -> dict[str, str]:
    if platform != "cpu":
        return {}
    return _CPU_FORWARD_OPTIONS if forward else _CPU_OPTIONS


def compiler_options(platform: str, *, forward: bool = False) -> dict[str, str]:
    """Returns the compiler options for a platform.

    Options that this jaxlib does not know are dropped, and one warning says so.

    Args:
      platform: jax's name of the platform.
      forward: whether the options are for a forward pass alone, else for gradients.
    """
    return dict(_known_options(platform, forward))


@functools.cache
def _known_options(platform: str, forward: bool) -> Mapping[str, str]:
    options = _options_for(platform, forward)
    if not options:
        return {}
    number = jax.ShapeDtypeStruct((), np.float32)
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(number).compile()
    except jax.errors.JaxRuntimeError as error:
        # Other errors, such as a lack of memory, say nothing about the options.
        if not str(error).startswith(_UNKNOWN_OPTION):
            raise
        _warn_of_dropped_options(one_line(error))
        return {}
    return options


@functools.cache
def _warn_of_dropped_options(reason: str) -> None:
    """Logs a warning, once for each reason: options for several purposes have the same names."""
    _log.warning(
        "compiler options are left out, because jaxlib %s refuses them; training and prediction"
        " may be slower: %s",
        jaxlib.__version__,
        reason,
    )


def dropped_options(platform: str) -> list[str]:
    """Returns the compiler options that this jaxlib does not know, as "gradients: name=value"."""
    return [
        f"{purpose}: {name}={value!r}"
        for purpose, forward in (("gradients", False), ("forward passes", True))
        for name, value in _options_for(platform, forward).items()
        if name not in compiler_options(platform, forward=forward)
    ]


def jit_is_disabled() -> bool:
    """Returns whether JAX_DISABLE_JIT runs every operation by itself, for debugging."""
    return cast(Any, jax.config).jax_disable_jit


def compiled(function: Callable[..., Any], mesh: Mesh, **jit_arguments: Any) -> Callable[..., Any]:
    """Returns `jax.jit(function)` with the compiler options of the platform, for gradients.

    Evaluation is jitted without them: with YNNPACK a row of a batch has the same bits at every
    position, which Eigen does not guarantee at every batch size.
    """
    options = compiler_options(mesh.devices.flat[0].platform)
    return jax.jit(function, compiler_options=options, **jit_arguments)


def compiled_forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `jax.jit(function)` with the options that make a forward pass fastest.

    A row of a batch may differ in its last bits with its position and the size of the batch.
    """
    options = compiler_options(jax.default_backend(), forward=True)
    return jax.jit(function, compiler_options=options)
