"""LAMB, Muon and SAM by hand, from the formulas of their papers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ferjax.runtime.variable_tree import flatten
from ferjax.training.optimizers.optax_optimizers import make_optimizer

RATE = 0.01
PARAMS = {
    "bn1": {"scale": (4,), "bias": (4,)},
    "conv1": {"kernel": (3, 3, 2, 4)},
    "dense": {"kernel": (6, 4)},
    "head": {"kernel": (4, 7), "bias": (7,)},
}


def draw(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
    return jax.tree.map(lambda s: rng.standard_normal(s, np.float32), PARAMS, is_leaf=is_shape)


def take(optimizer: Any, params: Any, state: Any, gradients: Any, **extra: Any) -> tuple[Any, Any]:
    """Returns parameters and state after one step, as the training step takes it."""
    updates, state = optimizer.update(gradients, state, params, **extra)
    return jax.tree.map(lambda p, u: p + RATE * u, params, updates), state


def test_lamb_by_hand() -> None:
    optimizer, decay = make_optimizer("lamb", weight_decay=0.3), 0.3
    params = draw(0)
    params["bn1"]["bias"][:] = 0  # no norm to trust: taken as it is
    state = optimizer.init(params)
    expected = {path: leaf.astype(np.float64) for path, leaf in flatten(params).items()}
    m, v = dict.fromkeys(expected, 0.0), dict.fromkeys(expected, 0.0)
    for step in range(1, 4):
        params, state = take(optimizer, params, state, draw(step))
        for path, g in flatten(draw(step)).items():
            m[path] = 0.9 * m[path] + 0.1 * g
            v[path] = 0.999 * v[path] + 0.001 * g.astype(np.float64) ** 2
            u = m[path] / (1 - 0.9**step) / (np.sqrt(v[path] / (1 - 0.999**step)) + 1e-6)
            u = u + decay * expected[path] * path.endswith("kernel")
            norm = np.linalg.norm(expected[path])
            ratio = norm / np.linalg.norm(u) if norm else 1.0
            expected[path] = expected[path] - RATE * ratio * u
    for path, leaf in flatten(params).items():
        np.testing.assert_allclose(leaf, expected[path], rtol=2e-6, atol=2e-6)


def newton_schulz(x: np.ndarray) -> np.ndarray:
    """Returns Jordan's five quintic iterations on a float64 matrix."""
    x = x / np.linalg.norm(x)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x


def test_muon_by_hand() -> None:
    optimizer = make_optimizer("muon")
    params = draw(0)
    state = optimizer.init(params)
    expected = {path: leaf.astype(np.float64) for path, leaf in flatten(params).items()}
    m = dict.fromkeys(expected, 0.0)
    for step in range(1, 4):
        params, state = take(optimizer, params, state, draw(step))
        for path in ("conv1/kernel", "dense/kernel"):
            g = flatten(draw(step))[path].astype(np.float64)
            m[path] = 0.95 * m[path] + 0.05 * g
            hat = 0.95 * m[path] / (1 - 0.95 ** (step + 1)) + 0.05 * g / (1 - 0.95**step)
            # Inputs x outputs, both kernels with more inputs than outputs: no widening.
            matrix = newton_schulz(hat.reshape(-1, hat.shape[-1]).T).T
            singular = np.linalg.svd(matrix, compute_uv=False)
            assert all((singular > 0.6) & (singular < 1.3))
            expected[path] = expected[path] - RATE * matrix.reshape(hat.shape)
    for path in ("conv1/kernel", "dense/kernel"):
        np.testing.assert_allclose(flatten(params)[path], expected[path], atol=1e-5)


def test_what_muon_leaves_steps_as_optaxs_nadam() -> None:
    one, other = make_optimizer("muon"), optax.nadam(1.0)
    params = also = draw(0)
    state, states = one.init(params), other.init(also)
    for step in range(1, 4):
        params, state = take(one, params, state, draw(step))
        also, states = take(other, also, states, draw(step))
    for path in ("head/kernel", "head/bias", "bn1/scale", "bn1/bias"):
        np.testing.assert_allclose(flatten(params)[path], flatten(also)[path], rtol=1e-6)


