"""Parity with torchvision: ResNet18 and ResNet50 in training, with the same weights."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.models.resnet import ResNet, ResNet18, ResNet50

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

BATCH = 4
BLOCKS = ("basic", "bottleneck")
# In each a block with a shortcut of its own and, in the first stage, one without.
SMALL = {kind: partial(ResNet, stage_sizes=(2, 1, 1, 1), block=kind) for kind in BLOCKS}
# The stem for small images, which torchvision's users write by hand.
SMALL_STEM = partial(ResNet, stage_sizes=(2, 1, 1, 1), block="basic", stem="small")
SIZES = {
    SMALL_STEM: ("basic", (2, 1, 1, 1)),
    **{build: (kind, (2, 1, 1, 1)) for kind, build in SMALL.items()},
    ResNet18: ("basic", (2, 2, 2, 2)),
    ResNet50: ("bottleneck", (3, 4, 6, 3)),
}


@pytest.fixture
def resnets(torchvision_models: Any) -> Any:
    """Returns torchvision.models.resnet."""
    return torchvision_models.resnet


def torchvision_network(resnets: Any, kind: str, sizes: tuple[int, ...]) -> Any:
    block = {"basic": resnets.BasicBlock, "bottleneck": resnets.Bottleneck}[kind]
    return resnets.ResNet(block, list(sizes), num_classes=7)


def torch_name(path: str) -> str:
    """Returns torchvision's name of a ferjax variable, for example stage1_block0/conv1/kernel."""
    for pattern, replacement in (
        (r"stem_(conv|bn)/", r"\g<1>1/"),
        (r"stage(\d)_block(\d)/", r"layer\1/\2/"),
        (r"downsample_conv/", "downsample/0/"),
        (r"downsample_bn/", "downsample/1/"),
        (r"head/", "fc/"),
        (r"/(kernel|scale)$", "/weight"),
        (r"/(mean|var)$", r"/running_\1"),
    ):
        path = re.sub(pattern, replacement, path)
    return path.replace("/", ".")


def torch_layout(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns ferjax's arrays by torchvision's names: HWIO → OIHW, IO → OI."""
    state = {}
    for tree in variables.values():
        for key, leaf in jax.tree_util.tree_leaves_with_path(tree):
            axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[leaf.ndim]
            name = torch_name(jax.tree_util.keystr(key, simple=True, separator="/"))
            state[name] = np.ascontiguousarray(np.asarray(leaf).transpose(axes))
    return state


def load(module: Any, variables: Mapping[str, Any]) -> Any:
    """Returns `module` with exactly ferjax's weights."""
    state = {name: torch.tensor(value) for name, value in torch_layout(variables).items()}
    counters = {k: v for k, v in module.state_dict().items() if k.endswith("num_batches_tracked")}
    module.load_state_dict({**state, **counters})
    return module


def images(side: int) -> tuple[np.ndarray, Any]:
    """Returns the same images twice: NHWC for ferjax, NCHW for torch."""
    x = np.random.default_rng(1).random((BATCH, side, side, 3), np.float32)
    return x, torch.tensor(x.transpose(0, 3, 1, 2).copy())


def error(actual: Any, tensor: Any) -> float:
    """Returns the largest difference, relative to the largest value."""
    expected = tensor.detach().numpy()
    return float(np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max())


def training(model: Any, variables: Any, x: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """Returns the logits; statistics and gradients of mean(logits²) by torchvision's names."""

    def loss_fn(params: Any) -> Any:
        run = {**variables, "params": params}
        logits, updates = model.apply(run, x, train=True, mutable=["batch_stats"])
        return (logits**2).mean(), (logits, updates["batch_stats"])

    # Under jit, as in training: XLA's fusions have lost gradients before (see ops/pool.py).
    gradients, (logits, stats) = jax.jit(jax.grad(loss_fn, has_aux=True))(variables["params"])
    return logits, torch_layout({"params": gradients, "batch_stats": stats})


def count_statistics(module: Any) -> dict[str, int]:
    """Returns {norm: number of values in the statistics of a channel}; the next pass fills it."""
    counts: dict[str, int] = {}
    for name, layer in module.named_modules():
        if hasattr(layer, "running_var"):
            layer.register_forward_hook(
                lambda _, x, __, name=name: counts.update({name: x[0].numel() // x[0].shape[1]})
            )
    return counts


@pytest.mark.parametrize(
    ("build", "dtype"),
    [
        (SMALL_STEM, np.float64),
        *((SMALL[kind], np.float64) for kind in BLOCKS),
        (ResNet18, np.float32),
        pytest.param(ResNet18, np.float64, marks=pytest.mark.slow),
        pytest.param(ResNet50, np.float64, marks=pytest.mark.slow),
        pytest.param(ResNet50, np.float32, marks=pytest.mark.slow),
    ],
    ids=["small-stem-64", "basic-64", "bottleneck-64", "18-32", "18-64", "50-64", "50-32"],
)
def test_training_logits_gradients_and_running_statistics(
    build: Any, dtype: Any, resnets: Any, random_variables: Callable[..., Any]
) -> None:
    # In double precision all values agree. In single precision, rounding may move a unit across
    # the kink of ReLU, which switches its gradient on or off, both in torch and in ferjax (2 % at
    # the end of ResNet50). So the test compares norms.
    tolerance, gradient_tolerance = (1e-10, 1e-10) if dtype == np.float64 else (1e-4, 0.1)
    model = build(num_classes=7)
    variables = random_variables(model, 65, 3)
    module = torchvision_network(resnets, *SIZES[build])
    if build is SMALL_STEM:
        module.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        module.maxpool = torch.nn.Identity()
    module = load(module, variables).double().train()
    jax_images, torch_images = images(65)
    counts = count_statistics(module)
    before = {name: buffer.numpy().copy() for name, buffer in module.named_buffers()}
    output = module(torch_images.double())
    (output**2).mean().backward()

    with jax.enable_x64(dtype == np.float64):
        typed = jax.tree.map(lambda leaf: leaf.astype(dtype), variables)
        logits, actual = training(model, typed, jax_images.astype(dtype))
    assert logits.dtype == dtype
    assert error(logits, output) <= tolerance
    for name, parameter in module.named_parameters():
        gradient = parameter.grad.numpy()
        distance = np.linalg.norm(actual.pop(name) - gradient) / np.linalg.norm(gradient)
        assert distance <= gradient_tolerance, f"{name}: {distance:.1e}"
    for name, n in counts.items():
        mean, var = f"{name}.running_mean", f"{name}.running_var"
        assert error(actual.pop(mean), module.get_buffer(mean)) <= tolerance
        # Flax stores the biased variance of the batch, torch n / (n - 1) times that.
        decayed = 0.9 * before[var]
        unbiased = decayed + (actual.pop(var) - decayed) * n / (n - 1)
        assert error(unbiased, module.get_buffer(var)) <= tolerance
    assert not actual
