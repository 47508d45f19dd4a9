"""Fixtures for parity tests: random networks of other libraries, conversion, outputs by stage."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.convert.fetching.name_url_or_file import resolve
from ferjax.convert.rules.name_templates import translate
from ferjax.convert.weights import Pretrained, plan_conversion, run_conversion
from ferjax.experiment import run_train
from ferjax.models.intermediate_activations import capture_activations
from ferjax.models.registry import abstract_variables, create_model
from ferjax.recipes import resolve as resolve_recipe
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.training.run_directory import save_with_disk_errors
from ferjax.training.run_directory.checkpoints import save_checkpoint

Outputs = Mapping[str, np.ndarray]
# A report, and parameters and statistics by flat path after each epoch, counted from 1.
Trained = tuple[dict[str, Any], dict[int, dict[str, np.ndarray]]]

STAGES = r"stage\d+(_block\d+)?"
# (library, family) → template of the submodule that corresponds to one of ferjax's blocks.
TORCH_BLOCKS = {
    ("torchvision", "resnet"): "layer{s}.{b}",
    ("timm", "resnet"): "layer{s}.{b}",
    ("transformers", "resnet"): "resnet.encoder.stages.{s-1}.layers.{b}",
    ("torchvision", "efficientnet"): "features.{s}.{b}",
    ("timm", "efficientnet"): "blocks.{s-1}.{b}",
}
# Parts of the names of shortcuts and of the first layer, to which branches are added. In blocks
# bn1 is inside a branch, where the next norm cancels its scale.
SHORTCUTS = ("downsample", "shortcut", "_0_bn", "embedder", "conv1_bn", "bn1")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Returns a folder that is deleted after the test: some files have half a gigabyte."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def train_recipe(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> Callable[..., Trained]:
    """Returns a function (recipe, data folder, ...) → report and states of a smoke run."""
    monkeypatch.setenv("FERJAX_CACHE", str(folder / "cache"))

    def train(recipe: str, data_dir: Path, **options: Any) -> Trained:
        states = {}

        def keep(manager: Any, state: Any, meta: Any, accuracy: float | None = None) -> None:
            tree = {"params": state.params, "batch_stats": state.batch_stats}
            states[meta["epoch"]] = {path: np.array(leaf) for path, leaf in flatten(tree).items()}
            save_checkpoint(manager, state, meta, accuracy)

        monkeypatch.setattr(save_with_disk_errors, "save_checkpoint", keep)
        smoke = dict(smoke=True, progress=False, workdir=str(tmp_path / "run"))
        config = resolve_recipe(dict(recipe=recipe, data_dir=str(data_dir), **smoke, **options))
        return run_train(config, jax.devices()[:1]), states

    return train


@pytest.fixture(scope="session")
def load() -> Callable[[Path, str], Pretrained]:
    """Returns a function (file, model) → its weights, converted like a user's file."""

    def convert_file(path: Path, model: str) -> Pretrained:
        plan = plan_conversion(path, resolve(path, model, None), model, abstract_variables)
        return run_conversion(plan)

    return convert_file


@pytest.fixture(scope="session")
def run_ferjax() -> Callable[..., Outputs]:
    """Returns a function (weights, images) → logits and outputs of every stage or block."""
    # One compiled program for all files of one network.
    run = jax.jit(capture_activations, static_argnums=(0, 3))

    def outputs(weights: Pretrained, images: np.ndarray, **fields: Any) -> Outputs:
        network = create_model(
            weights.model, weights.num_classes or 0, **{**weights.fields, **fields}
        )
        logits, stages = run(network, unflatten(weights.variables), images, STAGES)
        return {name: np.asarray(value) for name, value in {**stages, "logits": logits}.items()}

    return outputs


@pytest.fixture(scope="session")
def step_statistics() -> Callable[[Pretrained, Any], Outputs]:
    """Returns a function (weights, images) → ferjax's running statistics after a training step."""

    def statistics(weights: Pretrained, images: Any) -> Outputs:
        network = create_model(weights.model, weights.num_classes, dropout=0.0, **weights.fields)
        step = jax.jit(lambda v, x: network.apply(v, x, train=True, mutable=["batch_stats"])[1])
        updates = flatten(step(unflatten(weights.variables), images))
        return {name: np.asarray(value) for name, value in updates.items()}

    return statistics


@pytest.fixture(scope="session")
def largest_error() -> Callable[[Outputs, Outputs], tuple[float, str]]:
    """Returns a function (a, b) → largest max|a-b| / max|b| of all tensors, and its tensor."""

    def error(actual: Outputs, expected: Outputs) -> tuple[float, str]:
        assert actual.keys() == expected.keys()
        distances = {
            key: np.abs(actual[key] - expected[key]).max() / np.abs(expected[key]).max()
            for key in expected
        }
        return max((float(distance), name) for name, distance in distances.items())

    return error


