"""Training images that stay on the devices (`--images_on_device`), and the batches of a phase.

A batch from the host then has only the positions of its images. The pixels are the same, so the
numbers of a run do not depend on where they are.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.config.train_config import TrainConfig
from ferjax.data.pipeline.grain_batches import iterate
from ferjax.data.pipeline.stacked_batches import stacked_by_call
from ferjax.data.splits.split import Split, without_images
from ferjax.runs.task import Task, train_batches
from ferjax.runs.teachers import with_teachers
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.sharding import put_batch, replicated

# With `auto` the images take at most this share of a device's memory.
_SHARE_OF_MEMORY = 1 / 8
# Images that are read at once.
_BLOCK = 1024


def images_are_on_device(config: TrainConfig, split: Split, mesh: Mesh) -> bool:
    """Returns whether the images of a training split are kept on the devices.

    With `auto` they are kept on accelerators, whose memory is known and large enough. A CPU would
    hold them twice and gain nothing.
    """
    if config.images_on_device != "auto":
        return config.images_on_device == "on"
    device = mesh.local_devices[0]
    if device.platform == "cpu":
        return False
    memory = (device.memory_stats() or {}).get("bytes_limit", 0)
    return len(split) * prod(split.shape) <= _SHARE_OF_MEMORY * memory


def batches_on_devices(
    task: Task, train: Split, step: int, interrupted: Callable[[], bool] = lambda: False
) -> Iterator[dict[str, Any]]:
    """Yields the batch of each call of the training step from `step` on, placed on the devices.

    Images that are kept on the devices are read here, whole and once.

    Args:
      task: the task of the run.
      train: the training split of the phase.
      step: number of the first batch, from 0 at the start of the run.
      interrupted: () → whether the user asked to stop.

    Raises:
      UserError: an image that cannot be read.
      KeyboardInterrupt: the user asked to stop while the images were read.
    """
    config, images = task.config, None
    if images_are_on_device(config, train, task.mesh):
        images = _put_images(_read_all(train, config.progress, interrupted), task.mesh)
    source = train if images is None else without_images(train)
    batches = iterate(train_batches(config, source), step)
    if task.steps_per_call > 1:
        batches = stacked_by_call(batches, task.steps_per_call, task.steps_per_epoch, step)
    put = partial(put_batch, mesh=task.mesh, axis=batch_axis(task))
    for batch in batches:
        yield step_batch(batch, images, task, put)


def batch_axis(task: Task) -> int:
    """Returns the axis of the rows in the arrays of a batch; before it may be an axis of steps."""
    return 1 if task.steps_per_call > 1 else 0


def step_batch(
    batch: Mapping[str, Any],
    images: Any,
    task: Task,
    put: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, Any]:
    """Returns a batch as the training step takes it.

    Args:
      batch: a batch on the host.
      images: all images of the split on every device, which replace those of the batch; or None.
      task: the task of the run, with its teachers.
      put: function: arrays on the host → arrays on the devices, or their shapes.
    """
    if images is None:
        return with_teachers(put(batch), task.teachers)
    sent = {name: rows for name, rows in batch.items() if name != "image"}
    return with_teachers({**put(sent), "images": images}, task.teachers)


def _read_all(split: Split, progress: bool, interrupted: Callable[[], bool]) -> np.ndarray:
    """Returns all images of a split, uint8 [N, H, W, C]."""
    images = np.empty((len(split), *split.shape), np.uint8)
    with tqdm(
        total=len(split),
        desc="reading images",
        unit="image",
        disable=None if progress else True,
        leave=False,
    ) as bar:
        for first in range(0, len(split), _BLOCK):
            if interrupted():
                raise KeyboardInterrupt
            positions = np.arange(first, min(first + _BLOCK, len(split)))
            images[positions] = split.read(positions)
            bar.update(len(positions))
    return images


def _put_images(images: np.ndarray, mesh: Mesh) -> jax.Array:
    """Returns the images on every device; each process holds all of them."""
    return jax.make_array_from_process_local_data(replicated(mesh), images, images.shape)
