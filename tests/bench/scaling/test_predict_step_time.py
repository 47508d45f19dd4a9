"""Predicted seconds and limits against sums by hand."""

import math
from dataclasses import replace

import pytest

from ferjax.bench.scaling.break_points import (
    checkpoint_seconds,
    efficiency,
    epoch_seconds,
    host_input,
    largest_by_batch,
    largest_by_checkpoint,
    largest_efficient,
    largest_sharing,
    shared_efficiency,
)
from ferjax.bench.scaling.hardware_numbers import (
    FABRICS,
    IMAGES,
    Accelerator,
    Fabric,
    Link,
    Storage,
)
from ferjax.bench.scaling.measured_cases import PAPERS, PREDICTED
from ferjax.bench.scaling.network_facts import Facts, recipe_workload
from ferjax.bench.scaling.predict_step_time import (
    Assumptions,
    all_reduce_seconds,
    batch_for,
    compute_seconds,
    predict,
)
from ferjax.models.registry import MODELS

# Round numbers: 100 B/s inside a node of 4, 10 B/s a device between nodes, no latency but named.
CLUSTER = Fabric("", Accelerator("", 1000.0), Link(100.0, 1.0), Link(10.0, 3.0, 5.0), 4, host=4)
PLAIN = Assumptions(utilisation=0.5, launch=0.0, reached=1.0, start=0.5, bucket=10**9)
FACTS = Facts(
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
    largest="dense/kernel",
    largest_bytes=3000,
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
    # 64 devices are 4 x 4 x 4: 3 hops there and back along each of 3 axes.
    assert all_reduce_seconds(0, torus, 64, PLAIN) == pytest.approx(0.5 + 18)


def test_a_step_by_hand() -> None:
    # 8 images of 10,000 operations at half of 1,000 a second.
    assert compute_seconds(FACTS, CLUSTER, PLAIN) == pytest.approx(160)
    assert compute_seconds(FACTS, CLUSTER, replace(PLAIN, launch=100.0)) == 700
    step = predict(FACTS, CLUSTER, 4, PLAIN)
    sums = 2 * (0.5 + 1.5 * 400 / 100 + 6)
    gradient = 0.5 + 1.5 * (4000 - 400) / 100 + 6
    assert (step.compute, step.norms, step.gradient) == pytest.approx((160, sums, gradient))
    assert step.efficiency == pytest.approx(160 / (160 + sums + gradient))
    # Half of the backward pass hides 53.3 s of the gradient.
    hidden = predict(FACTS, CLUSTER, 4, replace(PLAIN, overlap=0.5))
    assert hidden.gradient == pytest.approx(gradient - 160 / 3)
    assert predict(FACTS, CLUSTER, 4, replace(PLAIN, overlap=1.0)).gradient == 0
    # In two buckets it starts twice and goes round twice; a split state sends more.
    buckets = predict(FACTS, CLUSTER, 4, replace(PLAIN, bucket=2000))
    assert buckets.gradient == pytest.approx(gradient + 6.5)
    split = predict(FACTS, CLUSTER, 4, PLAIN, wire=1.5)
    assert split.gradient == pytest.approx(0.5 + 1.5 * 5400 / 100 + 6)


def test_one_device_is_its_own_measure() -> None:
    for fabric in FABRICS:
        assert efficiency(FACTS, fabric, 1) == 1
        assert shared_efficiency(FACTS, fabric, 1) == pytest.approx(1)


def test_limits_by_hand() -> None:
    assert largest_by_batch(FACTS) == (1024, 28_709 // 8)
    # Nothing is exchanged in no time: all devices help; with a slow link not even two do.
    free = replace(CLUSTER, inside=Link(math.inf, 0), between=Link(math.inf, 0))
    instant = replace(PLAIN, start=0.0)
    assert largest_efficient(FACTS, free, instant) == 1024
    slow = replace(CLUSTER, inside=Link(1.0, 1.0))
    assert largest_efficient(FACTS, slow, PLAIN) == 1
    # 8,192 images shared: launches of 7 x 1,000 s are 80 % of 163,840 / n s up to 16 devices.
    launches = replace(instant, launch=1000.0)
    assert largest_sharing(FACTS, free, launches) == 16
    assert shared_efficiency(FACTS, free, 64, launches) == pytest.approx(163_840 / 64 / 7000)
    # 4 devices take 25.5 + 60.5 s beside 20 an image: 4/5 of the time from 18 images on.
    assert batch_for(FACTS, CLUSTER, 4, 0.8, PLAIN) == 32


def test_input_and_checkpoints_by_hand() -> None:
    found = host_input(replace(FACTS, dataset="rafdb"), CLUSTER, PLAIN)
    assert found.images == pytest.approx(4 * 8 / 160)
    assert found.bytes == pytest.approx(0.2 * 30_000)
    assert found.cores == pytest.approx(0.2 / 2700)
    storage = Storage("", each=100.0, total=300.0)
    assert checkpoint_seconds(FACTS, storage, 8, split=False) == 120
    assert checkpoint_seconds(FACTS, storage, 2, split=True) == 60
    assert checkpoint_seconds(FACTS, storage, 8, split=True) == 40
    instant = replace(PLAIN, start=0.0)
    free = replace(CLUSTER, inside=Link(math.inf, 0), between=Link(math.inf, 0))
    assert epoch_seconds(FACTS, free, 256, instant) == pytest.approx(160 * (28_709 // 2048))
    # 160 s x 14 steps on 256 devices is more than ten times 120 s, 7 steps on 512 are less.
    assert largest_by_checkpoint(FACTS, free, storage, instant) == 256


def test_every_network_is_predicted() -> None:
    assert set(PREDICTED) == set(MODELS)
    assert set(PREDICTED.values()) <= set(IMAGES)
    assert set(PAPERS) <= set(PREDICTED)
    assert recipe_workload("resnet50", "fer2013")[0] == "kumari_resnet50_fer2013"
    awei = recipe_workload("awei", "rafdb")[1]
    assert (awei.image_size, awei.jumper, awei.batch_size) == (224, "input", 8)
