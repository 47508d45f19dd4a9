"""Suggestions for a misspelt name are near it, and advice can be followed."""

from typing import Any

import pytest

from ferjax.convert.catalogue.find_weights import find_weights
from ferjax.data.datasets import user_folder
from ferjax.errors import UserError, nearest, unknown_name
from ferjax.recipes import DEFAULTS, RECIPES, resolve


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("aweii", DEFAULTS, "awei"),
        ("ResNet-18", DEFAULTS, "resnet18"),
        ("efficientnetb1", DEFAULTS, "efficientnet_b1"),
        ("vgg", DEFAULTS, "vgg16"),
        ("mobilenet", DEFAULTS, None),
        ("liu_awei", RECIPES, "liu_awei_rafdb"),
        ("duoble", ("none", "input", "double"), "double"),
        ("tpa", ("tpe", "random"), "tpe"),
        ("best", ("selected", "last"), None),
        ("affectnet", ("rafdb", "fer2013", "sfew"), None),
        ("", ("a", "b"), None),
    ],
)
def test_the_nearest_name_is_near(name: str, known: Any, near: str | None) -> None:
    assert nearest(name, known) == near
    assert ("Did you mean" in str(unknown_name("thing", name, known))) == (near is not None)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("imagnet", "Did you mean 'imagenet'"),
        ("resnet18.tv_in1", "Did you mean 'resnet18.tv_in1k'"),
        ("tv_in1", "Did you mean 'resnet18.tv_in1k'"),
        ("openimages", "weights of resnet18: 'openimages'. Known: "),
    ],
)
def test_weights_are_suggested_by_name_or_tag(name: str, near: str) -> None:
    with pytest.raises(UserError, match=near):
        find_weights(name, "resnet18")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"model": "cnn6", "dataset": "fer2013", "warmup_epochs": 2.0},
            r"Give --warmup_epochs=0, or use --schedule=cosine\.$",
        ),
        (
            {"model": "cnn6", "dataset": "ferplus", "loss": "multi_target"},
            r"Give --label_smoothing=0\. \(--label_smoothing is set by the recipe default\.\)",
        ),
        (
            {"model": "efficientnet_b1", "dataset": "fer2013", "epochs": (1, 2, 3)},
            r"\(--learning_rate is set by the recipe iut_efficientnet_b1_fer2013\.\)",
        ),
    ],
)
def test_an_error_says_which_flag_the_recipe_set(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve(given)


@pytest.mark.parametrize("schedule", ["cosine", "constant", "one_cycle"])
def test_the_decay_of_a_replaced_schedule_goes_with_it(schedule: str) -> None:
    given: dict[str, Any] = {"model": "efficientnet_b1", "dataset": "fer2013"}
    assert resolve(given).decay_rate == 1e-6
    assert resolve({**given, "schedule": schedule}).decay_rate is None
    assert resolve({**given, "schedule": "plateau"}).decay_rate == 1e-6
    with pytest.raises(UserError, match=r"--decay_rate=0\.5"):
        resolve({**given, "schedule": schedule, "decay_rate": 0.5})


def test_own_images_are_not_got_from_anywhere(tmp_path: Any) -> None:
    (path := tmp_path / "nothing.txt").touch()
    with pytest.raises(UserError, match="Sort them in one of these ways and give the folder"):
        user_folder.load(path, storage_size=32)
