"""The case of several steps a call runs on both sides; the other cases need a GPU to be short."""

from dataclasses import replace

import jax
import pytest

from ferjax.bench.suites import gpu_steps


def test_the_case_of_several_steps_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(gpu_steps._SHORTEST, side=24, batch_size=2)
    for name, value in (("_SHORTEST", tiny), ("_STEPS_PER_CALL", 2), ("_CALLS", 2)):
        monkeypatch.setattr(gpu_steps, name, value)
    case = gpu_steps.cases()[-1]
    assert case.name == "4 steps of cnn3, 24 px, f32, 2 images, 2 a call"
    for build in case.sides.values():
        state, sums = build()()
        assert int(state.step) == 4
        assert int(sums.count) == 8
        assert jax.numpy.isfinite(sums.loss)
