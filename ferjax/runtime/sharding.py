"""Device mesh, sharding of parameters and batches over it, and jit with our compiler options."""

import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jax
import jaxlib
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ferjax.errors import UserError, one_line
from ferjax.runtime.processes import is_distributed

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

# Number of elements. Splitting a smaller array costs more time in gathering than it saves memory.
_LEAST_SPLIT_SIZE = 1024

# jax.Device objects; type checkers treat that name as a variable.
Devices = Sequence[Any]


def data_mesh(devices: Devices | None = None) -> Mesh:
    """Returns a mesh with one axis, `data`, over the devices; None: all devices of all hosts."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ("data",), (AxisType.Auto,), devices=devices)


def devices_for(batch_size: int) -> Devices:
    """Returns devices whose number divides the batch size.

    A run may be evaluated on another machine than the one that trained it. In a multi-process run
    all devices are returned, because each process must take part.
    """
    devices = jax.devices()
    if is_distributed():
        return devices
    return devices[: math.gcd(batch_size, len(devices))]


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of parameters: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_over(shapes: Any, mesh: Mesh) -> Any:
    """Returns the sharding of a training state that is split over the devices.

    Each array is split along its longest axis that the number of devices divides. Small arrays, and
    arrays without such an axis, are replicated.

    Args:
      shapes: tree of arrays or of `jax.ShapeDtypeStruct`.
      mesh: the mesh of the run.

    Returns:
      A tree of `NamedSharding`.
    """

    def sharding_of(leaf: Any) -> NamedSharding:
        longest = sorted(range(leaf.ndim), key=lambda axis: -leaf.shape[axis])
        fitting = [axis for axis in longest if leaf.shape[axis] % mesh.size == 0]
        if not fitting or leaf.size < _LEAST_SPLIT_SIZE:
            return replicated(mesh)
        return NamedSharding(mesh, PartitionSpec(*[None] * fitting[0], "data"))

    return jax.tree.map(sharding_of, shapes)


def batch_sharded(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Returns the sharding of a batch: its rows, along `axis`, are split over the devices."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh, axis: int = 0) -> dict[str, jax.Array]:
    """Returns the global batch on the mesh; a number is replicated.

    Args:
      batch: the rows of this process, and numbers.
      mesh: the devices.
      axis: axis of the rows.
    """
    rows, number = batch_sharded(mesh, axis), replicated(mesh)
    return {
        name: jax.make_array_from_process_local_data(rows if value.ndim else number, value)
        for name, value in batch.items()
    }


def check_batch_size(batch_size: int, mesh: Mesh, parts: int = 1) -> None:
    """Raises `UserError` if the devices do not divide the global batch, or one of its parts."""
    if batch_size < 1:
        raise UserError(f"--batch_size={batch_size}: at least 1 is expected.")
    devices = mesh.size
    if batch_size % (devices * parts):
        low = batch_size // (devices * parts) * devices * parts
        near = " or ".join(str(size) for size in (low, low + devices * parts) if size)
        times = f" times --accumulate={parts}" if parts > 1 else ""
        raise UserError(
            f"--batch_size={batch_size} is not a multiple of the {devices} devices{times}."
            f" Nearest that work: {near}."
        )


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
