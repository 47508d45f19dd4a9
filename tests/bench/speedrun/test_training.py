"""ferjax's side: it learns, sizes grow, the time has its parts, programs ahead change nothing."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.bench.speedrun import epoch, programs
from ferjax.bench.speedrun.faces import SpeedFaces, fewer_faces
from ferjax.bench.speedrun.network import WHITENING_KERNEL, build_network
from ferjax.bench.speedrun.optimisation import rate_factors, settings_of, triangular_rate
from ferjax.bench.speedrun.recipes import RECIPES, SpeedRecipe
from ferjax.bench.speedrun.results import PARTS
from ferjax.bench.speedrun.training import train_and_score
from ferjax.errors import UserError
from ferjax.runtime.sharding import data_mesh
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.state import create_state
from ferjax.training.train_step import zero_sums

TINY = SpeedRecipe(
    phases=((16, 2), (24, 3)),
    batch_size=10,
    stage_sizes=(1, 1),
    widths=(8, 8),
    whitening=2,
    shift=4,
    learning_rate=0.05,
)


def test_a_recipe_learns_in_phases_of_growing_size(
    dark_and_bright: SpeedFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []

    def record(
        carry: Any, padded: Any, labels: Any, plan: Any, number: Any, **settings: Any
    ) -> Any:
        sides.append(padded.shape[1])
        return planned_step(carry, padded, labels, plan, number, **settings)

    planned_step = epoch.planned_step
    monkeypatch.setattr(epoch, "planned_step", record)
    result = train_and_score(dark_and_bright, TINY, 0, "tiny")
    # Each side is traced once, with margins of 4 pixels of 48.
    assert sides == [16 + 2, 24 + 4]
    assert result.accuracy == 1
    assert (result.train_faces, result.test_faces, result.recipe) == (50, 21, "tiny")
    assert tuple(result.seconds) == PARTS
    assert min(result.seconds.values()) > 0
    assert result.last_loss is not None
    assert result.last_loss < 0.6
    # Programs that are compiled when they are needed compute the same.
    again = train_and_score(dark_and_bright, replace(TINY, compile_ahead=False), 0, "tiny")
    assert again.last_loss == result.last_loss


def test_an_epoch_in_one_program_equals_its_steps(dark_and_bright: SpeedFaces) -> None:
    model = build_network(TINY, 2)
    settings = settings_of(TINY, model, InputSpec((16, 16), 16, 1, (0.5,), (0.3,)), 50, 0)
    filters = {f"params/{WHITENING_KERNEL}": np.ones((2, 2, 1, 8), np.float32)}
    mesh = data_mesh(jax.devices()[:1])
    state = create_state(
        model,
        settings.optimizer,
        settings.spec,
        0,
        mesh,
        frozen=settings.frozen,
        initial_values=filters,
    )
    padded = jnp.asarray(dark_and_bright.train_images[:, :18, :18])
    labels = jnp.asarray(dark_and_bright.train_labels)
    plan = epoch.plan_epoch(0, 1, recipe=TINY, count=50, seed=0)
    whole = jax.jit(epoch.epoch_function(settings, "gpu"))
    step = jax.jit(epoch.epoch_function(settings, "cpu"))
    carry = (state, zero_sums())
    expected = carry
    for number in range(5):
        expected = step(expected, padded, labels, plan, programs.scalar(number))
    found, sums = whole(carry, padded, labels, plan, programs.scalar(0))
    assert int(found.step) == 5
    np.testing.assert_allclose(sums.loss, expected[1].loss, rtol=1e-4)
    for path, leaf in flatten(found.params).items():
        np.testing.assert_allclose(leaf, flatten(expected[0].params)[path], atol=1e-4)
    # The filters are not trained.
    np.testing.assert_array_equal(found.params["whitening"]["kernel"], 1)


def test_the_rate_is_a_triangle() -> None:
    recipe = SpeedRecipe(learning_rate=2.0, peak_at=0.25, first_rate=0.5, last_rate=0.1)
    rate = triangular_rate(recipe, 101)
    steps = (0, 10, 25, 50, 100)
    expected = (1.0, 1.4, 2.0, 2.0 - 1.8 * 25 / 75, 0.2)
    np.testing.assert_allclose([np.asarray(rate(step)) for step in steps], expected, rtol=1e-6)


def test_factors_of_small_parameters() -> None:
    params = {"conv1": {"kernel": 0}, "bn1": {"scale": 0, "bias": 0}, "head": {"kernel": 0}}
    assert rate_factors(params, 0.5) == {
        "conv1": {"kernel": 1.0},
        "bn1": {"scale": 0.5, "bias": 0.5},
        "head": {"kernel": 0.5},
    }


@pytest.mark.parametrize("name", RECIPES)
def test_networks_take_every_side_of_their_recipes(name: str) -> None:
    recipe = RECIPES[name]
    model = build_network(recipe, 7)
    for side, _ in recipe.phases:
        images = jnp.zeros((1, side, side, 1))
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
        logits = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
        assert logits.shape == (1, 7)


def test_fewer_faces_than_a_batch(dark_and_bright: SpeedFaces) -> None:
    with pytest.raises(UserError, match="batch_size=10: there are only 6 training faces"):
        train_and_score(fewer_faces(dark_and_bright, 6), TINY, 0)
