"""The protocol block; warnings of one answer for all images, and of val and test far apart."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.evaluation.protocol import describe_protocol, warnings_of
from ferjax.recipes import resolve
from ferjax.report.scores import scores
from ferjax.specs import InputSpec

CLASSES = ("anger", "fear", "happiness")
ONE_CLASS = "the network predicts one class for every image"
FAR_APART = "are further apart than chance explains"


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return resolve({"model": "base_cnn", "dataset": "synthetic"})


def bundle_of(sizes: dict[str, int]) -> DatasetBundle:
    """Returns a data set of black pixels, with so many images in each split."""
    splits = {
        name: Split(
            name,
            np.arange(count, dtype=np.int32) % 3,
            tuple(f"{name}/{k}" for k in range(count)),
            (1, 1, 1),
            lambda rows: np.zeros((len(rows), 1, 1, 1), np.uint8),
        )
        for name, count in sizes.items()
    }
    return DatasetBundle(splits, CLASSES, "made", dict.fromkeys(sizes, "made"))


def warnings_for(config: TrainConfig, confusions: dict[str, list[list[int]]]) -> list[str]:
    """Returns the warnings about splits with these confusion matrices."""
    sizes = {"train": 30, **{name: int(np.sum(one)) for name, one in confusions.items()}}
    results: dict[str, dict[str, Any]] = {
        name: {"selected": scores(np.array(one), CLASSES)} for name, one in confusions.items()
    }
    return warnings_of(config, results, bundle_of(sizes))


@pytest.mark.parametrize("augment", ["none", "standard"])
def test_the_training_augmentation_is_stated(config: TrainConfig, augment: str) -> None:
    spec = InputSpec((1, 1), 1, 1, (0.5,), (0.25,))
    bundle = bundle_of({"train": 30, "val": 6})
    protocol = describe_protocol(replace(config, augment=augment), bundle, spec, "drawn")
    assert protocol["training augmentation"] == augment


@pytest.mark.parametrize(
    ("confusion", "warned"),
    [
        ([[10, 0, 0], [10, 0, 0], [10, 0, 0]], True),
        ([[0, 0, 10], [0, 0, 10], [0, 0, 0]], True),  # never right
        ([[10, 0, 0], [0, 0, 10], [0, 10, 0]], False),  # three answers, one class always right
        ([[0, 0, 0], [0, 20, 0], [0, 0, 0]], False),  # images of one class
    ],
)
def test_one_answer_for_every_image(
    confusion: list[list[int]], warned: bool, config: TrainConfig
) -> None:
    found = warnings_for(config, {"val": confusion})
    assert (f"on val {ONE_CLASS}" in found) == warned


def of_accuracy(images: int, accuracy: float) -> list[list[int]]:
    right = round(images * accuracy)
    return [[right // 2, images // 2 - right // 2, 0], [0, 0, 0],
            [0, images // 2 - (right - right // 2), right - right // 2]]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "val", "test", "warned"),
    [
        (20, 0.5, 0.7, False),  # z = 1.29
        (200, 0.5, 0.7, True),  # z = 4.1
        (20, 0.2, 0.8, True),  # z = 3.8
        (20_000, 0.5, 0.6, False),  # more than chance explains, and no sign of a leak
    ],
)
def test_a_gap_that_chance_explains_is_no_warning(
    images: int, val: float, test: float, warned: bool, config: TrainConfig
) -> None:
    found = warnings_for(
        config, {"val": of_accuracy(images, val), "test": of_accuracy(images, test)}
    )
    assert any(FAR_APART in line for line in found) == warned
