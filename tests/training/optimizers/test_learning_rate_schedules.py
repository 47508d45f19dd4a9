"""Learning-rate schedules against PyTorch's, and by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.config.field_combinations import DECAYS
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve
from ferjax.runs.phase_optimizer_and_step import phase_rate
from ferjax.training.optimizers.learning_rate_schedules import SCHEDULES, make_schedule


def rates(name: str, peak: float, steps: int, **arguments: Any) -> np.ndarray:
    """Returns the rates of steps 0 to `steps`, as the jitted training step sees them."""
    schedule = jax.jit(jax.vmap(make_schedule(name, peak, steps, **arguments)))
    return np.array(schedule(jnp.arange(steps + 1, dtype=jnp.int32)))


def torch_rates(peak: float, steps: int, build: Any) -> np.ndarray:
    """Returns the rates of steps 0 to `steps` of the torch scheduler that `build` makes."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    scheduler = build(torch.optim.lr_scheduler, optimizer)
    found = []
    for _ in range(steps + 1):
        found += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    return np.array(found)


@pytest.mark.parity
def test_step_equals_torch() -> None:
    found = rates("step", 0.4, 50, steps_per_epoch=4, decay_rate=0.3, decay_epochs=3)
    expected = torch_rates(0.4, 50, lambda lr, sgd: lr.StepLR(sgd, step_size=12, gamma=0.3))
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert set(np.diff(found).nonzero()[0] + 1) == {12, 24, 36, 48}


@pytest.mark.parity
def test_exponential_equals_torch() -> None:
    found = rates("exponential", 0.4, 50, steps_per_epoch=4, decay_rate=0.3, decay_epochs=3)
    gamma = 0.3 ** (1 / 12)
    expected = torch_rates(0.4, 50, lambda lr, sgd: lr.ExponentialLR(sgd, gamma))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parity
def test_cosine_equals_torch() -> None:
    found = rates("cosine", 0.4, 50)
    expected = torch_rates(0.4, 50, lambda lr, sgd: lr.CosineAnnealingLR(sgd, 50))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parity
def test_cosine_restarts_equal_torch() -> None:
    found = rates("cosine_restarts", 0.4, 50, steps_per_epoch=4, decay_epochs=3)
    expected = torch_rates(
        0.4, 50, lambda lr, sgd: lr.CosineAnnealingWarmRestarts(sgd, T_0=12, T_mult=1)
    )
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found[12] == found[24] == found[0]


@pytest.mark.parity
def test_inverse_time_equals_torch_lambda() -> None:
    found = rates("inverse_time", 0.4, 50, decay_rate=0.07)
    expected = torch_rates(0.4, 50, lambda lr, sgd: lr.LambdaLR(sgd, lambda k: 1 / (1 + 0.07 * k)))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parity
def test_warm_up_equals_torch_lambda() -> None:
    found = rates("exponential", 0.4, 20, warmup_steps=5, steps_per_epoch=2, decay_rate=0.5)
    share = lambda k: k / 5 if k < 5 else 0.5 ** ((k - 5) / 2)  # noqa: E731
    expected = torch_rates(0.4, 20, lambda lr, sgd: lr.LambdaLR(sgd, share))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parity
