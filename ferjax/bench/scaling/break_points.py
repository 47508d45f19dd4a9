"""Where scaling breaks: efficiency, batch, input, the largest layer, checkpoints."""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from ferjax.bench.scaling.hardware_numbers import CACHED_BYTES, IMAGES, Fabric, Storage
from ferjax.bench.scaling.network_facts import Facts
from ferjax.bench.scaling.predict_step_time import DEFAULT, Assumptions, compute_seconds, predict

DEVICES = (8, 16, 32, 64, 128, 256, 512, 1024)
KEPT = 0.8
# Goyal et al., Accurate, large minibatch SGD, 2017: ImageNet loses nothing up to here.
LARGEST_BATCH = 8192
# A checkpoint an epoch that takes longer than this share of it is one to think about.
CHECKPOINT_SHARE = 0.1


@dataclass(frozen=True)
class Input:
    """What one host has to deliver.

    Attributes:
      images: a second.
      bytes: a second.
      share: of what a host was measured to read from its cache.
      cores: that would have to decode where nothing is cached, or None where nothing is decoded.
    """

    images: float
    bytes: float
    share: float
    cores: float | None


def efficiency(facts: Facts, fabric: Fabric, devices: int, assumed: Assumptions = DEFAULT) -> float:
    """Returns the share of a lone device's speed that each keeps, the batch growing with them."""
    return predict(facts, fabric, devices, assumed).efficiency


def shared_efficiency(
    facts: Facts, fabric: Fabric, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns the same where all share `largest_batch` images a step; a lone device has them all.

    A device whose share is small loses speed on its own, too.
    """
    whole = largest_batch(facts)
    share = max(1, whole // devices)
    alone = compute_seconds(dataclasses.replace(facts, batch=whole), fabric, assumed) / whole
    step = predict(dataclasses.replace(facts, batch=share), fabric, devices, assumed)
    return alone * share / step.seconds


def largest_efficient(facts: Facts, fabric: Fabric, assumed: Assumptions = DEFAULT) -> int:
    """Returns the largest count of devices up to which each keeps `KEPT`; 1 where none does."""
    return _largest(lambda n: efficiency(facts, fabric, n, assumed) >= KEPT)


def largest_sharing(facts: Facts, fabric: Fabric, assumed: Assumptions = DEFAULT) -> int:
    """Returns the same for devices that share the largest batch that makes sense."""
    return _largest(lambda n: shared_efficiency(facts, fabric, n, assumed) >= KEPT)


def largest_batch(facts: Facts) -> int:
    """Returns the most images a step that practice allows, and the data set holds."""
    return min(LARGEST_BATCH, IMAGES[facts.dataset].count)


def largest_by_batch(facts: Facts) -> tuple[int, int]:
    """Returns the most devices before the global batch exceeds practice, and the data set."""
    return LARGEST_BATCH // facts.batch, IMAGES[facts.dataset].count // facts.batch


def _largest(holds: Callable[[int], bool]) -> int:
    """Returns the last of the counts before the first for which something does not hold, or 1."""
    return [1, *itertools.takewhile(holds, (2, 4, *DEVICES))][-1]


def host_input(facts: Facts, fabric: Fabric, assumed: Assumptions = DEFAULT) -> Input:
    """Returns what each host has to deliver to devices that never wait, for one another or data."""
    images = IMAGES[facts.dataset]
    rate = fabric.host * facts.batch / compute_seconds(facts, fabric, assumed)
    cores = rate / images.decoded if images.decoded else None
    return Input(rate, rate * images.size, rate * images.size / CACHED_BYTES, cores)


def checkpoint_seconds(facts: Facts, storage: Storage, hosts: int, *, split: bool) -> float:
    """Returns the seconds that the bytes of a checkpoint take.

    Args:
      facts: the network's.
      storage: where to.
      hosts: that write.
      split: whether each writes its share, as with --shard_params; else one writes all.
    """
    rate = min(storage.each * (hosts if split else 1), storage.total)
    return facts.state_bytes / rate


def epoch_seconds(
    facts: Facts, fabric: Fabric, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns the seconds of an epoch; below one whole batch, those of one step."""
    steps = max(1, IMAGES[facts.dataset].count // (devices * facts.batch))
    return steps * predict(facts, fabric, devices, assumed).seconds


def largest_by_checkpoint(
    facts: Facts, fabric: Fabric, storage: Storage, assumed: Assumptions = DEFAULT
) -> int:
    """Returns the most devices at which a checkpoint an epoch takes `CHECKPOINT_SHARE` of it.

    1 where not even one device takes that long for an epoch.
    """
    seconds = checkpoint_seconds(facts, storage, 1, split=False)
    return _largest(
        lambda n: seconds <= CHECKPOINT_SHARE * epoch_seconds(facts, fabric, n, assumed)
    )
