"""All sides of a case compute the same values: else their times could not be compared."""

from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.measure_suites import try_peers
from ferjax.bench.measuring.case import OURS, XLA, Case, Peer, find_build
from ferjax.bench.measuring.interleaved_timing import QUICK
from ferjax.bench.measuring.op_case import op_case
from ferjax.bench.measuring.pytorch_training import gpu_train_peers, train_peers
from ferjax.bench.measuring.train_step_case import random_batch, train_case
from ferjax.bench.pytorch import networks
from ferjax.bench.suites import gpu_steps
from ferjax.bench.suites.operations import convolution_case, depthwise_case, pool_case

# The kinds of cases that the suites have, small: which form ferjax takes is no matter here.
CASES = {
    case.name: case
    for case in (
        pool_case("max pool 3x3 s2", (2, 8, 8, 4), 3, 2, 1),
        depthwise_case(7, 8, 5, 1, (2, 2)),
        depthwise_case(8, 4, 3, 2, (0, 1)),
        convolution_case(6, 4, 8, 3, 2),
        convolution_case(16, 3, 4, 7, 2),
    )
}


def assert_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


def as_ours(tensor: Any) -> np.ndarray:
    """Returns an NCHW map as NHWC."""
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", CASES)
def test_operations_agree(name: str) -> None:
    case = CASES[name]
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


def test_each_run_of_a_training_case_takes_one_step() -> None:
    case = train_case(
        "base_cnn", side=28, channels=1, batch_size=4, optimizer="sgd", twin=networks.base_cnn
    )
    assert (case.name, case.shape) == ("base_cnn step", "4x28x28x1, sgd")
    run = case.sides[OURS]()
    state, _ = run()
    assert int(state.step) == 1
    state, sums = run()
    assert int(state.step) == 2
    assert np.isfinite(sums.loss)


def test_pytorch_is_tried_in_every_combination_of_its_settings() -> None:
    peers = train_peers(networks.base_cnn, "sgd", lambda: random_batch(28, 1, 4))
    eager = {
        f"{layout}, {optimizer}"
        for layout in ("channels_last", "contiguous")
        for optimizer in ("fused", "foreach")
    }
    assert {p.setting for p in peers if not p.only_in_full_runs} == eager
    compiled = {p.setting for p in peers if p.only_in_full_runs}
    assert compiled == {f"{setting}, torch.compile" for setting in eager}


@pytest.mark.parametrize("autocast", [False, True])
def test_the_peer_of_a_gpu_starts_from_the_loss_of_an_uncertain_network(autocast: bool) -> None:
    pytest.importorskip("torch")
    eager, compiled = gpu_train_peers(
        networks.base_cnn, "sgd", lambda: random_batch(28, 1, 32), autocast=autocast
    )
    assert autocast == ("bf16 autocast" in eager.setting)
    assert compiled.setting == f"{eager.setting}, torch.compile"
    assert not compiled.only_in_full_runs
    run = eager.build()
    first = float(run().detach())
    assert first == pytest.approx(np.log(7), abs=0.15)
    losses = [float(run().detach()) for _ in range(20)]
    assert losses[-1] < first


@pytest.mark.usefixtures("torchvision_models")
def test_twins_of_the_gpu_suite_have_as_many_weights_as_ours() -> None:
    for step, case in zip(gpu_steps.STEPS, gpu_steps.cases(), strict=False):
        state, _, _ = case.arguments()
        ours = sum(leaf.size for leaf in jax.tree.leaves(state.params))
        twin = gpu_steps._TWINS[step.model]()
        assert sum(p.numel() for p in twin.parameters()) == ours, step


def test_a_setting_that_fails_is_reported_and_left_out() -> None:
    def broken() -> Any:
        raise RuntimeError("no compiler\nlong story")

    peers = (
        Peer("broken", broken),
        Peer("works", lambda: lambda: None),
        Peer("compiled", broken, only_in_full_runs=True),
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
