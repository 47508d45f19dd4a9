"""PyTorch's sides of the suite `speedrun`: the same network, trained by a recipe, scored once."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ferjax.bench.pytorch.networks import fernet, whitening_stem
from ferjax.bench.pytorch.speed_batches import loader_batches, resident_batches, smaller_faces
from ferjax.bench.pytorch.speed_recipes import TorchRecipe

# Faces of a batch of the evaluation.
_SCORED_BATCH = 512
# (faces uint8 [N, H, W, 1], side of the patches or 0) → mean and standard deviation of the pixels,
# where 255 is 1; filters float32 [side, side, 1, F], or None.
Statistics = Callable[[np.ndarray, int], tuple[float, float, np.ndarray | None]]


def torch_train_and_score(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: int,
    recipe: TorchRecipe,
    seed: int,
    *,
    device: str,
    statistics: Statistics,
) -> dict[str, Any]:
    """Trains a network and scores it once, timed from the decoded faces in memory.

    Args:
      train: training faces uint8 [N, 48, 48, 1] and labels int32 [N].
      test: the same of the test.
      classes: number of classes.
      recipe: the settings.
      seed: seed of initial parameters, order and augmentation.
      device: PyTorch's name of the device.
      statistics: computes the faces' statistics and the frozen first layer.

    Returns:
      `accuracy`, `seconds` (part → wall time), `parameters`, `last_loss` and `note`.
    """
    import torch

    started = time.perf_counter()
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    mean, std, filters = statistics(train[0], recipe.whitening)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = torch_network(recipe, classes, filters).to(device, memory_format=layout)
    images, labels = _tensors(train, device)

    def network_input(faces: Any) -> Any:
        return ((faces.float() / 255 - mean) / std).contiguous(memory_format=layout)

    seconds = {"preparation": time.perf_counter() - started, "compile": 0.0}
    loss, note = _train(network, network_input, images, labels, recipe, seed, seconds)
    trained = time.perf_counter()
    hits = _count_hits(network, network_input, _tensors(test, device), recipe)
    ended = time.perf_counter()
    seconds["steps"] = trained - started - sum(seconds.values())
    seconds["evaluation"] = ended - trained
    return {
        "accuracy": hits / len(test[1]),
        "seconds": seconds,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "last_loss": loss if math.isfinite(loss) else None,
        "note": note,
    }


def torch_network(recipe: TorchRecipe, classes: int, filters: np.ndarray | None) -> Any:
    """Returns the network of a recipe, untrained.

    Args:
      recipe: the recipe.
      classes: number of logits.
      filters: float32 [side, side, 1, F], the frozen first layer; None: it is trained.
    """
    return fernet(
        classes,
        stem_width=recipe.stem_width,
        stage_sizes=recipe.stage_sizes,
        widths=recipe.widths,
        dropout=recipe.dropout,
        stem=None if filters is None else whitening_stem(filters),
    )


def _train(
    network: Any,
    network_input: Callable[[Any], Any],
    images: Any,
    labels: Any,
    recipe: TorchRecipe,
    seed: int,
    seconds: dict[str, float],
) -> tuple[float, str]:
    """Trains the network in all phases; returns the loss of the last epoch, and a note."""
    import torch
    from torch.nn import functional

    network.train()
    optimizer, schedule = _optimizer(recipe, network, len(labels))
    losses: list[Any] = []
    epoch, forward, note = 0, network, ""
    for side, epochs in recipe.phases:
        faces = smaller_faces(images, side)
        if recipe.compiled and not note:
            compile_started = time.perf_counter()
            inputs = network_input(faces[: recipe.batch_size])
            forward, note = _compile(network, inputs, recipe)
            seconds["compile"] += time.perf_counter() - compile_started
        for _ in range(epochs):
            losses = []
            batches = (
                resident_batches(faces, labels, recipe, seed, epoch)
                if recipe.same_augmentation
                else loader_batches(faces, labels, recipe)
            )
            for batch, targets in batches:
                optimizer.zero_grad(set_to_none=True)
                logits = _logits(forward, network_input(batch), recipe)
                loss = functional.cross_entropy(
                    logits, targets, label_smoothing=recipe.label_smoothing
                )
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(loss.detach())
            epoch += 1
    return float(torch.stack(losses).mean()), note


def _logits(network: Any, inputs: Any, recipe: TorchRecipe) -> Any:
    """Returns the logits in float32; the layers compute in the recipe's dtype."""
    import torch

    lower = recipe.dtype == "bfloat16"
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=lower):
        return network(inputs).float()


def _compile(network: Any, inputs: Any, recipe: TorchRecipe) -> tuple[Any, str]:
    """Returns the network through torch.compile, run once; or the network itself and the reason."""
    import torch

    compiled = torch.compile(network, dynamic=False)
    try:
        _logits(compiled, inputs, recipe).sum().backward()
    except Exception as error:  # a compiler of PyTorch may raise anything
        compiled, note = network, f"torch.compile did not run: {type(error).__name__}"
    else:
        note = ""
    network.zero_grad(set_to_none=True)
    return compiled, note


def _optimizer(recipe: TorchRecipe, network: Any, count: int) -> tuple[Any, Any]:
    """Returns the optimizer, and the schedule of its learning rate over all steps."""
    import torch
    from torch.optim import lr_scheduler

    steps = sum(epochs for _, epochs in recipe.phases) * (count // recipe.batch_size)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    options: dict[str, Any] = dict(lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimizer in ("sgd", "nesterov"):
        nesterov = recipe.optimizer == "nesterov"
        optimizer: Any = torch.optim.SGD(
            trained, momentum=recipe.momentum, nesterov=nesterov, **options
        )
    else:
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        optimizer = kinds[recipe.optimizer](trained, **options)
    if recipe.schedule == "cosine":
        return optimizer, lr_scheduler.CosineAnnealingLR(optimizer, steps)
    return optimizer, lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=steps + 1,
        pct_start=recipe.peak_at,
        # By default PyTorch varies the momentum, too; the recipe gives one value.
        cycle_momentum=False,
    )


def _count_hits(
    network: Any,
    network_input: Callable[[Any], Any],
    test: tuple[Any, Any],
    recipe: TorchRecipe,
) -> int:
    """Returns the number of test faces whose most probable class is their label."""
    import torch

    images, labels = test
    images, hits = smaller_faces(images, recipe.phases[-1][0]), 0
    network.eval()
    with torch.inference_mode():
        for faces, targets in zip(
            images.split(_SCORED_BATCH), labels.split(_SCORED_BATCH), strict=True
        ):
            views = (faces, faces.flip(-1)) if recipe.mirrored_views else (faces,)
            probabilities = torch.stack(
                [_logits(network, network_input(view), recipe).softmax(-1) for view in views]
            ).mean(0)
            hits += int((probabilities.argmax(-1) == targets).sum())
    return hits


def _tensors(data: tuple[np.ndarray, np.ndarray], device: str) -> tuple[Any, Any]:
    """Returns images uint8 [N, 1, H, W] and labels int64 [N] on the device."""
    import torch

    images, labels = data
    return (
        torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device),
        torch.from_numpy(labels.astype(np.int64)).to(device),
    )
