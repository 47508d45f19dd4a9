"""Running statistics of batch norm after one training step, against torchvision."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.rules.match_and_convert import find_targets
from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained

pytestmark = pytest.mark.parity

Statistics = Mapping[str, np.ndarray]
BOUND = 1e-5
BATCH, SIDE = 8, 65


def statistics(weights: Pretrained) -> Statistics:
    return {k: v for k, v in weights.variables.items() if k.startswith("batch_stats/")}


def count_values(module: Any, model: str) -> dict[str, int]:
    """Returns {path of a variance: number of values in it}; the next forward pass fills it."""
    counts: dict[str, int] = {}
    table = find_table(model, "torchvision")

    def count(name: str, _: Any, inputs: Any, __: Any) -> None:
        [(target, _)] = find_targets(f"{name}.running_var", table)
        counts[target] = inputs[0].numel() // inputs[0].shape[1]

    for name, layer in module.named_modules():
        if hasattr(layer, "running_var"):
            layer.register_forward_hook(partial(count, name))
    return counts


@pytest.mark.parametrize(
    "model", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow), "efficientnet_b0"]
)
def test_torchvision(
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    load: Callable[..., Pretrained],
    step_statistics: Callable[..., Statistics],
    largest_error: Callable[..., tuple[float, str]],
    folder: Path,
    model: str,
) -> None:
    import torch

    module = torch_network(lambda: torchvision_models.get_model(model, num_classes=7)).train()
    for layer in module.modules():
        if hasattr(layer, "p"):  # dropout and stochastic depth
            layer.p = 0.0
    counts = count_values(module, model)
    images = np.random.default_rng(1).standard_normal((BATCH, SIDE, SIDE, 3), np.float32)
    torch.save(module.state_dict(), folder / "before.pth")
    with torch.no_grad():
        module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    torch.save(module.state_dict(), folder / "after.pth")
    before, after = load(folder / "before.pth", model), load(folder / "after.pth", model)

    actual = dict(step_statistics(before, images))
    assert counts.keys() == {name for name in actual if name.endswith("/var")}
    for name, n in counts.items():
        # ferjax stores the biased variance of the batch, torch n / (n - 1) times that.
        decayed = 0.9 * before.variables[name]
        actual[name] = decayed + (actual[name] - decayed) * n / (n - 1)
    error, name = largest_error(actual, statistics(after))
    assert error <= BOUND, name