def test_one_cycle_equals_torch() -> None:
    steps = 100

    def torch_one_cycle(total: int, rise: float) -> np.ndarray:
        return torch_rates(
            1.0,
            total - 2,
            lambda lr, sgd: lr.OneCycleLR(
                sgd,
                max_lr=0.2,
                total_steps=total,
                pct_start=rise,
                div_factor=25,
                final_div_factor=1e4,
                cycle_momentum=False,
            ),
        )

    found = rates("one_cycle", 0.2, steps)
    # Torch peaks at step 0.3 N - 1 and ends at N - 1, optax at 0.3 N and N: one step apart.
    shifted = torch_one_cycle(steps + 1, (0.3 * steps + 1) / (steps + 1))
    np.testing.assert_allclose(found[:-1], shifted, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(found[-1], 0.2 / 25 / 1e4, rtol=1e-4)
    plain = torch_one_cycle(steps, 0.3)
    assert np.abs(found[:-2] - plain).max() < 0.06 * 0.2


def test_constant_cosine_and_plateau_by_hand() -> None:
    for name in ("constant", "plateau"):
        np.testing.assert_allclose(rates(name, 0.3, 5), 0.3)
    np.testing.assert_allclose(
        rates("cosine", 2.0, 6)[[0, 2, 3, 4, 6]], [2, 1.5, 1, 0.5, 0], atol=1e-6
    )


def test_the_decays_of_their_own_by_hand() -> None:
    step = rates("step", 1.0, 130, steps_per_epoch=2)
    np.testing.assert_allclose(step[[0, 59, 60, 119, 120]], [1, 1, 0.1, 0.1, 0.01], rtol=1e-6)
    exponential = rates("exponential", 1.0, 4, steps_per_epoch=2)
    np.testing.assert_allclose(exponential[[0, 2, 4]], [1, 0.95, 0.9025], rtol=1e-6)
    inverse = make_schedule("inverse_time", 1e-3, 1)
    # P2's decay=1e-6 halves the rate in a million steps.
    np.testing.assert_allclose(inverse(jnp.int32(1_000_000)), 5e-4, rtol=1e-6)


@settings(deadline=None, max_examples=10)
@given(period=st.integers(1, 5000), steps_per_epoch=st.integers(1, 400))
def test_stairs_come_at_their_very_step(period: int, steps_per_epoch: int) -> None:
    schedule = make_schedule(
        "step", 1.0, 1, steps_per_epoch=steps_per_epoch, decay_rate=0.5, decay_epochs=period
    )
    firsts = jnp.arange(1, 100, dtype=jnp.int32) * period * steps_per_epoch
    both = jax.jit(jax.vmap(schedule))
    np.testing.assert_array_equal(both(firsts - 1), 0.5 ** np.arange(99, dtype=np.float32))
    np.testing.assert_array_equal(both(firsts), 0.5 ** np.arange(1, 100, dtype=np.float32))


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"one_cycle"}))
def test_warm_up_is_linear_from_zero_and_the_rest_follows(name: str) -> None:
    found = rates(name, 0.4, 12, warmup_steps=4)
    np.testing.assert_allclose(found[:5], [0, 0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(found[4:], rates(name, 0.4, 8), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_of_no_steps_is_no_warm_up(name: str) -> None:
    """optax's own warm-up of 0 steps is a rate of 0 for ever."""
    assert optax.linear_schedule(0.0, 0.4, 0)(1000) == 0
    found = rates(name, 0.4, 8, warmup_steps=0)
    np.testing.assert_array_equal(found, rates(name, 0.4, 8))
    assert found.max() == pytest.approx(0.4, rel=0.05)


def test_a_warm_up_shorter_than_a_step_is_no_warm_up() -> None:
    given = {"model": "cnn3", "dataset": "synthetic", "schedule": "constant", "warmup_epochs": 0.01}
    config = resolve(given)
    assert phase_rate(config, 0, 0, steps_per_epoch=10)(0) == np.float32(config.learning_rate)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_float32_for_every_kind_of_step(name: str, x64: bool) -> None:
    with jax.enable_x64(x64):
        schedule = make_schedule(name, 0.3, 8, steps_per_epoch=2, warmup_steps=2)
        found = [schedule(6), schedule(np.int32(6)), jax.jit(schedule)(jnp.int32(6))]
    assert all((jnp.shape(r), jnp.result_type(r)) == ((), np.dtype(np.float32)) for r in found)
    np.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        *(
            (name, flag)
            for name in ("constant", "cosine", "one_cycle")
            for flag in ("rate", "epochs")
        ),
        ("inverse_time", "epochs"),
    ],
)
def test_a_decay_of_a_schedule_without_is_refused(name: str, flag: str) -> None:
    with pytest.raises(UserError, match=rf"--decay_{flag}=0.5: --schedule={name} has none \(step"):
        rates(name, 0.1, 5, **{f"decay_{flag}": 0.5})


@pytest.mark.parametrize("flag", DECAYS)
def test_the_config_knows_who_takes_a_decay(flag: str) -> None:
    takers = [name for name, entry in SCHEDULES.items() if getattr(entry, flag) is not None]
    assert list(DECAYS[flag]) == takers


def test_the_flag_offers_every_schedule() -> None:
    choices = TrainConfig.__dataclass_fields__["schedule"].metadata["choices"]
    assert set(choices) == set(SCHEDULES)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'cosine'"):
        make_schedule("cosin", 0.1, 5)
