"""Epsilon and momentum of batch norm in every network, against the original libraries.

Some values are too close for a test of logits: Keras's ResNets add 1.001e-5, torchvision's 1e-5.
"""

from collections.abc import Callable
from typing import Any

import pytest

from ferjax.convert.reference_library import import_torchvision
from ferjax.convert.tables.all_tables import find_table
from ferjax.models.registry import MODELS, create_model

pytestmark = pytest.mark.parity

WITH_NORMS = [n for n, e in MODELS.items() if e.family in ("resnet", "efficientnet")]
EFFICIENTNETS = [n for n in WITH_NORMS if n.startswith("efficientnet")]


def assert_same(model: str, kind: str, expected: set[tuple[float, float]]) -> None:
    """Asserts that all norms have one (epsilon, momentum in the sense of Flax), as in ferjax."""
    network: Any = create_model(model, 7, **find_table(model, kind).fields)
    [(epsilon, momentum)] = expected
    assert network.bn_eps == pytest.approx(epsilon, rel=1e-9)
    assert network.bn_momentum == pytest.approx(momentum)


def torch_norms(build: Callable[[], Any]) -> set[tuple[float, float]]:
    import torch

    with torch.device("meta"):
        layers = build().modules()
    # PyTorch's momentum is the weight of the new statistics.
    return {(norm.eps, 1 - norm.momentum) for norm in layers if hasattr(norm, "running_var")}


@pytest.mark.parametrize("model", WITH_NORMS)
def test_torchvision_and_timm(torchvision_models: Any, model: str) -> None:
    timm = import_torchvision("timm")
    assert_same(model, "torchvision", torch_norms(getattr(torchvision_models, model)))
    assert_same(model, "timm", torch_norms(lambda: timm.create_model(model)))


@pytest.mark.parametrize("model", EFFICIENTNETS)
def test_timms_ports_from_tensorflow(torchvision_models: Any, model: str) -> None:
    timm = import_torchvision("timm")
    [(epsilon, _)] = torch_norms(lambda: timm.create_model(f"tf_{model}"))
    # timm has 0.9, as in its own networks; the original networks of TensorFlow have 0.99.
    assert_same(model, "timm_tf", {(epsilon, 0.99)})


def test_transformers(torchvision_models: Any) -> None:
    transformers = import_torchvision("transformers")
    config = transformers.ResNetConfig()
    norms = torch_norms(lambda: transformers.ResNetModel(config))
    assert_same("resnet50", "transformers", norms)
