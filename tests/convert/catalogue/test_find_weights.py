"""The catalogue of pretrained weights against the metadata of torchvision, timm and Keras."""

import inspect
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.convert.catalogue.find_weights import CATALOGUE, DEFAULT_TAGS, find_weights
from ferjax.convert.catalogue.weight_spec import WeightSpec
from ferjax.convert.tables.all_tables import find_table
from ferjax.errors import UserError
from ferjax.images.preprocess import normalize
from ferjax.models.registry import MODELS


def of_kind(*kinds: str) -> Iterator[WeightSpec]:
    return (spec for spec in CATALOGUE.values() if spec.kind in kinds)


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_every_entry_is_complete(spec: WeightSpec) -> None:
    assert spec.model in MODELS
    assert spec.name.partition(".")[0] == spec.model
    assert find_table(spec.model, spec.kind).kind == spec.kind
    assert bool(spec.url) != bool(spec.hub)
    assert bool(spec.hub) == bool(spec.hub_file)
    # For a plain URL the hash is the only check that the file is right.
    assert spec.hub or spec.hash
    assert spec.source.startswith("https://")
    assert 0 < spec.crop_pct <= 1
    assert spec.input.storage == (spec.input.size,) * 2
    assert spec.input.interpolation in ("bilinear", "bicubic")


def test_every_network_with_weights_has_a_default_with_its_head() -> None:
    assert DEFAULT_TAGS.keys() == {spec.model for spec in CATALOGUE.values()}
    for model, name in DEFAULT_TAGS.items():
        assert CATALOGUE[name].model == model
        assert CATALOGUE[name].with_top


@pytest.mark.parametrize("word", ["imagenet", "resnet50.tv_in1k", "tv_in1k"])
def test_weights_are_found_by_default_name_and_tag(word: str) -> None:
    assert find_weights(word, "resnet50") is CATALOGUE["resnet50.tv_in1k"]


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("tv_in2k", "resnet50", "Did you mean 'resnet50.tv_in1k'"),
        ("resnet50.a1_inik", "resnet50", "Did you mean 'resnet50.a1_in1k'"),
        ("vgg16.tv_in1k", "vgg19", "weights of vgg16, not of vgg19"),
        ("imagenet", "cnn3", "no weights of cnn3"),
    ],
)
def test_unknown_weights_are_an_error(name: str, model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_weights(name, model)


@pytest.mark.parity
def test_entries_equal_torchvision(torchvision_models: Any) -> None:
    tags = {"IMAGENET1K_V1": "tv_in1k", "IMAGENET1K_V2": "tv2_in1k"}
    published = {
        f"{model}.{tags[weights.name]}": weights
        for model in DEFAULT_TAGS
        for weights in torchvision_models.get_model_weights(model)
        if weights.name in tags
    }
    assert published.keys() == {spec.name for spec in of_kind("torchvision")}
    for name, weights in published.items():
        spec, transform = CATALOGUE[name], weights.transforms()
        assert spec.url == weights.url
        assert spec.hash == f"sha256:{weights.url[-12:-4]}"
        assert [spec.input.size] == transform.crop_size
        assert spec.crop_pct == transform.crop_size[0] / transform.resize_size[0]
        assert [*spec.input.mean] == transform.mean
        assert [*spec.input.std] == transform.std
        assert spec.input.interpolation == transform.interpolation.value
        assert spec.num_classes == len(weights.meta["categories"])


@pytest.mark.parity
def test_entries_equal_timm(torchvision_models: Any) -> None:
    timm = pytest.importorskip("timm")
    archs = {f"{prefix}{model}" for model in DEFAULT_TAGS for prefix in ("", "tf_")}
    published = {
        name
        for name in timm.list_pretrained()
        # Copies of torchvision's weights are taken from torchvision; bamboo has no ImageNet head.
        if name.partition(".")[0] in archs
        and not name.endswith((".tv_in1k", ".tv2_in1k", "bamboo"))
    }
    entries = {str(spec.hub).removeprefix("timm/"): spec for spec in of_kind("timm", "timm_tf")}
    assert entries.keys() == published
    for name, spec in entries.items():
        config = timm.get_pretrained_cfg(name)
        assert spec.hub == config.hf_hub_id
        assert (spec.kind == "timm_tf") == name.startswith("tf_")
        assert (3, spec.input.size, spec.input.size) == config.input_size
        assert (spec.input.mean, spec.input.std) == (config.mean, config.std)
        assert spec.input.interpolation == config.interpolation
        assert spec.crop_pct == config.crop_pct
        assert spec.license.lower() == config.license
        assert spec.num_classes == config.num_classes


@pytest.mark.parity
def test_entries_equal_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("keras")
    from keras.src.applications import efficientnet, resnet, vgg16, vgg19

    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3)).astype(np.float32)
    for spec in of_kind("keras"):
        family = spec.model.partition("_")[0]
        module = {"vgg16": vgg16, "vgg19": vgg19, "efficientnet": efficientnet}.get(family, resnet)
        file = str(spec.url).rpartition("/")[2]
        md5 = str(spec.hash).removeprefix("md5:")
        if family.startswith("vgg"):
            paths = (module.WEIGHTS_PATH_NO_TOP, module.WEIGHTS_PATH)
            assert spec.url == paths[spec.with_top]
            assert md5 in inspect.getsource(module)
        else:
            variant = spec.model.removeprefix("efficientnet_")
            assert spec.url == module.BASE_WEIGHTS_PATH + file
            assert md5 == module.WEIGHTS_HASHES[variant][not spec.with_top]
        if family == "efficientnet":
            assert spec.input.std == tuple(efficientnet.IMAGENET_STDDEV_RGB)
            continue  # the network has normalisation layers
        expected = module.preprocess_input(pixels.copy())
        np.testing.assert_allclose(normalize(jnp.asarray(pixels), spec.input), expected, atol=1e-4)


def test_names_of_keras_files_with_and_without_top() -> None:
    for spec in of_kind("keras"):
        assert str(spec.url).endswith("_notop.h5") != spec.with_top
        assert spec.name.endswith("_notop") != spec.with_top


def test_microsoft_has_one_resnet_of_each_depth() -> None:
    hubs = {spec.model: spec.hub for spec in of_kind("transformers")}
    depths = (18, 34, 50, 101, 152)
    assert hubs == {f"resnet{depth}": f"microsoft/resnet-{depth}" for depth in depths}
