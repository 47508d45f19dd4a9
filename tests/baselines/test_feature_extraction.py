"""Features of a split: the registry, grey images, what is kept on disk, images too small."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.baselines.feature_extraction import (
    FEATURES,
    check_image_size,
    extract_features,
    grey,
)
from ferjax.baselines.lpq import lpq_features
from ferjax.baselines.phog import phog_features
from ferjax.config import baseline_config
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.splits.split import Split
from ferjax.errors import UserError

CONFIG = BaselineConfig("lpq", "synthetic", progress=False)
COLOUR = np.random.default_rng(0).integers(0, 256, (5, 16, 18, 3), np.uint8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))


def test_names_are_those_of_the_flag() -> None:
    assert tuple(FEATURES) == baseline_config.FEATURES


def test_colour_becomes_grey_as_pillow_does() -> None:
    expected = [np.asarray(Image.fromarray(image).convert("L"), float) for image in COLOUR]
    np.testing.assert_allclose(grey(COLOUR), expected, atol=0.51)
    np.testing.assert_array_equal(grey(COLOUR[..., :1]), COLOUR[..., 0].astype(float))


@pytest.mark.parametrize("name", list(FEATURES))
def test_features_are_kept_and_follow_images_and_settings(
    name: str, make_split: Callable[..., Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, split = replace(CONFIG, features=name), make_split(COLOUR)
    found = extract_features(split, config)
    expected = {"lpq": lpq_features, "phog": phog_features}[name](grey(COLOUR))
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.shape[1] == FEATURES[name].length(config)
    computed: list[int] = []
    feature = FEATURES[name]

    def compute(images: np.ndarray, config: BaselineConfig) -> np.ndarray:
        computed.append(len(images))
        return feature.compute(images, config)

    monkeypatch.setitem(FEATURES, name, replace(feature, compute=compute))
    np.testing.assert_array_equal(extract_features(split, replace(config, kernel="linear")), found)
    assert not computed, "other settings of the machine need no other features"
    other = {"lpq": {"lpq_cells": 2}, "phog": {"phog_levels": 1}}[name]
    extract_features(split, replace(config, **other))
    extract_features(make_split(COLOUR[::-1]), config)
    assert computed == [5, 5]


@pytest.mark.parametrize(
    ("name", "side", "given", "words"),
    [
        ("lpq", 9, {}, "at least 10x10.*--lpq_window"),
        ("lpq", 3, {"lpq_window": 5, "lpq_cells": 1}, "at least 5x5"),
        ("phog", 7, {}, "at least 8x8.*--phog_levels"),
    ],
)
def test_small_images_are_refused(
    name: str, side: int, given: dict[str, int], words: str, make_split: Callable[..., Split]
) -> None:
    config = replace(CONFIG, features=name, **given)
    split = make_split(np.zeros((2, side, 20, 1), np.uint8))
    with pytest.raises(UserError, match=words):
        check_image_size(split, config)
    smallest = FEATURES[name].smallest(config)
    split = make_split(COLOUR[:, :smallest, :smallest])
    check_image_size(split, config)
    assert np.isfinite(extract_features(split, config)).all()
