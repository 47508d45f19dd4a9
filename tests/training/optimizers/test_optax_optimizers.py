"""Optimizers against PyTorch's, step by step, and by hand."""

import typing
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.runtime.variable_tree import flatten, merge_trees, split_tree
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import (
    OPTIMIZERS,
    carry_over,
    make_optimizer,
    needs_gradient,
)
from ferjax.training.optimizers.parameter_groups import optimizer_state_labels

STEPS = 10
RATE = 0.01
PARAMS = {
    "bn1": {"scale": (4,), "bias": (4,)},
    "conv1": {"kernel": (3, 3, 2, 4)},
    "head": {"kernel": (4, 7), "bias": (7,)},
}
HEAD = {"head": {"kernel": "late", "bias": "late"}}


def draw(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    is_shape = lambda x: isinstance(x, tuple)  # noqa: E731
    return jax.tree.map(lambda s: rng.standard_normal(s, np.float32), PARAMS, is_leaf=is_shape)


def labelled() -> Any:
    """Returns two labels: the head's and the rest's."""
    return merge_trees(jax.tree.map(lambda _: "early", draw(0)), HEAD)


def stepping(optimizer: Any, **extra: Any) -> Callable[..., tuple[Any, Any]]:
    """Returns (parameters, state, gradients, rate) → the first two after one training step."""

    @jax.jit
    def step(params: Any, state: Any, gradients: Any, rate: Any = RATE) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradients, state, params, **extra)
        return optax.apply_updates(params, jax.tree.map(lambda u: u * rate, updates)), state

    return step


def torch_tensors(torch: Any, params: Any) -> dict[str, Any]:
    return {path: torch.tensor(x, requires_grad=True) for path, x in flatten(params).items()}


def torch_groups(tensors: dict[str, Any], decay: float) -> list[dict[str, Any]]:
    kernels = [t for path, t in tensors.items() if path.endswith("kernel")]
    others = [t for path, t in tensors.items() if not path.endswith("kernel")]
    groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def torch_optimizer(torch: Any, name: str, groups: Any, momentum: float) -> Any:
    build: dict[str, Callable[[], Any]] = {
        "sgd": lambda: torch.optim.SGD(groups, lr=RATE, momentum=momentum),
        "nesterov": lambda: torch.optim.SGD(groups, lr=RATE, momentum=momentum, nesterov=True),
        "adam": lambda: torch.optim.Adam(groups, lr=RATE),
        "adamw": lambda: torch.optim.AdamW(groups, lr=RATE),
        "radam": lambda: torch.optim.RAdam(groups, lr=RATE),
    }
    return build[name]()


def assert_near(params: Any, tensors: dict[str, Any], tolerance: float = 1e-6) -> None:
    for path, leaf in flatten(params).items():
        expected = tensors[path].detach().numpy()
        np.testing.assert_allclose(leaf, expected, rtol=tolerance, atol=tolerance, err_msg=path)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "momentum", "decay", "clip"),
    [
        ("sgd", 0.0, 0.0, None),
        ("sgd", 0.9, 0.0, None),
        ("sgd", 0.9, 0.05, 5.0),
        ("nesterov", 0.9, 0.0, None),
        ("nesterov", 0.5, 0.05, 5.0),
        ("adam", 0.9, 0.0, 5.0),
        ("adam", 0.9, 0.05, None),
        ("adamw", 0.9, 0.05, None),
        ("adamw", 0.9, 0.05, 1000.0),
        ("radam", 0.9, 0.0, None),
        ("radam", 0.9, 0.05, 5.0),
    ],
)
def test_ten_steps_equal_torch(
    name: str, momentum: float, decay: float, clip: float | None
) -> None:
    torch = pytest.importorskip("torch")
    # The norm of a gradient is about 11: the clip bites at 5, over both labels together.
    optimizer = make_optimizer(
        name, momentum=momentum, weight_decay=decay, clip_norm=clip, labels=labelled()
    )
    schedule = make_schedule("cosine", RATE, STEPS)
    params = draw(0)
    step_once, state = stepping(optimizer), optimizer.init(params)
    tensors = torch_tensors(torch, params)
    theirs = torch_optimizer(torch, name, torch_groups(tensors, decay), momentum)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, STEPS)
    for step in range(STEPS):
        gradients = draw(step + 1)
        params, state = step_once(params, state, gradients, schedule(step))
        for path, gradient in flatten(gradients).items():
            tensors[path].grad = torch.tensor(gradient)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(tensors.values(), clip)
        theirs.step()
        scheduler.step()
    # RAdam's length of the average starts from a difference of large numbers: noise in float32.
    assert_near(params, tensors, 1e-5 if name == "radam" else 1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_shrinks_kernels_alone(name: str) -> None:
    optimizer = make_optimizer(name, weight_decay=0.5)
    params = jax.tree.map(jnp.ones_like, draw(0))
    zeros = jax.tree.map(jnp.zeros_like, params)
    step_once = stepping(optimizer, grad_fn=lambda params, _: zeros)
    after, _ = step_once(params, optimizer.init(params), zeros)
    for path, leaf in flatten(after).items():
        assert bool(np.all(leaf < 1)) == path.endswith("kernel")
        assert bool(np.any(leaf != 1)) == path.endswith("kernel")


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_decoupled_decay_shrinks_by_rate_times_decay(name: str) -> None:
    gradients, params = draw(1), draw(0)
    plain, decayed = (
        stepping(optimizer)(params, optimizer.init(params), gradients)[0]
        for optimizer in (make_optimizer(name), make_optimizer(name, weight_decay=0.5))
    )
    for path, leaf in flatten(params).items():
        shrunk = RATE * 0.5 * leaf if path.endswith("kernel") else 0 * leaf
        difference = flatten(plain)[path] - flatten(decayed)[path]
        np.testing.assert_allclose(difference, shrunk, atol=1e-6)


def test_sam_alone_needs_a_gradient_function() -> None:
    assert [name for name in OPTIMIZERS if needs_gradient(name)] == ["sam"]


def test_the_flag_offers_every_optimizer() -> None:
    choices = TrainConfig.__dataclass_fields__["optimizer"].metadata["choices"]
    assert set(choices) == set(OPTIMIZERS)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'adamw'"):
        make_optimizer("adamww")


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"sam"}))
def test_two_labels_are_two_optimizers(name: str) -> None:
    both = make_optimizer(name, weight_decay=0.05, labels=labelled())
    one = make_optimizer(name, weight_decay=0.05)
    params = draw(0)
    step_both, step_one = stepping(both), stepping(one)
    parts = list(split_tree(params, "head/.*"))
    state, states = both.init(params), [one.init(part) for part in parts]
    for step in range(1, 4):
        gradients = draw(step)
        params, state = step_both(params, state, gradients)
        for k, part in enumerate(split_tree(gradients, "head/.*")):
            parts[k], states[k] = step_one(parts[k], states[k], part)
    jax.tree.map(np.testing.assert_array_equal, params, merge_trees(*parts))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_labels_are_those_of_a_run_of_one_phase(name: str) -> None:
    params = draw(0)
    labels = optimizer_state_labels([None], 0, params)
    states = [make_optimizer(name, labels=given).init(params) for given in (None, labels)]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])


