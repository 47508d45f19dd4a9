"""--images_on_device: the same run, with its training images on the devices or in batches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jax
import numpy as np
import pytest

from ferjax.data.pipeline.grain_batches import iterate
from ferjax.experiment import run_train
from ferjax.runs.images_on_device import batches_on_devices, images_are_on_device
from ferjax.runs.task import prepare_task, train_batches

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., Any]


@pytest.mark.parametrize("devices", [1, 2])
def test_the_run_is_the_same(
    tmp_path: Path, tiny_config: Tiny, assert_same_run: Callable[[Path, Path], None], devices: int
) -> None:
    for where in ("on", "off"):
        config = tiny_config(tmp_path / where, model="toy", augment="flip", images_on_device=where)
        run_train(config, jax.devices()[:devices])
    assert_same_run(tmp_path / "on", tmp_path / "off")


def test_the_host_sends_positions_alone(tmp_path: Path, tiny_config: Tiny) -> None:
    config = tiny_config(tmp_path / "run", model="toy", images_on_device="on")
    task = prepare_task(config, jax.devices()[:2])
    train = task.bundle.splits["train"]
    expected = next(iterate(train_batches(config, train), 1))
    batch = next(batches_on_devices(task, train, 1))
    assert batch.keys() == {"images", "label", "mask", "index"}
    np.testing.assert_array_equal(batch["index"], expected["index"])
    images = batch["images"]
    assert [shard.data.shape for shard in images.addressable_shards] == 2 * [images.shape]
    np.testing.assert_array_equal(images[batch["index"]], expected["image"])


def test_reading_can_be_interrupted(tmp_path: Path, tiny_config: Tiny) -> None:
    config = tiny_config(tmp_path / "run", model="toy", images_on_device="on")
    task = prepare_task(config, jax.devices()[:1])
    with pytest.raises(KeyboardInterrupt):
        next(batches_on_devices(task, task.bundle.splits["train"], 0, lambda: True))


@dataclass
class Device:
    """A device with so much memory; None: its memory is not known."""

    platform: str
    memory: int | None

    def memory_stats(self) -> dict[str, int] | None:
        return None if self.memory is None else {"bytes_limit": self.memory}


@pytest.mark.parametrize(
    ("device", "stay"),
    [
        (Device("gpu", 8 * 100 * 48 * 48), True),
        (Device("gpu", 8 * 100 * 48 * 48 - 8), False),
        (Device("tpu", None), False),
        (Device("cpu", 1 << 40), False),
    ],
    ids=str,
)
def test_auto_takes_an_eighth_of_an_accelerators_memory(
    tmp_path: Path, tiny_config: Tiny, device: Device, stay: bool
) -> None:
    config = tiny_config(tmp_path / "run", model="toy")
    split = prepare_task(config, jax.devices()[:1]).bundle.splits["train"]
    split = replace(split, labels=np.zeros(100, np.int32), shape=(48, 48, 1))
    mesh = cast(Any, SimpleNamespace(local_devices=[device]))
    assert images_are_on_device(config, split, mesh) == stay
    assert images_are_on_device(replace(config, images_on_device="on"), split, mesh)
    assert not images_are_on_device(replace(config, images_on_device="off"), split, mesh)
