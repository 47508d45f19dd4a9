"""The networks against plain PyTorch modules that hold the same weights."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.models.registry import create_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
nn, functional = torch.nn, torch.nn.functional

BATCH = 4


def conv3(inputs: int, width: int, bias: bool = True) -> Any:
    return nn.Conv2d(inputs, width, 3, padding=1, bias=bias)


class TorchDepthCNN(nn.Module):
    """P4's CNN at 48 px: the first four blocks pool."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        widths = [1, 32, 64, 128, 256, 512, 512]
        for block in range(1, depth + 1):
            setattr(self, f"conv{block}", conv3(widths[block - 1], widths[block], bias=False))
            setattr(self, f"bn{block}", nn.BatchNorm2d(widths[block]))
        side = {3: 6, 4: 3, 5: 3, 6: 3}[depth]
        self.depth = depth
        self.dense = nn.Linear(side * side * widths[depth], 256)
        self.head = nn.Linear(256, 7)

    def forward(self, x: Any) -> Any:
        for block in range(1, self.depth + 1):
            x = torch.relu(getattr(self, f"bn{block}")(getattr(self, f"conv{block}")(x)))
            if block <= 4:
                x = functional.max_pool2d(x, 2)
        return self.head(torch.relu(self.dense(x.flatten(1))))


class TorchBaseCNN(nn.Module):
    """PyTorch's MNIST example, without its dropouts, at 28 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.dense = nn.Linear(320, 50)
        self.head = nn.Linear(50, 7)

    def forward(self, x: Any) -> Any:
        x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
        x = functional.relu(functional.max_pool2d(self.conv2(x), 2))
        return self.head(functional.relu(self.dense(x.view(-1, 320))))


class TorchAwei(nn.Module):
    """P5's network at 64 px, one line a wire."""

    def __init__(self, jumper: str) -> None:
        super().__init__()
        self.kind = jumper
        for block, (inputs, width) in enumerate(
            [(3, 32), (32, 64), (64, 128), (128, 256), (256, 512)], start=1
        ):
            setattr(self, f"conv{block}", conv3(inputs, width))
        if jumper in ("input", "conv1"):
            self.jumper = conv3({"input": 3, "conv1": 32}[jumper], 512)
        if jumper in ("staged", "double"):
            self.jumper1 = conv3({"staged": 32, "double": 3}[jumper], 128)
            self.jumper2 = conv3(128, 512)
        self.dense = nn.Linear(2 * 2 * 512, 1792)
        self.head = nn.Linear(1792, 7)

    def forward(self, x: Any) -> Any:
        def jump(wire: Any, conv: Any, window: int) -> Any:
            return functional.max_pool2d(torch.relu(conv(wire)), window)

        first = torch.relu(self.conv1(x))
        one = functional.max_pool2d(first, 2)
        two = functional.max_pool2d(torch.relu(self.conv2(one)), 2)
        three = functional.max_pool2d(torch.relu(self.conv3(two)), 2)
        if self.kind == "staged":
            three = three + jump(one, self.jumper1, 4)
        four = functional.max_pool2d(torch.relu(self.conv4(three)), 2)
        five = functional.max_pool2d(torch.relu(self.conv5(four)), 2)
        if self.kind == "staged":
            five = five + jump(three, self.jumper2, 4)
        elif self.kind == "input":
            five = five + jump(x, self.jumper, 32)
        elif self.kind == "conv1":
            five = five + jump(first, self.jumper, 32)
        elif self.kind == "double":
            five = five + jump(jump(x, self.jumper1, 8), self.jumper2, 4)
        return self.head(torch.relu(self.dense(five.flatten(1))))


def torch_layout(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns our arrays by torch's names: HWIO → OIHW, HWC rows of the first dense → CHW."""
    params, state = variables["params"], {}
    for name, leaves in params.items():
        kernel = leaves.get("kernel", leaves.get("scale"))
        axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[kernel.ndim]
        state[f"{name}.weight"] = kernel.transpose(axes)
        if "bias" in leaves:
            state[f"{name}.bias"] = leaves["bias"]
    flat = params["dense"]["kernel"]
    channels = params[max(name for name in params if name.startswith("conv"))]["kernel"].shape[-1]
    side = round((len(flat) / channels) ** 0.5)
    rows = flat.reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
    state["dense.weight"] = rows.reshape(flat.shape[::-1])
    for name, leaves in variables.get("batch_stats", {}).items():
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = leaves["mean"], leaves["var"]
        state[f"{name}.num_batches_tracked"] = np.array(0)
    return state


def load(module: Any, variables: Mapping[str, Any]) -> Any:
    """Returns `module` with our weights."""
    state = torch_layout(variables).items()
    module.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)) for k, v in state})
    return module