def test_muon_leaves_head_and_vectors_to_adam() -> None:
    optimizer = make_optimizer("muon")
    params = draw(0)
    after, state = take(optimizer, params, optimizer.init(params), draw(1))
    # Adam's first step with Nesterov's momentum: the gradient's sign, times 0.9 0.1 / 0.19 + 1.
    for path in ("head/kernel", "head/bias", "bn1/scale", "bn1/bias"):
        moved = flatten(after)[path] - flatten(params)[path]
        step = -RATE * (0.09 / 0.19 + 1) * np.sign(flatten(draw(1))[path])
        np.testing.assert_allclose(moved, step, rtol=1e-3)
    assert [path for path in map(jax.tree_util.keystr, paths(state)) if "nu" in path] == [
        f"[1].inner_states['phase1'].inner_state.inner_states['adam'].inner_state[0].nu{leaf}"
        for leaf in (
            "['bn1']['bias']",
            "['bn1']['scale']",
            "['head']['bias']",
            "['head']['kernel']",
        )
    ]


def paths(tree: Any) -> list[Any]:
    return [path for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 32)])
def test_muon_equals_torch(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = {"dense": {"kernel": rng.standard_normal(shape, np.float32)}}
    optimizer = make_optimizer("muon", weight_decay=0.05)
    state = optimizer.init(params)
    matrix = lambda x: torch.tensor(np.reshape(x, (-1, shape[-1])).T.copy())  # noqa: E731
    tensor = matrix(params["dense"]["kernel"]).requires_grad_()
    theirs = torch.optim.Muon([tensor], lr=RATE, weight_decay=0.05)
    # optax corrects its average for the first steps' zeros, torch does not: constant gradients,
    # or one alone, have the same direction under both.
    gradient = rng.standard_normal(shape, np.float32)
    for _ in range(3):
        params, state = take(optimizer, params, state, {"dense": {"kernel": gradient}})
        tensor.grad = matrix(gradient)
        theirs.step()
    # Torch iterates in bfloat16.
    np.testing.assert_allclose(
        matrix(params["dense"]["kernel"]), tensor.detach(), atol=0.03 * 3 * RATE
    )


def logistic_gradient(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns by hand the gradient of mean log(1 + exp(-y (x w + b)))."""
    x, y = points()
    share = -y / (1 + np.exp(y * (x @ weights + bias)))
    return x.T @ share / len(x), share.mean(0)


def points() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.standard_normal((20, 3)), np.sign(rng.standard_normal((20, 1)))


@pytest.mark.parametrize("labels", [None, {"a": {"kernel": "x", "bias": "y"}}])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_sam_by_hand(clip: float | None, labels: Any) -> None:
    optimizer = make_optimizer(
        "sam", momentum=0.9, weight_decay=0.02, clip_norm=clip, labels=labels
    )
    x, y = map(jnp.float32, points())

    def loss(params: Any, _: int = 0) -> jax.Array:
        logits = x @ params["a"]["kernel"] + params["a"]["bias"][None]
        return jnp.log1p(jnp.exp(-y * logits)).mean()

    params: Any = {"a": {"kernel": jnp.full((3, 1), 0.3), "bias": jnp.full((1,), -0.2)}}
    state = optimizer.init(params)
    w, b, mw, mb = np.full((3, 1), 0.3), np.full((1,), -0.2), 0.0, 0.0
    for _ in range(5):
        gradients = jax.grad(loss)(params)
        params, state = take(optimizer, params, state, gradients, grad_fn=jax.grad(loss))
        gw, gb = logistic_gradient(w, b)
        climb = 0.05 / np.sqrt((gw**2).sum() + (gb**2).sum())
        gw, gb = logistic_gradient(w + climb * gw, b + climb * gb)
        if clip is not None:
            norm = np.sqrt((gw**2).sum() + (gb**2).sum())
            assert norm > clip
            gw, gb = gw * clip / norm, gb * clip / norm
        mw, mb = 0.9 * mw + gw + 0.02 * w, 0.9 * mb + gb
        w, b = w - RATE * mw, b - RATE * mb
    np.testing.assert_allclose(params["a"]["kernel"], w, rtol=1e-5)
    np.testing.assert_allclose(params["a"]["bias"], b, rtol=1e-5)
