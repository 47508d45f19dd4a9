"""Export to torchvision: bit-exact round trip, strict loading, equal logits, errors."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.convert.export_torchvision import to_torchvision
from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained
from ferjax.errors import UserError
from ferjax.models.registry import MODELS, create_model
from ferjax.runtime.variable_tree import flatten

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

CLASSES, SIDE = 7, 65
BOUNDS = {"resnet": 1e-5, "vgg": 1e-5, "efficientnet": 1e-4}


def rebuild(models: Any, state: dict[str, np.ndarray], build: str) -> Any:
    """Returns the network that the code `build` makes, with the exported weights."""
    names: dict[str, Any] = {"torchvision": SimpleNamespace(models=models), "nn": torch.nn}
    exec(build, names)
    network = names["net"]
    network.load_state_dict({key: torch.tensor(array) for key, array in state.items()}, strict=True)
    return network.eval()


def noise() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, SIDE, SIDE, 3), np.float32)


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16", "efficientnet_b0"])
def test_a_converted_file_is_exported_bit_for_bit(
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    load: Callable[..., Pretrained],
    folder: Path,
    model: str,
) -> None:
    module = torch_network(lambda: torchvision_models.get_model(model, num_classes=CLASSES))
    original = module.state_dict()
    torch.save(original, folder / "w.pth")
    weights = load(folder / "w.pth", model)
    state, build = to_torchvision(weights.variables, model, weights.fields)
    keys = {key for key in original if not key.endswith("num_batches_tracked")}
    assert state.keys() == keys
    for key, array in state.items():
        np.testing.assert_array_equal(array, original[key].numpy(), err_msg=key)
    rebuild(torchvision_models, state, build)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("resnet18", {}),
        ("resnet18", {"head_widths": (16,)}),
        pytest.param("efficientnet_b0", {}, marks=pytest.mark.slow),
        ("efficientnet_b0", {"head_widths": (16, 12), "dropout": 0.5}),
        ("vgg16", {"head_widths": (16,)}),
        ("vgg16", {"head_widths": (), "pooling": "mean"}),
        pytest.param("vgg19", {"head_widths": (16,), "pooling": "mean"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_logits(
    torchvision_models: Any,
    random_variables: Callable[..., Any],
    model: str,
    fields: dict[str, Any],
) -> None:
    network = create_model(model, CLASSES, **fields)
    variables = random_variables(network, SIDE, 3)
    state, build = to_torchvision(flatten(variables), model, fields)
    actual = np.asarray(jax.jit(lambda v, x: network.apply(v, x, train=False))(variables, noise()))
    with torch.no_grad():
        images = torch.from_numpy(noise().transpose(0, 3, 1, 2).copy())
        expected = rebuild(torchvision_models, state, build)(images).numpy()
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error <= BOUNDS[MODELS[model].family]


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("resnet50", "keras", "conv_bias=True"),
        ("efficientnet_b0", "keras", "padding=same"),
        ("efficientnet_b0", "timm_tf", "bn_eps=0.001"),
    ],
)
def test_networks_that_differ_from_torchvision_are_an_error(
    random_variables: Callable[..., Any], model: str, kind: str, words: str
) -> None:
    fields = find_table(model, kind).fields
    variables = flatten(random_variables(create_model(model, CLASSES, **fields), 32, 3))
    with pytest.raises(UserError, match=words):
        to_torchvision(variables, model, fields)
