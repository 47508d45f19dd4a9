"""P2's recipe against Keras: frozen layers of its phases, and training from a Keras file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.phases import phases_of
from ferjax.convert.rules.match_and_convert import find_targets
from ferjax.convert.tables.efficientnet import KERAS
from ferjax.convert.weights import Pretrained
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.recipes import resolve
from ferjax.runtime.checksums import file_digest
from ferjax.training.freezing import frozen_pattern
from ferjax.training.run_directory.metrics_jsonl import read_lines

pytest.importorskip("h5py")
pytestmark = [
    pytest.mark.parity,
    # Keras reads its variables by a deprecated interface of numpy.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

RECIPE = "iut_efficientnet_b1_fer2013"
PATTERNS = [
    frozen_pattern(phase.freeze, None) or "" for phase in phases_of(resolve({"recipe": RECIPE}))
]


def frozen_paths(network: Any) -> tuple[set[str], set[str]]:
    """Returns ferjax's paths of the parameters in Keras's frozen layers, and of all parameters."""
    frozen, every = set(), set()
    for layer in network.layers:
        for index in range(len(layer.weights)):
            for path, _ in find_targets(f"{layer.name}/{index}", KERAS):
                if path.startswith("params/"):
                    every.add(path.removeprefix("params/"))
                    if not layer.trainable:
                        frozen.add(path.removeprefix("params/"))
    return frozen, every


def test_the_phases_freeze_the_same_layers_as_p2(keras_applications: Any) -> None:
    base = keras_applications.EfficientNetB1(weights=None, include_top=False)
    assert len(base.layers) == 339
    for layer in base.layers[:200]:
        layer.trainable = False
    first = next(layer for layer in base.layers[200:] if layer.weights)
    assert first.name == "block5b_project_conv"
    frozen, every = frozen_paths(base)
    assert len(every) == len(base.trainable_variables) + len(frozen)
    assert {path for path in every if re.fullmatch(PATTERNS[1], path)} == frozen
    assert all(re.fullmatch(PATTERNS[0], path) for path in every)
    for head in ("head/kernel", "head/bias"):
        assert not any(re.fullmatch(pattern, head) for pattern in PATTERNS)


def test_the_variant_for_b0_ends_at_the_same_place(keras_applications: Any) -> None:
    base = keras_applications.EfficientNetB0(weights=None, include_top=False)
    assert len(base.layers) == 237
    # The same share of the layers ends in the same block, two layers with parameters earlier.
    share = round(200 / 339 * 237)
    assert next(la.name for la in base.layers[share:] if la.weights) == "block5b_se_reduce"
    assert base.layers[143].name == "block5b_project_conv"
    for layer in base.layers[:143]:
        layer.trainable = False
    frozen, every = frozen_paths(base)
    patterns = [
        frozen_pattern(phase.freeze, None) or ""
        for phase in phases_of(resolve({"recipe": "iut_efficientnet_b0_fer2013"}))
    ]
    assert {path for path in every if re.fullmatch(patterns[1], path)} == frozen
    assert all(re.fullmatch(patterns[0], path) for path in every)


def test_the_rate_of_stochastic_depth_equals_keras(keras_applications: Any) -> None:
    import keras

    base = keras_applications.EfficientNetB1(weights=None, include_top=False)
    rates = [la.rate for la in base.layers if isinstance(la, keras.layers.Dropout)]
    # Of 23 blocks, numbered from 0, the last has the largest rate.
    assert max(rates) == pytest.approx(resolve({"recipe": RECIPE}).stochastic_depth * 22 / 23)


@pytest.fixture
def fer2013(tmp_path: Path) -> Path:
    """Returns a FER2013 in the folder layout of Kaggle."""
    emotion_of = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    labels = np.array([EMOTIONS.index(emotion_of.get(name, name)) for name in names])
    for split, each, first in (("train", 8, 0), ("test", 2, 1000)):
        for k in range(each):
            faces = render_faces(labels, first + 7 * k + np.arange(7), size=48)
            for name, face in zip(names, faces, strict=True):
                file = tmp_path / "fer2013" / split / name / f"im{k}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(face).convert("L").save(file)
    return tmp_path / "fer2013"


@pytest.mark.slow
@pytest.mark.parametrize("size", [pytest.param(32, id="32"), pytest.param(224, id="full")])
def test_p2(
    size: int,
    keras_network: Callable[..., Any],
    folder: Path,
    load: Callable[..., Pretrained],
    train_recipe: Callable[..., Any],
    fer2013: Path,
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (8, 65, 65, 3)).astype(np.float32)
    options = dict(include_top=False, pooling="avg", input_shape=(65, 65, 3))
    file = folder / "b1.weights.h5"
    keras_network("EfficientNetB1", images, **options).save_weights(file)
    report, states = train_recipe(RECIPE, fer2013, pretrained=str(file), image_size=size)

    protocol, run_dir = report["protocol"], Path(report["path"]).parent
    assert protocol["recipe"] == f"{RECIPE} (P2 IUT)"
    origin = protocol["weights' origin"]
    assert origin[0] == f"{file}: keras weights from {file.resolve()}"
    assert f"sha256 {file_digest(file)}" in origin
    assert origin[-1] == "new, at random: head"
    assert protocol["training augmentation"] == "paper"
    assert [line[:19] for line in protocol["phases"]] == [
        "1: 2 epochs, adam a",
        "2: 2 epochs, adam a",
    ]

    lines = [line for line in read_lines(run_dir) if line["split"] == "train"]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    # Four steps in each epoch; the decay starts with each phase.
    rates = [peak / (1 + 1e-6 * step) for peak in (1e-3, 1e-5) for step in (3, 7)]
    np.testing.assert_allclose([line["learning_rate"] for line in lines], rates, rtol=3e-7)
    before: Mapping[str, np.ndarray] = load(file, "efficientnet_b1").variables
    for epoch, pattern in zip((1, 2, 3, 4), np.repeat(PATTERNS, 2), strict=True):
        for path, leaf in before.items():
            # Statistics are frozen together with the scale of their norm.
            name = path.partition("/")[2].replace("/mean", "/scale").replace("/var", "/scale")
            same = np.array_equal(states[epoch][path], leaf)
            assert same == bool(re.fullmatch(pattern, name)), (epoch, path)
