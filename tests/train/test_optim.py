"""Optimizers and schedules against PyTorch's, step by step, and by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ferjax.train.optim import make_optimizer, make_schedule

STEPS = 10
PARAMS = {
    "bn1": {"scale": (4,), "bias": (4,)},
    "conv1": {"kernel": (3, 3, 2, 4)},
    "head": {"kernel": (4, 7), "bias": (7,)},
}


def draw(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
    return jax.tree.map(lambda s: rng.standard_normal(s, np.float32), PARAMS, is_leaf=is_shape)


def ours(optimizer: optax.GradientTransformation) -> Any:
    """Returns the parameters after ten steps of random gradients."""

    @jax.jit
    def step(params: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    params = draw(0)
    state = optimizer.init(params)
    for seed in range(1, STEPS + 1):
        params, state = step(params, state, draw(seed))
    return params


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "momentum", "decay"),
    [
        ("sgd", 0.0, 0.0),
        ("sgd", 0.9, 0.0),
        ("sgd", 0.9, 0.05),
        ("adam", 0.9, 0.0),
        ("adam", 0.9, 0.05),
        ("adamw", 0.9, 0.05),
    ],
)
def test_ten_steps_equal_torch(name: str, momentum: float, decay: float) -> None:
    torch = pytest.importorskip("torch")
    optimizer = make_optimizer(
        name, make_schedule("cosine", 0.01, STEPS), momentum=momentum, weight_decay=decay
    )
    build = {
        "sgd": lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=momentum),
        "adam": lambda groups: torch.optim.Adam(groups, lr=0.01),
        "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01),
    }[name]
    leaves, tree = jax.tree_util.tree_flatten_with_path(draw(0))
    tensors = [torch.tensor(leaf, requires_grad=True) for _, leaf in leaves]
    is_kernel = [path[-1].key == "kernel" for path, _ in leaves]
    decayed = [t for t, kernel in zip(tensors, is_kernel, strict=True) if kernel]
    others = [t for t, kernel in zip(tensors, is_kernel, strict=True) if not kernel]
    theirs = build(
        [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, STEPS)
    for seed in range(1, STEPS + 1):
        for tensor, gradient in zip(tensors, jax.tree.leaves(draw(seed)), strict=True):
            tensor.grad = torch.tensor(gradient)
        theirs.step()
        scheduler.step()
    expected = jax.tree.unflatten(tree, [t.detach().numpy() for t in tensors])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
        ours(optimizer),
        expected,
    )


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_decay_shrinks_kernels_alone(name: str) -> None:
    schedule = make_schedule("constant", 0.1, 1)
    optimizer = make_optimizer(name, schedule, weight_decay=0.5)
    params = jax.tree.map(jnp.ones_like, draw(0))
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    for path, update in jax.tree_util.tree_leaves_with_path(updates):
        assert bool(np.all(update < 0)) == (path[-1].key == "kernel")
        assert bool(np.any(update)) == (path[-1].key == "kernel")


def rates(name: str, peak: float, steps: int, **arguments: int) -> np.ndarray:
    schedule = make_schedule(name, peak, steps, **arguments)
    return np.array(jax.jit(jax.vmap(schedule))(jnp.arange(steps + 1)) * jnp.ones(steps + 1))


def test_constant_and_cosine_by_hand() -> None:
    np.testing.assert_allclose(rates("constant", 0.3, 5), 0.3)
    np.testing.assert_allclose(
        rates("cosine", 2.0, 6)[[0, 2, 3, 4, 6]], [2, 1.5, 1, 0.5, 0], atol=1e-6
    )


@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_warm_up_is_linear_from_zero_and_the_rest_follows(name: str) -> None:
    found = rates(name, 0.4, 12, warmup_steps=4)
    np.testing.assert_allclose(found[:5], [0, 0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(found[4:], rates(name, 0.4, 8), rtol=1e-6, atol=1e-9)


@pytest.mark.parity
def torch_one_cycle(steps: int, rise: float) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.2,
        total_steps=steps,
        pct_start=rise,
        div_factor=25,
        final_div_factor=1e4,
        cycle_momentum=False,
    )
    found = [scheduler.get_last_lr()[0]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        found += scheduler.get_last_lr()
    return found


def test_one_cycle_equals_torch() -> None:
    steps = 100
    found = rates("one_cycle", 0.2, steps)
    # Torch peaks at step 0.3 N - 1 and ends at N - 1, optax at 0.3 N and N: one step apart.
    shifted = torch_one_cycle(steps + 1, (0.3 * steps + 1) / (steps + 1))
    np.testing.assert_allclose(found, shifted, rtol=1e-4, atol=1e-8)
    plain = torch_one_cycle(steps, 0.3)
    assert np.abs(found[:-1] - plain).max() < 0.06 * 0.2
