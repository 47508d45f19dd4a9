"""Conversion tables against networks of the real libraries: all keys, and bit-exact round trips.

The weights are random: nothing is downloaded.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.readers.source_file import Source
from ferjax.convert.recognise_network import recognise
from ferjax.convert.rules.match_and_convert import Leaf, Table, convert, export, match
from ferjax.convert.tables.all_tables import find_table
from ferjax.models.registry import abstract_variables

pytestmark = pytest.mark.parity

CLASSES = 1000
# Numbers of parameters as published by torchvision and Keras.
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
}
LARGE = 1 << 22  # numbers in an array that is not drawn, only measured
# One of each kind of block, and for blocks numbered with two digits resnet101.
KINDS = ("resnet18", "resnet50", "resnet101", "vgg16", "efficientnet_b0")
MODELS = [
    pytest.param(model, marks=() if model in KINDS else pytest.mark.slow) for model in PARAMETERS
]
Shapes = Mapping[str, tuple[int, ...]]


def as_source(state: Mapping[str, Any], name: str = "weights.pth") -> Source:
    """Returns a Source with the keys and shapes of a state dict (meta device or not)."""
    rng = np.random.default_rng(0)
    leaves = {
        key: Leaf(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for key, tensor in state.items()
    }
    draw = {key: rng.standard_normal(leaf.shape, np.float32) for key, leaf in leaves.items()
            if np.prod(leaf.shape, dtype=int) < LARGE}  # fmt: skip
    return Source(Path(name), "torch zip", leaves, draw.__getitem__, (), {})


def target_of(model: str, table: Table, classes: int = CLASSES, **fields: Any) -> Shapes:
    return abstract_variables(model, classes, **{**table.fields, **fields})


def check(source: Source, model: str, kind: str, **fields: Any) -> None:
    """Asserts that the file is recognised, fits the network, and survives a round trip exactly."""
    recognised = recognise(source, model, kind)
    assert (recognised.num_classes, recognised.table.kind) == (CLASSES, kind)
    assert recognise(source).model == model
    target = target_of(model, recognised.table, **fields)
    assignments = match(source.leaves, recognised.table, target, where=str(source.path))
    assert {a.target for a in assignments} == set(target)
    left_out = set(source.leaves) - {a.source for a in assignments}
    assert all(k.endswith("num_batches_tracked") or k.startswith("norm") for k in left_out)
    small = [a for a in assignments if np.prod(a.shape, dtype=int) < LARGE]
    converted = convert(source.read, small)
    assert all(converted[a.target].shape == a.shape for a in small)
    exported = export(converted, recognised.table)
    assert set(exported) == {a.source for a in small}
    for key, array in exported.items():
        np.testing.assert_array_equal(array, source.read(key), err_msg=key)
    if kind != "keras":  # Keras's convolutions have biases.
        sizes = [np.prod(s, dtype=int) for p, s in target.items() if p.startswith("params/")]
        assert sum(sizes) == PARAMETERS[model]


def on_meta(build: Callable[[], Any]) -> Source:
    """Returns a torch module's state dict as a source: shapes alone, so that size costs nothing."""
    import torch

    with torch.device("meta"):
        return as_source(build().state_dict())


@pytest.mark.parametrize("model", MODELS)
def test_torchvision(torchvision_models: Any, model: str) -> None:
    check(on_meta(getattr(torchvision_models, model)), model, "torchvision")


@pytest.mark.parametrize("model", MODELS)
def test_timm(torchvision_models: Any, model: str) -> None:
    timm = pytest.importorskip("timm")
    check(on_meta(lambda: timm.create_model(model)), model, "timm")
    if model.startswith("efficientnet"):
        ported = on_meta(lambda: timm.create_model(f"tf_{model}"))
        check(ported, model, "timm_tf")