def assert_close(ours: Any, theirs: Any) -> None:
    theirs = theirs.detach().numpy()
    assert np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max() <= 1e-5


def images(side: int, channels: int) -> tuple[np.ndarray, Any]:
    """Returns the same images for both: NHWC for us, NCHW for torch."""
    x = np.random.default_rng(1).random((BATCH, side, side, channels), np.float32)
    return x, torch.tensor(x.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize(
    ("name", "fields", "side", "channels", "build"),
    [
        ("cnn3", {}, 48, 1, lambda: TorchDepthCNN(3)),
        ("cnn6", {}, 48, 1, lambda: TorchDepthCNN(6)),
        ("base_cnn", {}, 28, 1, TorchBaseCNN),
        *(
            ("awei", {"jumper": j}, 64, 3, lambda j=j: TorchAwei(j))
            for j in ("none", "input", "conv1", "staged", "double")
        ),
    ],
)
def test_evaluation_logits(
    name: str,
    fields: dict[str, Any],
    side: int,
    channels: int,
    build: Callable[[], Any],
    random_variables: Callable[..., Any],
) -> None:
    model = create_model(name, 7, **fields)
    variables = random_variables(model, side, channels)
    ours, theirs = images(side, channels)
    module = load(build(), variables).eval()
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, ours)
    assert_close(logits, module(theirs))


def logits_and_gradients(
    name: str, variables: Any, x: np.ndarray, **fields: Any
) -> tuple[Any, Any, Any]:
    """Returns logits, new batch statistics and the gradient of mean(logits²), in training mode."""
    model = create_model(name, 7, dropout=0.0, **fields)

    def loss_fn(params: Any) -> Any:
        run = {**variables, "params": params}
        logits, updates = model.apply(run, x, train=True, mutable=["batch_stats"])
        return (jnp.asarray(logits) ** 2).mean(), (logits, updates)

    # Under jit, as in a run: what XLA fuses has cost gradients before (see ops/pool.py).
    gradients, (logits, updates) = jax.jit(jax.grad(loss_fn, has_aux=True))(variables["params"])
    return logits, updates.get("batch_stats", {}), jax.tree.map(np.asarray, gradients)


def assert_gradients_close(gradients: Any, module: Any) -> None:
    """Compares every parameter's gradient, in torch's layout."""
    expected = {name: p.grad for name, p in module.named_parameters()}
    found = {k: v for k, v in torch_layout({"params": gradients}).items() if k in expected}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        wanted = expected[name].numpy()
        error = np.abs(gradient - wanted).max() / np.abs(wanted).max()
        assert error <= 1e-4, f"{name}: {error:.1e}"


@pytest.mark.parametrize("depth", [3, 6])
def test_training_logits_gradients_and_running_statistics(
    depth: int, random_variables: Callable[..., Any]
) -> None:
    variables = random_variables(create_model(f"cnn{depth}", 7), 48, 1)
    ours, theirs = images(48, 1)
    module = load(TorchDepthCNN(depth), variables).train()
    logits, stats, gradients = logits_and_gradients(f"cnn{depth}", variables, ours)
    output = module(theirs)
    (output**2).mean().backward()
    assert_close(logits, output)
    assert_gradients_close(gradients, module)
    sides = (48, 24, 12, 6, 3, 3)
    for block in range(1, depth + 1):
        before, after = variables["batch_stats"][f"bn{block}"], stats[f"bn{block}"]
        norm = getattr(module, f"bn{block}")
        assert_close(after["mean"], norm.running_mean)
        # Flax keeps the biased variance of the batch, torch n / (n - 1) times that.
        n = BATCH * sides[block - 1] ** 2
        biased = (after["var"] - 0.9 * before["var"]) * n / (n - 1)
        assert_close(0.9 * jnp.asarray(before["var"]) + biased, norm.running_var)


@pytest.mark.parametrize(
    ("name", "fields", "side", "build"),
    [
        ("base_cnn", {}, 28, TorchBaseCNN),
        ("awei", {"jumper": "input"}, 64, lambda: TorchAwei("input")),
        ("awei", {"jumper": "staged"}, 64, lambda: TorchAwei("staged")),
    ],
)
def test_gradients(
    name: str,
    fields: dict[str, Any],
    side: int,
    build: Callable[[], Any],
    random_variables: Callable[..., Any],
) -> None:
    channels = 3 if name == "awei" else 1
    variables = random_variables(create_model(name, 7, **fields), side, channels)
    ours, theirs = images(side, channels)
    module = load(build(), variables)
    _, _, gradients = logits_and_gradients(name, variables, ours, **fields)
    (module(theirs) ** 2).mean().backward()
    assert_gradients_close(gradients, module)
