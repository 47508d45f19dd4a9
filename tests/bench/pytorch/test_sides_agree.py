"""All sides of a case compute the same: else their times could not be compared."""

from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.measuring.case import OURS, XLA, Case, Peer, find_build
from ferjax.bench.measuring.measure_in_turns import QUICK
from ferjax.bench.measuring.op_case import op_case
from ferjax.bench.run_suites import try_peers
from ferjax.bench.suite_registry import find_case

NAMES = [
    "max pool 3x3 s2",
    "depthwise 7x7x1152 k5",
    "depthwise 112x112x96 k3 s2 SAME",
    "conv 3x3 32x32x64→128 s2",
    "conv 7x7 128x128x3→64 s2",
]


def assert_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


def as_ours(tensor: Any) -> np.ndarray:
    """Returns an NCHW map as NHWC."""
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", NAMES)
def test_operations_agree(name: str) -> None:
    case = find_case("ops", name)
    ours = jax.tree.map(np.asarray, case.sides[OURS]()())
    assert_same(ours, case.sides[XLA]()())
    pytest.importorskip("torch")
    for peer in case.peers[:2]:
        y, gradients = peer.build()()
        kernels = [g.detach().numpy().transpose(2, 3, 1, 0) for g in gradients[-1:]]
        images = [as_ours(g) for g in gradients[:-1]]
        if name.startswith("max pool"):
            kernels, images = [], [as_ours(g) for g in gradients]
        assert_same(ours, (as_ours(y), (*images, *kernels)))


def test_steps_train_on_every_side() -> None:
    case = find_case("train", "cnn3 step")
    assert len(case.shape.split(",")) == 2
    run = case.sides[OURS]()
    state, _ = run()
    assert int(state.step) == 1
    state, sums = run()
    assert int(state.step) == 2
    assert np.isfinite(sums.loss)


def test_a_setting_that_fails_is_told_and_left_out() -> None:
    def broken() -> Any:
        raise RuntimeError("no compiler\nlong story")

    peers = (
        Peer("broken", broken),
        Peer("works", lambda: lambda: None),
        Peer("compiled", broken, compiled=True),
    )
    trials = try_peers(peers, QUICK)
    assert trials.seconds["broken"] == "did not run: no compiler"
    assert trials.setting == "works"
    assert trials.run is not None
    assert "compiled" not in trials.seconds


def test_no_setting_works() -> None:
    assert try_peers((), QUICK).run is None


def test_builders_by_label() -> None:
    case: Case = op_case(
        "double", [(2,)], ours=lambda x: 2 * x, plain=lambda x: x + x, torch=lambda x: x, wrt=(0,)
    )
    assert find_build(case, XLA) is case.sides[XLA]
    assert find_build(case, "PyTorch", "contiguous") is case.peers[1].build
