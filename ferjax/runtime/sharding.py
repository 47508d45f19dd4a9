"""The device mesh, the placements on it, and how functions are compiled for it."""

import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ferjax.errors import UserError
from ferjax.runtime.processes import joined

_log = logging.getLogger(__name__)

# jaxlib 0.10 hands CPU convolutions to YNNPACK, whose weight gradients are 4 times slower than
# Eigen's; fusing reductions alone gives them back. Other jaxlibs may not know the option.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


# Elements; what is smaller costs more to gather than it saves.
_SPLIT_FROM = 1024

# jax.Device objects; type checkers take that name for a variable.
Devices = Sequence[Any]


def data_mesh(devices: Devices | None = None) -> Mesh:
    """Returns a mesh with one axis, `data`, over the given devices, or all of all hosts."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ("data",), (AxisType.Auto,), devices=devices)


def devices_for(batch_size: int) -> Devices:
    """Returns as many devices as divide the batch: a run is read on machines it was not made on.

    Of joined processes all devices are returned: each has to take part.
    """
    devices = jax.devices()
    if joined():
        return devices
    return devices[: math.gcd(batch_size, len(devices))]


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the placement of parameters: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_over(shapes: Any, mesh: Mesh) -> Any:
    """Returns the placement of a state of which each device holds a share.

    Arrays are split along their longest axis that the devices divide; what is small, or has no such
    axis, is replicated.

    Args:
      shapes: tree of arrays or of what has their shapes.
      mesh: of the run.
    """

    def place(leaf: Any) -> NamedSharding:
        longest = sorted(range(leaf.ndim), key=lambda axis: -leaf.shape[axis])
        fitting = [axis for axis in longest if leaf.shape[axis] % mesh.size == 0]
        if not fitting or leaf.size < _SPLIT_FROM:
            return replicated(mesh)
        return NamedSharding(mesh, PartitionSpec(*[None] * fitting[0], "data"))

    return jax.tree.map(place, shapes)


def batch_sharded(mesh: Mesh) -> NamedSharding:
    """Returns the placement of a batch: rows split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Returns the global batch on the mesh, from this process's rows of it."""
    put = functools.partial(jax.make_array_from_process_local_data, batch_sharded(mesh))
    return {name: put(rows) for name, rows in batch.items()}


def check_batch_size(batch_size: int, mesh: Mesh, parts: int = 1) -> None:
    """Raises `UserError` where the devices do not divide the global batch, or a part of it."""
    devices = mesh.size
    if batch_size % (devices * parts):
        low = batch_size // (devices * parts) * devices * parts
        near = " or ".join(str(size) for size in (low, low + devices * parts) if size)
        times = f" times --accumulate={parts}" if parts > 1 else ""
        raise UserError(
            f"--batch_size={batch_size} is not a multiple of the {devices} devices{times}."
            f" Nearest that work: {near}."
        )


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """Returns a platform's compiler options, probed once: unknown ones are dropped and logged."""
    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=_CPU_OPTIONS)(jnp.zeros(()))
    except jax.errors.JaxRuntimeError as error:
        _log.info("compiler options dropped, unknown to this jaxlib: %s", error)
        return {}
    return _CPU_OPTIONS


def compiled(function: Callable[..., Any], mesh: Mesh, **jit_arguments: Any) -> Callable[..., Any]:
    """Returns `jax.jit(function)` with this platform's compiler options, for gradients.

    Forward passes are jitted without: YNNPACK's are as fast, and give a row of a batch the same
    bits wherever it stands, which Eigen's products do not at every batch size.
    """
    options = compiler_options(mesh.devices.flat[0].platform)
    return jax.jit(function, compiler_options=options, **jit_arguments)
