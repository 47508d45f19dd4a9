"""Parity traps of VGG: order of channels in the flattened map, adaptive pool, classifier."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.rules.axis_layouts import OI_TO_IO
from ferjax.convert.rules.match_and_convert import convert, match
from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
MIN_TRAP_ERROR = 100 * TOLERANCE
MODEL = "vgg16"
TABLE = find_table(MODEL, "torchvision")
POOLED = {"pooling": "mean", "head_widths": ()}


@pytest.fixture(scope="module")
def published(
    torchvision_models: Any, torch_network: Callable[..., Any]
) -> Iterator[tuple[Any, Path]]:
    """Returns torchvision's VGG16 and the file of its weights."""
    module = torch_network(lambda: torchvision_models.vgg16(num_classes=7))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.pth"
        torch.save(module.state_dict(), path)
        yield module, path


@pytest.fixture(scope="module")
def converted(published: tuple[Any, Path], load: Callable[..., Pretrained]) -> Pretrained:
    """Returns the weights of that file, for our network."""
    return load(published[1], MODEL)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, 48, 48, 3), np.float32)


def test_trap_8_flattened_channels_are_reordered(
    published: tuple[Any, Path],
    images: np.ndarray,
    converted: Pretrained,
    run_ferjax: Callable[..., Any],
    run_torch: Callable[..., Any],
    largest_error: Callable[..., tuple[float, str]],
) -> None:
    (module, path), weights = published, converted
    expected = run_torch(module, "torchvision", "vgg", images)
    assert largest_error(run_ferjax(weights, images), expected)[0] <= TOLERANCE

    # A plain transpose gives the same shape, so only the numbers show the mistake.
    rules = tuple(
        dataclasses.replace(rule, layout=OI_TO_IO)
        if rule.target == "params/head_dense1/kernel"
        else rule
        for rule in TABLE.rules
    )
    assert rules != TABLE.rules
    source = open_source(path)
    plain = match(
        source.leaves,
        dataclasses.replace(TABLE, rules=rules),
        abstract_variables(MODEL, 7),
        where="w.pth",
    )
    first = [a for a in plain if a.target == "params/head_dense1/kernel"]
    variables = {**weights.variables, **convert(source.read, first)}
    trapped = run_ferjax(dataclasses.replace(weights, variables=variables), images)
    assert (
        largest_error({"logits": trapped["logits"]}, {"logits": expected["logits"]})[0]
        >= MIN_TRAP_ERROR
    )


def test_trap_9_the_adaptive_pool_before_the_classifier(
    published: tuple[Any, Path],
    images: np.ndarray,
    converted: Pretrained,
    run_ferjax: Callable[..., Any],
    run_torch: Callable[..., Any],
    largest_error: Callable[..., tuple[float, str]],
) -> None:
    module, path = published
    source = open_source(path)
    pooled = abstract_variables(MODEL, 0, **POOLED)
    # The published classifier does not fit pooled features; that is an error.
    with pytest.raises(UserError, match=r"head_dense1/kernel, which the network does not have"):
        match(source.leaves, TABLE, pooled, where="w.pth")

    # Without the classifier the network equals torchvision's, up to the mean of the last map.
    trunk = match(source.leaves, TABLE, pooled, ignore=(r"classifier\..*",), where="w.pth")
    weights = dataclasses.replace(
        converted,
        variables=convert(source.read, trunk),
        fields=POOLED,
        num_classes=None,
    )
    expected = dict(run_torch(module, "torchvision", "vgg", images))
    expected["logits"] = expected["stage5"].mean((1, 2))
    assert largest_error(run_ferjax(weights, images), expected)[0] <= TOLERANCE
