"""FLOPs and bytes of the cases, against counts by hand; the roofline; every case traces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ferjax.bench.measuring.case import XLA
from ferjax.bench.measuring.machine_ceilings import Ceilings, floor_seconds, measure_ceilings
from ferjax.bench.measuring.operation_counts import Work, case_work, work_of
from ferjax.bench.suite_registry import GPU, find_case
from ferjax.bench.suite_registry import SUITES as ALL_SUITES
from ferjax.bench.suites.awei_jumper import jumper_flops

# The suite `gpu` has no cases of its own.
SUITES = {name: cases for name, cases in ALL_SUITES.items() if name != GPU}
CASES = [(suite, case.name) for suite, cases in SUITES.items() for case in cases()]
# The quick cases have one of each kind; the others repeat them at the shapes of other networks.
TRACED = [
    pytest.param(suite, case.name, marks=() if case.quick else pytest.mark.slow)
    for suite, cases in SUITES.items()
    for case in cases()
    if case.function
]
# Multiply-adds of the forward pass, and how many times as much forward and backward take.
MACS = {
    "conv 3x3 32x32x64": (16 * 32 * 32 * 9 * 64 * 64, 3),
    "conv 3x3 32x32x64→128 s2": (16 * 16 * 16 * 9 * 64 * 128, 3),
    "conv 1x1 32x32x512→1024 s2": (16 * 16 * 16 * 512 * 1024, 3),
    "conv 7x7 128x128x3→64 s2": (16 * 64 * 64 * 49 * 3 * 64, 2),
    "depthwise 7x7x1152 k5": (8 * 7 * 7 * 25 * 1152, 3),
    "depthwise 56x56x144 k5 s2": (8 * 28 * 28 * 25 * 144, 3),
}


@pytest.mark.parametrize("name", MACS)
def test_flops_of_convolutions(name: str) -> None:
    macs, passes = MACS[name]
    assert case_work(find_case("ops", name)).flops == 2 * passes * macs


def test_bytes_of_a_pool() -> None:
    large, small = 16 * 64 * 64 * 64, 16 * 32 * 32 * 64
    work = case_work(find_case("ops", "max pool 2x2"))
    assert work == Work(flops=0, bytes=4 * 2 * (large + small))


def test_flops_of_the_jumper() -> None:
    forward = 8 * 224 * 224 * 512 * 27
    winners = 8 * 7 * 7 * 512 * 27
    assert jumper_flops(3, 1) == 2 * (forward + winners)


def test_flops_inside_jit_and_scan() -> None:
    def chain(x: jax.Array) -> jax.Array:
        def body(y: jax.Array, _: None) -> tuple[jax.Array, None]:
            return jax.jit(jnp.matmul)(y, x), None

        return lax.scan(body, x, None, length=3)[0]

    square = jax.ShapeDtypeStruct((4, 4), np.float32)
    assert work_of(chain, square) == Work(flops=3 * 2 * 4**3, bytes=2 * 4 * 16)


def test_floor_is_the_longer_of_arithmetic_and_memory_time() -> None:
    ceilings = Ceilings(flops=100, bytes=10)
    assert floor_seconds(Work(flops=300, bytes=20), ceilings) == 3
    assert floor_seconds(Work(flops=300, bytes=50), ceilings) == 5


def test_ceilings_are_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferjax.bench.measuring.machine_ceilings._SIZES", {"cpu": (64, 2**10)})
    ceilings = measure_ceilings()
    assert 0 < ceilings.flops < 1e16
    assert 0 < ceilings.bytes < 1e14


@pytest.mark.parametrize(("suite", "name"), TRACED)
def test_every_case_traces(suite: str, name: str) -> None:
    case = find_case(suite, name)
    assert case.function is not None
    results = jax.eval_shape(case.function, *case.arguments())
    assert all(leaf.size for leaf in jax.tree.leaves(results))


def test_settings_of_pytorch_are_distinct_and_at_least_four_beside_plain_xla() -> None:
    for case in (case for cases in SUITES.values() for case in cases() if case.function):
        settings = [peer.setting for peer in case.peers]
        assert len(set(settings)) == len(settings)
        assert len(settings) >= 4 or XLA not in case.sides


def test_names_are_unique_and_all_suites_but_the_loop_have_a_quick_case() -> None:
    assert len(set(CASES)) == len(CASES)
    # An epoch on either side takes a minute.
    slow = {"loop"}
    assert {name for name, cases in SUITES.items() if not any(c.quick for c in cases())} == slow