@pytest.mark.parity
@pytest.mark.parametrize("name", ["nesterov", "adamw", "radam"])
def test_joining_late_equals_torch_add_param_group(name: str) -> None:
    torch = pytest.importorskip("torch")
    patterns = [r"(?!head/).*", None]
    params = draw(0)
    tensors = torch_tensors(torch, params)
    theirs, state = None, None
    for phase, frozen in enumerate(patterns):
        trained, kept = split_tree(params, frozen)
        labels = optimizer_state_labels(patterns, phase, trained)
        optimizer = make_optimizer(name, weight_decay=0.05, labels=labels)
        fresh = optimizer.init(trained)
        state = fresh if state is None else jax.jit(carry_over)(state, fresh)
        joining = {p: tensors[p] for p in flatten(trained) if not theirs or "head" not in p}
        for group in torch_groups(joining, 0.05):
            if theirs is None:
                theirs = torch_optimizer(torch, name, [group], 0.9)
            else:
                theirs.add_param_group(group)
        step_once = stepping(optimizer)
        for step in range(7):
            gradients, _ = split_tree(draw(10 * phase + step + 1), frozen)
            trained, state = step_once(trained, state, gradients)
            for path, gradient in flatten(gradients).items():
                tensors[path].grad = torch.tensor(gradient)
            assert theirs is not None
            theirs.step()
        params = merge_trees(trained, kept)
    assert_near(params, tensors, 1e-5 if name == "radam" else 1e-6)


def test_what_is_frozen_again_leaves_the_rest_as_it_was() -> None:
    params = draw(0)
    optimizer = make_optimizer("adam")
    step_once, state = stepping(optimizer), optimizer.init(params)
    for step in range(1, 4):
        params, state = step_once(params, state, draw(step))
    carried: Any = carry_over(state, optimizer.init({"head": params["head"]}))
    adam = carried[1].inner_states["phase1"].inner_state[0]
    was = typing.cast(Any, state)[1].inner_states["phase1"].inner_state[0]
    assert adam.count == 3
    assert set(adam.mu) == {"head"}
    jax.tree.map(np.testing.assert_array_equal, adam.mu["head"], was.mu["head"])
    jax.tree.map(np.testing.assert_array_equal, adam.nu["head"], was.nu["head"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_is_carried_over_to_its_like(name: str) -> None:
    optimizer, params = make_optimizer(name, clip_norm=1.0), draw(0)
    fresh = optimizer.init(params)
    step_once = stepping(optimizer, grad_fn=lambda params, _: draw(2))
    _, state = step_once(params, fresh, draw(1))
    jax.tree.map(np.testing.assert_array_equal, carry_over(state, fresh), state)
    # Neither clip nor decay changes where state is found.
    jax.tree.map(
        np.testing.assert_array_equal, carry_over(state, make_optimizer(name).init(params)), state
    )
