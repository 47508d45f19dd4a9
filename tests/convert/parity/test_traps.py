"""Parity traps: mistakes of a conversion that give no error, but other numbers.

Correct logits differ by at most `TOLERANCE`, logits with the mistake by at least 100 times that.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

from ferjax.convert.reference_library import import_torchvision
from ferjax.convert.weights import Pretrained
from ferjax.images.preprocess import prepare
from ferjax.models import resnet
from ferjax.models.layers import Conv
from ferjax.models.registry import create_model
from ferjax.runtime.variable_tree import flatten, unflatten

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
MIN_TRAP_ERROR = 100 * TOLERANCE


def noise(batch: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch, side, side, 3), np.float32)


def run(module: Any, images: Any) -> np.ndarray:
    """Returns a torch module's logits."""
    with torch.no_grad():
        return module(torch.from_numpy(np.asarray(images).transpose(0, 3, 1, 2).copy())).numpy()


@partial(jax.jit, static_argnums=0)  # one program for all weights of one network
def apply(network: Any, variables: Any, images: Any) -> jax.Array:
    return network.apply(variables, images, train=False)


def logits(weights: Pretrained, images: Any, **fields: Any) -> np.ndarray:
    """Returns ferjax's logits, with `fields` in place of those that the weights need."""
    network = create_model(weights.model, weights.num_classes or 0, **{**weights.fields, **fields})
    return np.asarray(apply(network, unflatten(weights.variables), images))


def distance(actual: Any, expected: Any) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.fixture
def convert_timm(
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    load: Callable[..., Pretrained],
    folder: Path,
) -> Callable[[str, str], tuple[Any, Pretrained]]:
    """Returns a function (timm's name, ferjax's name) → timm's network, converted weights."""
    timm = import_torchvision("timm")
    pytest.importorskip("huggingface_hub")

    def convert(name: str, model: str) -> tuple[Any, Pretrained]:
        module = torch_network(lambda: timm.create_model(name, num_classes=7))
        timm.models.save_for_hf(module, folder, safe_serialization=True)
        return module, load(folder / "model.safetensors", model)

    return convert


def test_trap_1_and_2_momentum_and_the_biased_variance(
    convert_timm: Callable[..., tuple[Any, Pretrained]],
) -> None:
    module, before = convert_timm("resnet18", "resnet18")
    images = noise(2, 33)
    run(module.train(), images)
    reference = module.state_dict()["layer4.1.bn2.running_var"].numpy()
    name, n = "batch_stats/stage4_block1/bn2/var", 2 * 2 * 2

    def step(**fields: Any) -> np.ndarray:
        network = create_model("resnet18", 7, **fields)
        variables = unflatten(before.variables)
        run = jax.jit(partial(network.apply, train=True, mutable=["batch_stats"]))
        _, updates = run(variables, images)
        return np.asarray(flatten(updates)[name])

    old = before.variables[name]

    def unbiased(new: np.ndarray, momentum: float) -> np.ndarray:
        return momentum * old + (new - momentum * old) * n / (n - 1)

    right = step()
    assert distance(unbiased(right, 0.9), reference) <= TOLERANCE
    # 1: torch's momentum 0.1 is 0.9 in Flax.
    assert distance(unbiased(step(bn_momentum=0.1), 0.1), reference) >= MIN_TRAP_ERROR
    # 2: torch stores the unbiased variance, but normalises by the biased one.
    assert distance(right, reference) >= MIN_TRAP_ERROR


@pytest.mark.parametrize(
    ("prefix", "right", "wrong", "wrong_padding"),
    [("", 1e-5, 1e-3, "same"), ("tf_", 1e-3, 1e-5, "symmetric")],
)
def test_trap_3_epsilon_and_4_padding_of_even_maps(
    convert_timm: Callable[..., tuple[Any, Pretrained]],
    prefix: str,
    right: float,
    wrong: float,
    wrong_padding: str,
) -> None:
    module, weights = convert_timm(f"{prefix}efficientnet_b0", "efficientnet_b0")
    even, odd = noise(1, 64), noise(1, 65)
    reference = run(module, even)
    assert distance(logits(weights, even), reference) <= TOLERANCE
    assert distance(logits(weights, even, bn_eps=right), reference) <= TOLERANCE
    assert distance(logits(weights, even, bn_eps=wrong), reference) >= MIN_TRAP_ERROR
    assert distance(logits(weights, even, padding=wrong_padding), reference) >= MIN_TRAP_ERROR
    # 65, 33, 17, 9, 5, 3: no map is even, and the trap does not show.
    assert distance(logits(weights, odd, padding=wrong_padding), run(module, odd)) <= TOLERANCE


@pytest.mark.parametrize("layer", ["Conv", "max_pool"])
def test_trap_4_same_padding_in_a_resnet(
    convert_timm: Callable[..., tuple[Any, Pretrained]],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    layer: str,
) -> None:
    module, weights = convert_timm("resnet18", "resnet18")
    even, odd = noise(1, 64), noise(1, 65)
    assert distance(logits(weights, even), run(module, even)) <= TOLERANCE
    same: dict[str, Callable[..., Any]] = {
        "Conv": lambda *args, padding, **options: Conv(*args, padding="SAME", **options),
        "max_pool": lambda x, side, *, stride, padding: nn.max_pool(
            x, (side, side), (stride, stride), "SAME"
        ),
    }
    monkeypatch.setattr(resnet, layer, same[layer])
    apply.clear_cache()  # what was traced before holds the layer that was there
    request.addfinalizer(apply.clear_cache)
    assert distance(logits(weights, even), run(module, even)) >= MIN_TRAP_ERROR
    assert distance(logits(weights, odd), run(module, odd)) <= TOLERANCE


def test_trap_10_every_tag_has_its_own_input(
    convert_timm: Callable[..., tuple[Any, Pretrained]],
) -> None:
    timm = import_torchvision("timm")
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8)
    specs = []
    for tag in ("ft_in1k", "ra4_e3600_r240_in1k"):
        module, weights = convert_timm(f"efficientnet_b1.{tag}", "efficientnet_b1")
        reference = timm.data.resolve_model_data_config(module)
        spec = weights.input
        assert spec.size == reference["input_size"][-1]
        assert (spec.mean, spec.std, spec.interpolation) == (
            reference["mean"],
            reference["std"],
            reference["interpolation"],
        )
        specs.append(dataclasses.replace(spec, size=64))
    assert specs[0].mean != specs[1].mean
    normalized = (images / 255 - reference["mean"]) / reference["std"]
    expected = run(module, normalized.astype(np.float32))
    wrong, right = (logits(weights, prepare(images, spec)) for spec in specs)
    assert distance(right, expected) <= TOLERANCE
    assert distance(wrong, expected) >= MIN_TRAP_ERROR
