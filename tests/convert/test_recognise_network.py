"""Recognition of network and library by keys and shapes, and of input specs by metadata."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.catalogue.input_specs import IMAGENET, keras_normalization, refine_input_spec
from ferjax.convert.readers.source_file import Source
from ferjax.convert.recognise_network import (
    FINGERPRINTS,
    Recognised,
    network_within,
    recognise,
)
from ferjax.convert.rules.match_and_convert import Leaf, Table, export
from ferjax.convert.tables.all_tables import TABLES, find_table
from ferjax.errors import UserError


def forbidden_read(key: str) -> np.ndarray:
    raise AssertionError(f"{key} was read: recognition uses keys and shapes only")


def source(
    leaves: dict[str, Leaf], path: str = "w/weights.pth", metadata: dict[str, Any] | None = None
) -> Source:
    return Source(Path(path), "torch zip", leaves, forbidden_read, (), metadata or {})


def leaves_of(model: str, table: Table, classes: int | None = 1000) -> dict[str, Leaf]:
    """Returns the keys that recognition uses, named as in `table`: one kernel a layer, the head."""
    depths, probe, shape = FINGERPRINTS[model]
    unit = "stage{}/conv{}" if table.family == "vgg" else "stage{}_block{}/project_conv"
    if table.family == "resnet":
        unit = "stage{}_block{}/conv1"
    first = 1 if table.family == "vgg" else 0
    names = [unit.format(s, first + i) for s, n in enumerate(depths, start=1) for i in range(n)]
    shapes = {f"params/{name}/kernel": (1, 1, 8, 8) for name in names}
    shapes[f"params/{probe}/kernel"] = shape
    if classes is not None:
        shapes["params/head/kernel"] = (8, classes)
    written = export({p: np.zeros(s, np.float32) for p, s in shapes.items()}, table)
    return {key: Leaf(array.shape, "float32") for key, array in written.items()}


CASES = [(model, table) for table in TABLES for model in table.models]


@pytest.mark.parametrize("classes", [None, 7])
@pytest.mark.parametrize(("model", "table"), CASES, ids=lambda x: getattr(x, "kind", x))
def test_every_model_of_every_kind(model: str, table: Table, classes: int | None) -> None:
    file = source(leaves_of(model, table, classes))
    recognised = recognise(file, model, table.kind)
    expected = Recognised(recognised.table, model, classes, hidden=False, notes=())
    assert recognised == expected
    assert recognised.table == table
    # Without the kind: one of the tables with the same keys and rules.
    guessed = recognise(file).table
    assert export({}, guessed) == {}
    equal = {"timm", "timm_tf"} if model.startswith("efficientnet") else {"torchvision", "timm"}
    assert guessed.kind == table.kind or {guessed.kind, table.kind} <= equal


def test_another_model_is_an_error() -> None:
    file = source(leaves_of("resnet34", find_table("resnet34", "torchvision")))
    message = r"looks like resnet34 \(torchvision\), expected resnet50\. Give --model=resnet34"
    with pytest.raises(UserError, match=message):
        recognise(file, "resnet50")


def test_the_error_for_an_unknown_network_lists_its_keys() -> None:
    file = source({f"blocks.{i}.attn.qkv.weight": Leaf((3,), "float32") for i in range(12)})
    with pytest.raises(UserError, match=r"12 keys begin with blocks\.0\.attn\.qkv\.weight"):
        recognise(file)
    with pytest.raises(UserError, match=r"matches no supported network"):
        recognise(source({}))


def test_unknown_sizes_are_an_error() -> None:
    leaves = leaves_of("resnet50", find_table("resnet50", "torchvision"))
    leaves["layer1.0.conv1.weight"] = Leaf((128, 64, 1, 1), "float32")  # a wide one
    with pytest.raises(UserError, match=r"none of resnet18.*stages hold \(3, 4, 6, 3\)"):
        recognise(source(leaves))


def test_kind_is_checked() -> None:
    file = source(leaves_of("resnet18", find_table("resnet18", "torchvision")))
    with pytest.raises(UserError, match=r"unknown kind of weights 'kears'.*Did you mean 'keras'"):
        recognise(file, kind="kears")
    with pytest.raises(UserError, match=r"matches no supported network from keras"):
        recognise(file, kind="keras")


@pytest.mark.parametrize(
    ("path", "config", "kind"),
    [
        ("w/model.safetensors", {}, None),
        ("w/model.safetensors", {"architecture": "efficientnet_b0"}, "timm"),
        ("w/model.safetensors", {"architecture": "tf_efficientnet_b0"}, "timm_tf"),
        ("w/tf_b0.pth", {}, "timm_tf"),
        ("tf_efficientnet_b0.in1k/model.safetensors", {}, "timm_tf"),
        ("models--timm--tf_efficientnet_b0.in1k/snapshots/0/model.safetensors", {}, "timm_tf"),
    ],
)
def test_ports_from_tensorflow_are_recognised(
    path: str, config: dict[str, str], kind: str | None
) -> None:
    leaves = leaves_of("efficientnet_b0", find_table("efficientnet_b0", "timm"))
    recognised = recognise(source(leaves, path, {"config": config}))
    assert recognised.table.kind == (kind or "timm")
    assert bool(recognised.table.fields) == (kind == "timm_tf")
    assert recognised.notes == (
        () if kind else ("taken as timm; timm_tf has the same keys: give the kind if it is",)
    )


def test_input_of_keras_normalisation() -> None:
    # Keras's published weights store the std as variance, and divide by its root a second time.
    image, mean = np.linspace(0, 1, 3), np.array([0.485, 0.456, 0.406])
    published = np.array([0.229, 0.224, 0.225])
    expected = (image - mean) / np.sqrt(published) / np.sqrt(published)
    actual_mean, actual_std = keras_normalization(mean.tolist(), np.float32(published).tolist())
    np.testing.assert_allclose((image - actual_mean) / actual_std, expected, rtol=1e-6)
    # An adapted layer stores a variance.
    assert keras_normalization([0.1, 0.2, 0.3], [4.0, 9.0, 16.0]) == (
        (0.1, 0.2, 0.3),
        (2.0, 3.0, 4.0),
    )
    metadata = {"normalization": {"mean": [0, 0, 0], "variance": [4, 4, 4]}}
    spec = refine_input_spec(IMAGENET, metadata, "a.h5")
    assert spec == dataclasses.replace(IMAGENET, mean=(0, 0, 0), std=(2, 2, 2))


def test_input_of_timm_config() -> None:
    half = (0.5, 0.5, 0.5)
    settings = {
        "mean": half, "std": half, "interpolation": "bicubic", "input_size": [3, 240, 240],
    }  # fmt: skip
    leaves = leaves_of("resnet18", find_table("resnet18", "torchvision"))
    config = {"architecture": "resnet18", "pretrained_cfg": settings}
    recognised = recognise(source(leaves, metadata={"config": config})).table
    assert recognised.kind == "timm"
    assert recognised.input == dataclasses.replace(
        IMAGENET, storage=(240, 240), size=240, mean=half, std=half, interpolation="bicubic"
    )
    for bad in ({"mean": "a"}, {"mean": [1.0]}, {"input_size": []}, {"std": 3}):
        with pytest.raises(UserError, match=r"config\.json next to w/weights\.pth: "):
            recognise(source(leaves, metadata={"config": {"pretrained_cfg": bad}}))


def test_tables_are_found_by_model_and_kind() -> None:
    for model, table in CASES:
        assert find_table(model, table.kind) is table
    with pytest.raises(UserError, match=r"timm_tf has no resnet50; expected one of torchvision"):
        find_table("resnet50", "timm_tf")
    with pytest.raises(UserError, match=r"unknown kind of weights 'tim'\. Did you mean 'timm'"):
        find_table("resnet50", "tim")
    with pytest.raises(UserError, match=r"awei has no counterpart in .* have one: efficientnet_b0"):
        find_table("awei", "keras")


def test_a_classifier_without_its_last_layer_is_recognised() -> None:
    # timm stores a VGG for features like this.
    table = find_table("vgg16", "timm")
    leaves = leaves_of("vgg16", table, None)
    shapes = {"pre_logits.fc1.weight": (4096, 512, 7, 7), "pre_logits.fc1.bias": (4096,)}
    whole = {**leaves, **{key: Leaf(shape, "float32") for key, shape in shapes.items()}}
    assert (recognise(source(whole)).num_classes, recognise(source(whole)).hidden) == (None, True)
    assert not recognise(source(leaves)).hidden


@pytest.mark.parametrize("prefix", ["backbone.", "encoder.", "module.encoder_q.", "net.a.b.c."])
@pytest.mark.parametrize("kind", ["torchvision", "transformers"])
def test_a_network_below_a_prefix_is_found(prefix: str, kind: str) -> None:
    leaves = leaves_of("resnet18", find_table("resnet18", kind), None)
    beside = {"head.weight": Leaf((7, 512), "float32"), "temperature": Leaf((), "float32")}
    file = source({**{prefix + key: leaf for key, leaf in leaves.items()}, **beside})
    read: list[str] = []
    file = dataclasses.replace(file, read=lambda key: read.append(key) or np.zeros(1))
    found = network_within(file)
    assert found.leaves == leaves
    assert found.notes == (f"keys taken from below {prefix!r}; left out: head.weight, temperature",)
    assert recognise(found).model == "resnet18"
    found.read(next(iter(leaves)))
    assert read == [prefix + next(iter(leaves))]


def test_a_network_without_a_prefix_is_taken_as_it_is() -> None:
    for model, table in CASES:
        file = source(leaves_of(model, table, None))
        assert network_within(file) is file
    strange = source({f"blocks.{i}.attn.qkv.weight": Leaf((3,), "float32") for i in range(12)})
    assert network_within(strange) is strange
    leaves = leaves_of("resnet18", find_table("resnet18", "torchvision"))
    twins = {
        f"{name}.{key}": leaf for name in ("student", "teacher") for key, leaf in leaves.items()
    }
    with pytest.raises(UserError, match=r"networks of .* below student\. and teacher\."):
        network_within(source(twins))
