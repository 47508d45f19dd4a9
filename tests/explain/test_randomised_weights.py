"""The sanity check: maps of a trained network against those after its weights are randomised."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.explain import load_explainer
from ferjax.explain.explainer import Explainer
from ferjax.explain.methods import METHODS
from ferjax.explain.randomised_weights import cascade, rank_correlation, similarity_to_randomised

FACES = render_faces(np.arange(8), np.arange(8), size=48)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return load_explainer("fernet-ferplus", batch_size=8)


def test_correlation_is_spearmans_with_ties_and_none_of_a_constant() -> None:
    random = np.random.default_rng(0)
    maps = random.integers(0, 5, (4, 6, 7)).astype(float)
    others = random.integers(0, 5, (4, 6, 7)).astype(float)
    found = rank_correlation(maps, others)
    wanted: Any = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(maps, others, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(rank_correlation(maps, maps), 1)
    np.testing.assert_array_equal(rank_correlation(maps, np.zeros_like(maps)), 0)


def test_the_cascade_begins_at_the_head_and_ends_with_all(explainer: Explainer) -> None:
    stages = cascade(explainer)
    assert next(iter(stages)) == "head"
    assert list(stages)[-1] == "all"
    trained = explainer.run.variables
    for name, variables in stages.items():
        kept = [
            module
            for module, value in trained["params"].items()
            if variables["params"][module] is value
        ]
        assert "head" not in kept
        assert bool(kept) == (name != "all")
    statistics = stages["all"]["batch_stats"]["stem_bn"]
    np.testing.assert_array_equal(statistics["mean"], 0)


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_maps_depend_on_what_was_learnt(method: str, explainer: Explainer) -> None:
    targets = explainer.predictor.probabilities(list(FACES)).argmax(-1)
    found = similarity_to_randomised(explainer, list(FACES), targets, method)
    assert found["all"] < 0.5
    assert set(found) == {"another face", *cascade(explainer)}


def test_a_map_that_shows_the_picture_alone_is_found_out(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An edge detector looks like an explanation, and does not look at the network.
    monkeypatch.setitem(
        METHODS,
        "edges",
        lambda explained, pixels: np.abs(np.gradient(pixels[..., 0], axis=(1, 2))).sum(0),
    )
    targets = np.zeros(len(FACES), int)
    found = similarity_to_randomised(explainer, list(FACES), targets, "edges")
    np.testing.assert_allclose([v for k, v in found.items() if k != "another face"], 1)