@pytest.mark.parametrize(
    ("model", "kind", "depths"),
    [
        ("resnet18", "basic", (2, 2, 2, 2)),
        pytest.param("resnet34", "basic", (3, 4, 6, 3), marks=pytest.mark.slow),
        ("resnet50", "bottleneck", (3, 4, 6, 3)),
        ("resnet101", "bottleneck", (3, 4, 23, 3)),
        pytest.param("resnet152", "bottleneck", (3, 8, 36, 3), marks=pytest.mark.slow),
    ],
)
def test_transformers(
    torchvision_models: Any, model: str, kind: str, depths: tuple[int, ...]
) -> None:
    transformers = pytest.importorskip("transformers")
    widths = np.array([64, 128, 256, 512]) * (1 if kind == "basic" else 4)
    config = transformers.ResNetConfig(
        depths=list(depths), hidden_sizes=widths.tolist(), layer_type=kind, num_labels=CLASSES
    )
    check(on_meta(lambda: transformers.ResNetForImageClassification(config)), model, "transformers")
    headless = on_meta(lambda: transformers.ResNetModel(config))
    recognised = recognise(headless, model)
    assert (recognised.table.kind, recognised.hidden, recognised.num_classes) == (
        "transformers",
        False,
        None,
    )
    target = target_of(model, recognised.table)
    assigned = match(headless.leaves, recognised.table, target, reinit=("head/.*",), where="w")
    assert len(assigned) == len(target) - 2


@pytest.mark.parametrize("model", ["resnet18", "vgg16", "efficientnet_b0"])
def test_networks_without_a_head(torchvision_models: Any, model: str) -> None:
    timm = pytest.importorskip("timm")
    source = on_meta(lambda: timm.create_model(model))
    headless = {
        k: v for k, v in source.leaves.items() if not k.startswith(("fc", "pre", "head", "cl"))
    }
    recognised = recognise(Source(source.path, "torch zip", headless, source.read, (), {}), model)
    assert (recognised.hidden, recognised.num_classes) == (False, None)
    features = target_of(model, recognised.table, 7, head_widths=())
    if model == "vgg16":
        features = target_of(model, recognised.table, 7, head_widths=(), pooling="mean")
    assigned = match(headless, recognised.table, features, reinit=("head/.*",), where="w")
    assert len(assigned) == len(features) - 2


KERAS = {"resnet50": "ResNet50", "vgg16": "VGG16", "efficientnet_b0": "EfficientNetB0"}


@pytest.fixture(scope="module")
def keras_applications() -> Iterator[Any]:
    """Returns keras.applications, on JAX: no other framework computes here."""
    os.environ["KERAS_BACKEND"] = "jax"
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        # By numpy: Keras compiles a program for each shape it draws.
        patch.setattr(
            keras.initializers.VarianceScaling,
            "__call__",
            lambda _, shape, dtype=None: rng.standard_normal(shape, np.float32),
        )
        yield keras.applications


# Keras reads its variables by a deprecated interface of numpy.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("model", KERAS)
def test_keras(keras_applications: Any, tmp_path: Path, model: str) -> None:
    pytest.importorskip("h5py")
    # At 32 pixels the first dense layer of VGG is small; names do not depend on the size.
    vgg = model == "vgg16"
    network = getattr(keras_applications, KERAS[model])(
        weights=None, classes=CLASSES, input_shape=(32, 32, 3)
    )
    network.save_weights(tmp_path / "a.weights.h5")
    network.save(tmp_path / "a.h5")
    weights = {tuple(w.path.rsplit("/", 2)[-2:]): np.asarray(w) for w in network.weights}
    table = find_table(model, "keras")
    target = dict(target_of(model, table))
    if vgg:
        target["params/head_dense1/kernel"] = (512, 4096)
    for name, container in (("a.weights.h5", "keras 3 h5"), ("a.h5", "keras legacy h5")):
        source = open_source(tmp_path / name)
        assert source.container == container
        recognised = recognise(source)
        assert (recognised.model, recognised.num_classes, recognised.table.kind) == (
            model,
            CLASSES,
            "keras",
        )
        if model.startswith("efficientnet"):
            assert (recognised.table.input.mean, recognised.table.input.std) == (
                (0.0,) * 3,
                (1.0,) * 3,
            )
        assignments = match(source.leaves, table, target, where=name)
        converted = convert(source.read, assignments)
        assert set(converted) == set(target)
        exported = export(converted, table)
        for key, array in exported.items():
            np.testing.assert_array_equal(array, source.read(key), err_msg=key)
        # The order of arrays within a layer is the order of Keras's names.
        for (layer, variable), array in weights.items():
            names = ["kernel", "bias"]
            if "bn" in layer:
                names = ["gamma", "beta", "moving_mean", "moving_variance"]
            if variable in names:
                np.testing.assert_array_equal(exported[f"{layer}/{names.index(variable)}"], array)
