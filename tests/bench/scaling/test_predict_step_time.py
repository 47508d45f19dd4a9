"""Predicted step times and efficient device counts, against sums by hand."""

import math
from dataclasses import replace

import pytest

from ferjax.bench.scaling.cluster_hardware import CLUSTERS, Accelerator, Cluster, Link
from ferjax.bench.scaling.efficient_device_counts import (
    TRAIN_IMAGES,
    most_devices,
    strong_efficiency,
    weak_efficiency,
)
from ferjax.bench.scaling.predict_step_time import (
    Assumptions,
    all_reduce_seconds,
    compute_seconds,
    predict,
)
from ferjax.bench.scaling.scaling_cases import PAPERS, PREDICTED
from ferjax.bench.scaling.step_costs import StepCosts, recipe_workload
from ferjax.models.registry import MODELS

# Round numbers: 100 B/s inside a node of 4, 10 B/s a device between nodes, no latency but named.
CLUSTER = Cluster("", Accelerator("", 1000.0), Link(100.0, 1.0), Link(10.0, 3.0, 5.0), node=4)
PLAIN = Assumptions(utilisation=0.5, launch=0.0, reached=1.0, start=0.5, bucket=10**9)
COSTS = StepCosts(
    model="awei",
    recipe="",
    dataset="fer2013",
    image_size=48,
    batch=8,
    flops=10_000.0,
    products=7,
    gradient_bytes=4000,
    norm_channels=(50,),
    state_bytes=12_000,
)


def test_an_all_reduce_by_hand() -> None:
    assert all_reduce_seconds(400, CLUSTER, 1, PLAIN) == 0
    # 2 (4-1)/4 of 400 bytes at 100 B/s; 6 hops of 1 s; 0.5 s of start.
    inside = 0.5 + 6.0 + 6.0
    assert all_reduce_seconds(400, CLUSTER, 4, PLAIN) == pytest.approx(inside)
    # 4 nodes: each device sums its 100 bytes, 2 x 3/4 x 100 / 10 s, in 6 hops of 3 s.
    assert all_reduce_seconds(400, CLUSTER, 16, PLAIN) == pytest.approx(inside + 15 + 18)
    # 16 nodes: a tree has 4 levels, twice, which is less than 30 hops of a ring.
    assert all_reduce_seconds(400, CLUSTER, 64, PLAIN) == pytest.approx(inside + 18.75 + 40)
    half = replace(PLAIN, reached=0.5)
    assert all_reduce_seconds(400, CLUSTER, 4, half) == pytest.approx(0.5 + 12.0 + 6.0)


def test_a_torus_by_hand() -> None:
    torus = replace(CLUSTER, inside=Link(100.0, 1.0, axes=3), between=None, node=1000)
    # 64 devices are 4 x 4 x 4: 3 hops both ways along each of 3 axes.
    assert all_reduce_seconds(0, torus, 64, PLAIN) == pytest.approx(0.5 + 18)


def test_a_step_by_hand() -> None:
    # 8 images of 10,000 operations at half of 1,000 a second.
    assert compute_seconds(COSTS, CLUSTER, PLAIN) == pytest.approx(160)
    assert compute_seconds(COSTS, CLUSTER, replace(PLAIN, launch=100.0)) == 700
    step = predict(COSTS, CLUSTER, 4, PLAIN)
    # Of the mean, of the variance, of both gradients: 1.5 times the bytes, 3 starts.
    sums = 3 * (0.5 + 6) + 1.5 * (200 + 200 + 400) / 100
    gradient = 0.5 + 1.5 * (4000 - 400) / 100 + 6
    assert (step.compute, step.norms, step.gradient) == pytest.approx((160, sums, gradient))
    assert step.efficiency == pytest.approx(160 / (160 + sums + gradient))
    # Half of the backward pass hides 53.3 s of the gradient.
    hidden = predict(COSTS, CLUSTER, 4, replace(PLAIN, overlap=0.5))
    assert hidden.gradient == pytest.approx(gradient - 160 / 3)
    assert predict(COSTS, CLUSTER, 4, replace(PLAIN, overlap=1.0)).gradient == 0
    # Two buckets start twice and pass round the ring twice.
    buckets = predict(COSTS, CLUSTER, 4, replace(PLAIN, bucket=2000))
    assert buckets.gradient == pytest.approx(gradient + 6.5)


def test_one_device_has_an_efficiency_of_one() -> None:
    for cluster in CLUSTERS:
        assert weak_efficiency(COSTS, cluster, 1) == 1
        assert strong_efficiency(COSTS, cluster, 1) == pytest.approx(1)


def test_efficient_device_counts_by_hand() -> None:
    # Without time for communication all devices help; with a slow link not even two do.
    free = replace(CLUSTER, inside=Link(math.inf, 0), between=Link(math.inf, 0))
    instant = replace(PLAIN, start=0.0)
    assert most_devices(weak_efficiency, COSTS, free, instant) == 1024
    slow = replace(CLUSTER, inside=Link(1.0, 1.0))
    assert most_devices(weak_efficiency, COSTS, slow, PLAIN) == 1
    # 8,192 images shared: launches of 7 x 1,000 s are 80 % of 163,840 / n s up to 16 devices.
    launches = replace(instant, launch=1000.0)
    assert most_devices(strong_efficiency, COSTS, free, launches) == 16
    assert strong_efficiency(COSTS, free, 64, launches) == pytest.approx(163_840 / 64 / 7000)


def test_every_network_is_predicted() -> None:
    assert set(PREDICTED) == set(MODELS)
    assert set(PREDICTED.values()) <= set(TRAIN_IMAGES)
    assert set(PAPERS) <= set(PREDICTED)
    assert recipe_workload("resnet50", "fer2013")[0] == "kumari_resnet50_fer2013"
    awei = recipe_workload("awei", "rafdb")[1]
    assert (awei.image_size, awei.jumper, awei.batch_size) == (224, "input", 8)
