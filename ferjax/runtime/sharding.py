"""Device mesh, and sharding of parameters and batches over it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ferjax.errors import UserError
from ferjax.runtime.processes import is_distributed

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
