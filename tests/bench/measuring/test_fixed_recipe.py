"""Settings of a recipe from texts, and the settings that are refused."""

import pytest

from ferjax.bench.measuring.fixed_recipe import scaled_shift, with_changes
from ferjax.bench.speedrun.recipes import SpeedRecipe
from ferjax.errors import UserError


def test_changes_from_the_command_line() -> None:
    changes = ["phases=[[24, 3], [48, 1]]", "flip=random", "learning_rate=1", "ema=0.99"]
    recipe = with_changes(SpeedRecipe(), changes)
    assert recipe.phases == ((24, 3), (48, 1))
    assert recipe.epochs == 4
    assert (recipe.flip, recipe.learning_rate, recipe.ema) == ("random", 1, 0.99)
    assert with_changes(recipe, []) == recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("shift", "--set=shift: SETTING=VALUE expected"),
        ("shifts=2", "unknown setting 'shifts'. Did you mean 'shift'"),
        ("shift=wide", "--set=shift=wide: int expected, as in shift=4"),
        ("flip=never", "unknown flip 'never'"),
        ("phases=[[20, 1]]", "phases: side 20; a multiple of 8 from 16 to 48"),
        ("phases=[[24, 0]]", "phases: 0 epochs at side 24"),
        ("phases=[24]", r"\(side, epochs\) of each phase expected"),
        ("label_smoothing=1.5", "label_smoothing=1.5: a number from 0 to below 1"),
        ("crops=0", "crops=0: at least 1 expected"),
        ("whitening=9", "patches of a side of at most 6"),
    ],
)
def test_wrong_settings(change: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        with_changes(SpeedRecipe(), [change])


def test_shifts_are_in_proportion_to_the_side() -> None:
    assert [scaled_shift(4, side) for side in (48, 32, 24, 16)] == [4, 3, 2, 1]
