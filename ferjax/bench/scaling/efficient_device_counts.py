"""Scaling efficiency, weak and strong, and the most devices that keep 80 % efficiency."""

import dataclasses
import itertools
from collections.abc import Callable

from ferjax.bench.scaling.cluster_hardware import Cluster
from ferjax.bench.scaling.predict_step_time import DEFAULT, Assumptions, compute_seconds, predict
from ferjax.bench.scaling.step_costs import StepCosts

DEVICES = (8, 16, 32, 64, 128, 256, 512, 1024)
KEPT = 0.8
# Goyal et al., Accurate, large minibatch SGD, 2017: ImageNet loses no accuracy up to this batch.
LARGEST_BATCH = 8192
# Training images: FER2013's Training rows; RAF-DB's train lines; P3's selected faces of SFEW.
TRAIN_IMAGES = {"fer2013": 28_709, "rafdb": 12_271, "sfew": 489}


def weak_efficiency(
    costs: StepCosts, cluster: Cluster, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns a device's speed over that of a single device, with the same batch per device."""
    return predict(costs, cluster, devices, assumed).efficiency


def strong_efficiency(
    costs: StepCosts, cluster: Cluster, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns a device's speed over that of a single device, with a shared batch.

    The devices share `largest_batch` images per step. A device with a small share also loses speed
    without any communication.
    """
    images = largest_batch(costs)
    share = max(1, images // devices)
    single = compute_seconds(dataclasses.replace(costs, batch=images), cluster, assumed) / images
    step = predict(dataclasses.replace(costs, batch=share), cluster, devices, assumed)
    return single * share / step.seconds


def most_devices(
    efficiency: Callable[..., float],
    costs: StepCosts,
    cluster: Cluster,
    assumed: Assumptions = DEFAULT,
) -> int:
    """Returns the most devices up to which an efficiency is at least `KEPT`; 1 if none.

    The numbers of devices are 2, 4 and `DEVICES`.
    """
    efficient_counts = itertools.takewhile(
        lambda n: efficiency(costs, cluster, n, assumed) >= KEPT, (2, 4, *DEVICES)
    )
    return [1, *efficient_counts][-1]


def largest_batch(costs: StepCosts) -> int:
    """Returns the most images per step: `LARGEST_BATCH`, or the whole training split."""
    return min(LARGEST_BATCH, TRAIN_IMAGES[costs.dataset])