def _draw_parameters(
    rng: np.random.Generator, path: str, shape: tuple[int, ...], fan_in: int
) -> np.ndarray:
    """Returns random values for one array, by its path in PyTorch or Keras."""
    layer, _, name = path.replace("/", ".").rpartition(".")
    if name == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    noise = rng.standard_normal(shape, np.float32)
    if name in ("weight", "kernel") and len(shape) > 1:
        return noise * np.sqrt(2 / fan_in, dtype=np.float32)
    # Branches are weaker than shortcuts, as after training, so that blocks do not amplify rounding
    # errors: with 50 equally strong branches 1e-7 becomes 4e-4, in either library.
    scale = 1.0 if any(part in layer for part in SHORTCUTS) else 0.1
    return scale * (1 + 0.3 * noise) if name in ("weight", "gamma") else 0.1 * noise


def _draw_statistics(rng: np.random.Generator, mean: Any, var: Any) -> tuple[Any, Any]:
    """Returns random running statistics near those of a batch, as arrays of either library.

    With very different statistics the output of a deep network hardly depends on its input, and
    parity of a constant shows little.
    """
    noise = rng.standard_normal((2, *mean.shape), np.float32)
    return mean + 0.3 * var**0.5 * noise[0], var * np.exp(0.3 * noise[1])


@pytest.fixture(scope="session")
def draw_parameters() -> Callable[..., np.ndarray]:
    """Returns the function that draws random parameters for every library."""
    return _draw_parameters


@pytest.fixture(scope="session")
def draw_statistics() -> Callable[..., tuple[Any, Any]]:
    """Returns the function that draws random running statistics for every library."""
    return _draw_statistics


@pytest.fixture(scope="session")
def torch_network() -> Callable[..., Any]:
    """Returns a function (builder of a torch module) → the random module in evaluation mode."""
    torch = pytest.importorskip("torch")

    def build(builder: Callable[[], Any], seed: int = 0) -> Any:
        with torch.device("meta"):  # no initialisation: it would be overwritten
            module = builder()
        module, rng = module.to_empty(device="cpu").eval(), np.random.default_rng(seed)
        for path, tensor in (*module.named_parameters(), *module.named_buffers()):
            values = _draw_parameters(
                rng, path, tuple(tensor.shape), int(np.prod(tensor.shape[1:]))
            )
            tensor.data.copy_(torch.from_numpy(values))

        def adapt(norm: Any, inputs: tuple[Any]) -> None:
            values = inputs[0].numpy()
            mean, var = _draw_statistics(rng, values.mean((0, 2, 3)), values.var((0, 2, 3)))
            norm.running_mean.copy_(torch.from_numpy(mean))
            norm.running_var.copy_(torch.from_numpy(var))

        norms = [layer for layer in module.modules() if hasattr(layer, "running_var")]
        hooks = [norm.register_forward_pre_hook(adapt) for norm in norms]
        if norms:
            with torch.no_grad():
                module(torch.from_numpy(rng.standard_normal((8, 3, 65, 65), np.float32)))
        for hook in hooks:
            hook.remove()
        return module

    return build


@pytest.fixture(scope="session")
def run_torch() -> Callable[..., Outputs]:
    """Returns a function (module, library, family, images) → the same outputs as `run_ferjax`."""
    torch = pytest.importorskip("torch")

    def outputs(module: Any, library: str, family: str, images: np.ndarray) -> Outputs:
        captured: dict[str, np.ndarray] = {}
        handles = []
        if family == "vgg":
            pools = [m for m in module.modules() if isinstance(m, torch.nn.MaxPool2d)]
            named = {f"stage{i}": pool for i, pool in enumerate(pools, start=1)}
        else:
            template = TORCH_BLOCKS[library, family]
            blocks = ((translate(template, "stage{s}_block{b}", n), m)
                      for n, m in module.named_modules())  # fmt: skip
            # In torchvision's EfficientNet stages 0 and 8 are the first and last convolution.
            outside = ("stage0", "stage8") if family == "efficientnet" else ()
            named = {name: m for name, m in blocks if name and not name.startswith(outside)}
        for name, block in named.items():
            handles.append(block.register_forward_hook(partial(_capture, captured, name)))
        with torch.no_grad():
            logits = module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        for handle in handles:
            handle.remove()
        return {**captured, "logits": getattr(logits, "logits", logits).numpy()}

    return outputs


def _capture(captured: dict[str, np.ndarray], name: str, _: Any, __: Any, output: Any) -> None:
    captured[name] = output.numpy().transpose(0, 2, 3, 1)
