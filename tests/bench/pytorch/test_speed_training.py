"""PyTorch's sides of the speedrun: network and augmentation are those of ferjax; they learn."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.pytorch.speed_recipes import TORCH_RECIPES, TorchRecipe
from ferjax.bench.speedrun.network import build_network
from ferjax.bench.speedrun.recipes import RECIPES
from ferjax.bench.speedrun.whitening import face_statistics
from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.errors import UserError

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("torchvision_models")]
torch = pytest.importorskip("torch")

TINY = TorchRecipe(
    phases=((16, 2), (24, 3)),
    batch_size=10,
    optimizer="nesterov",
    learning_rate=0.05,
    schedule="one_cycle",
    stage_sizes=(1, 1),
    widths=(8, 8),
    whitening=2,
    shift=4,
    flip="alternating",
    same_augmentation=True,
    mirrored_views=True,
)


@pytest.mark.parametrize("whitening", [0, 3, 4])
def test_twins_have_the_same_parameters_and_maps(whitening: int) -> None:
    from ferjax.bench.pytorch.speed_training import torch_network

    recipe = replace(RECIPES["full_size"], whitening=whitening)
    model = build_network(recipe, 7)
    image = np.zeros((1, 24, 24, 1), np.float32)
    variables: Any = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    filters = np.zeros((whitening, whitening, 1, 2 * whitening**2), np.float32)
    twin_recipe = replace(TORCH_RECIPES["torch_best"], whitening=whitening)
    twin = torch_network(twin_recipe, 7, filters if whitening else None)
    assert ours == sum(parameter.numel() for parameter in twin.parameters())
    assert twin[:-3](torch.zeros(1, 1, 24, 24)).shape == (1, 128, 3, 3)


def test_the_best_side_has_the_settings_of_ferjax() -> None:
    ours, best = RECIPES[SpeedrunConfig().recipe], TORCH_RECIPES["torch_best"]
    for name in ("flip", "shift", "whitening", "stem_width", "stage_sizes", "widths", "dropout"):
        assert getattr(ours, name) == getattr(best, name), name


def test_batches_are_shifted_and_mirrored_windows() -> None:
    from ferjax.bench.pytorch.speed_batches import mirrored_faces, resident_batches

    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    labels = torch.arange(12)
    batches = list(resident_batches(torch.from_numpy(images)[:, None], labels, TINY, 0, 1))
    ((batch, targets),) = batches
    assert len({*targets.tolist()}) == 10
    mirrored = mirrored_faces("alternating", 12, 0, 1).numpy()
    assert (mirrored ^ mirrored_faces("alternating", 12, 0, 0).numpy()).all()
    for face, number in zip(batch.numpy()[:, 0], targets.tolist(), strict=True):
        wide = np.pad(images[number], 1, "reflect")
        windows = np.lib.stride_tricks.sliding_window_view(wide, (16, 16)).reshape(-1, 16, 16)
        windows = windows[:, :, ::-1] if mirrored[number] else windows
        assert (windows == face).all((1, 2)).any()


def test_the_momentum_is_the_recipes_in_all_steps() -> None:
    from ferjax.bench.pytorch.speed_training import _optimizer, torch_network

    optimizer, schedule = _optimizer(TINY, torch_network(replace(TINY, whitening=0), 2, None), 50)
    momenta, rates = [], []
    for _ in range(25):
        momenta.append(optimizer.param_groups[0]["momentum"])
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert {*momenta} == {TINY.momentum}
    assert max(rates) == pytest.approx(TINY.learning_rate, rel=0.01)
    assert rates[-1] < 0.1 * TINY.learning_rate


def test_layers_compute_in_the_dtype_of_the_recipe() -> None:
    from ferjax.bench.pytorch.speed_training import _logits

    layer, inputs = torch.nn.Linear(64, 8), torch.rand(4, 64)
    exact = layer(inputs)
    half = (inputs.bfloat16() @ layer.weight.bfloat16().T + layer.bias.bfloat16()).float()
    for dtype, expected in (("float32", exact), ("bfloat16", half)):
        logits = _logits(layer, inputs, replace(TINY, dtype=dtype))
        assert logits.dtype == torch.float32
        assert torch.allclose(logits, expected, atol=0 if dtype == "float32" else 0.01)
    assert not torch.equal(logits, exact)
    with pytest.raises(UserError, match="unknown dtype 'float16'"):
        replace(TINY, dtype="float16")


@pytest.mark.parametrize(
    ("same_augmentation", "dtype"),
    [(True, "float32"), (False, "float32"), (True, "bfloat16")],
)
def test_both_kinds_of_batches_learn(same_augmentation: bool, dtype: str) -> None:
    from ferjax.bench.pytorch.speed_training import torch_train_and_score

    rng = np.random.default_rng(0)
    labels = (np.arange(50) % 2).astype(np.int32)
    images = (rng.integers(0, 60, (50, 48, 48, 1)) + 180 * labels[:, None, None, None]).astype(
        np.uint8
    )
    recipe = replace(
        TINY,
        same_augmentation=same_augmentation,
        channels_last=same_augmentation,
        dtype=dtype,
    )
    found = torch_train_and_score(
        (images, labels),
        (images[:21], labels[:21]),
        2,
        recipe,
        0,
        device="cpu",
        statistics=face_statistics,
    )
    assert found["accuracy"] == 1
    assert set(found["seconds"]) == {"preparation", "compile", "steps", "evaluation"}
    assert (found["note"], found["seconds"]["compile"]) == ("", pytest.approx(0, abs=0.1))
