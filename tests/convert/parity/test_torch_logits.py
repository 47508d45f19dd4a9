"""Parity of every network with torchvision, timm and transformers: stage outputs and logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.reference_library import import_torchvision
from ferjax.models.registry import MODELS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

CLASSES = 7
BOUNDS = {"resnet": 1e-5, "vgg": 1e-5, "efficientnet": 1e-4}
NAMES = [name for name, entry in MODELS.items() if entry.family]
RESNETS = [name for name in NAMES if name.startswith("resnet")]
EFFICIENTNETS = [name for name in NAMES if name.startswith("efficientnet")]

# One of each family and kind of block; the others are only deeper or wider.
REPRESENTATIVE = ("resnet18", "resnet50", "vgg16", "efficientnet_b0", "tf_efficientnet_b0")


def representative(names: list[str]) -> list[Any]:
    """Returns the names as parameters of a test, slow but for one of each kind."""
    return [
        pytest.param(name, marks=() if name in REPRESENTATIVE else pytest.mark.slow)
        for name in names
    ]


# Batch and side. A stride splits an even map otherwise than an odd one.
ODD = (5, 65)
SHAPES = [ODD, *(pytest.param(s, marks=pytest.mark.slow) for s in ((1, 65), (1, 64), (5, 64)))]


def noise(batch: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch, side, side, 3), np.float32)


def compare(
    request: pytest.FixtureRequest, module: Any, file: Path, model: str, kind: str, images: Any
) -> None:
    """Asserts that ferjax's network with the file's weights has the outputs of the module."""
    load, run_ferjax, run_torch, largest_error = map(
        request.getfixturevalue, ("load", "run_ferjax", "run_torch", "largest_error")
    )
    weights, family = load(file, model), MODELS[model].family
    assert weights.source["kind"] == kind
    assert weights.num_classes == CLASSES
    expected = run_torch(module, kind.removesuffix("_tf"), family, images)
    if len(images) > 1:  # the outputs must depend on the image
        assert np.ptp(expected["logits"], 0).max() >= 0.01 * np.abs(expected["logits"]).max()
    error, tensor = largest_error(run_ferjax(weights, images), expected)
    assert error <= BOUNDS[family], tensor


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("model", representative(NAMES))
def test_torchvision(
    request: pytest.FixtureRequest,
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    folder: Path,
    model: str,
    shape: tuple[int, int],
) -> None:
    module = torch_network(lambda: torchvision_models.get_model(model, num_classes=CLASSES))
    # Files of 2019 and earlier are plain pickles, not archives.
    torch.save(
        module.state_dict(), folder / "w.pth", _use_new_zipfile_serialization=model != "resnet18"
    )
    compare(request, module, folder / "w.pth", model, "torchvision", noise(*shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "name", representative([*NAMES, *(f"tf_{name}" for name in EFFICIENTNETS)])
)
def test_timm(
    request: pytest.FixtureRequest,
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    folder: Path,
    name: str,
    shape: tuple[int, int],
) -> None:
    timm = import_torchvision("timm")
    pytest.importorskip("huggingface_hub")
    module = torch_network(lambda: timm.create_model(name, num_classes=CLASSES))
    # As on the hub: safetensors, and a config.json with the name of the network.
    timm.models.save_for_hf(module, folder, safe_serialization=True)
    model = name.removeprefix("tf_")
    kind = "timm" if model == name else "timm_tf"
    compare(request, module, folder / "model.safetensors", model, kind, noise(*shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("model", representative(RESNETS))
def test_transformers(
    request: pytest.FixtureRequest,
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    folder: Path,
    model: str,
    shape: tuple[int, int],
) -> None:
    transformers = import_torchvision("transformers")
    depths = {"18": [2, 2, 2, 2], "101": [3, 4, 23, 3], "152": [3, 8, 36, 3]}
    basic = model in ("resnet18", "resnet34")
    config = transformers.ResNetConfig(
        depths=depths.get(model.removeprefix("resnet"), [3, 4, 6, 3]),
        layer_type="basic" if basic else "bottleneck",
        hidden_sizes=[64, 128, 256, 512] if basic else [256, 512, 1024, 2048],
        num_labels=CLASSES,
    )
    module = torch_network(lambda: transformers.ResNetForImageClassification(config))
    module.save_pretrained(folder)
    compare(request, module, folder / "model.safetensors", model, "transformers", noise(*shape))
