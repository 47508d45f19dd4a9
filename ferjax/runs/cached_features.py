"""Cached features of frozen branches: when they are stored, and the inputs of a phase with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import Split, without_images
from ferjax.data.storage.feature_store import (
    content_digest,
    feature_key,
    fill_store,
    free_bytes,
    stored_bytes,
)
from ferjax.errors import UserError
from ferjax.images.augment import Augment, find_augmentation
from ferjax.models.heads import build_head
from ferjax.runs.frozen_branch import FrozenBranch, build_frozen_branch, frozen_branch_name
from ferjax.runs.split_evaluator import evaluator_of
from ferjax.runs.task import Task
from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.processes import on_first
from ferjax.runtime.progress_lines import say
from ferjax.training.augmented_views import TRUNK
from ferjax.training.train_step import predict_step_from_features

# Number of images whose features are written together; a killed process loses at most one block.
_BLOCK = 128


@dataclass(frozen=True)
class PhaseInputs:
    """Network and splits of a phase, with or without cached features.

    Attributes:
      branch: `StepSettings.stored_branch`, or None if the whole network is computed.
      model: the whole network, or only its head if the features of the trunk are stored.
      train: the training split; with a branch it holds features.
      val: the validation split; with a branch it holds features.
      logits_of: (variables, split) → logits of a split such as `val`.
      note: the decision and its reason, for the report; empty if no branch is frozen.
    """

    branch: str | None
    model: nn.Module
    train: Split
    val: Split
    logits_of: Callable[[Any, Split], np.ndarray]
    note: str = ""


@dataclass(frozen=True)
class _Store:
    """The feature store of a split: its folder, its key, and the shape [N, V, ...] of the array."""

    split: Split
    folder: Path
    key: str
    shape: tuple[int, ...]


def check_feature_cache(task: Task) -> None:
    """Raises `UserError` if `--feature_cache=on` is set and no phase can cache features."""
    if task.config.feature_cache != "on":
        return
    if not any(frozen_branch_name(task, index) for index in range(len(task.frozen))):
        raise UserError(
            "--feature_cache=on: no branch of the network is frozen whole. It takes --guide=vgg16,"
            " or --freeze=all_but_head on a fernet, resnet, vgg or efficientnet."
        )
    if reason := _reason_against_caching(task.config):
        raise UserError(f"--feature_cache=on: {reason}. Change that, or leave the flag at auto.")


def prepare_phase_inputs(
    task: Task,
    index: int,
    variables: Mapping[str, Any],
    interrupted: Callable[[], bool] = lambda: False,
) -> PhaseInputs:
    """Returns model and splits of a phase; features that are not stored yet are computed here.

    Args:
      task: the task of the run.
      index: index of the phase, from 0.
      variables: `params` and `batch_stats` at the start of the phase.
      interrupted: () → whether the user asked to stop.

    Raises:
      UserError: a store that cannot be read or written.
      KeyboardInterrupt: the user asked to stop; the features stored so far are kept.
    """
    config, splits = task.config, task.bundle.splits
    without_cache = PhaseInputs(None, task.model, splits["train"], splits["val"], task.logits_of)
    name = frozen_branch_name(task, index)
    if name is None:
        return without_cache
    decision = _choose_stores(task, index, name, variables)
    if isinstance(decision, str):
        return replace(without_cache, note=f"frozen {name} is computed at every step: {decision}")
    branch, stores = decision
    say(f"computing the features of the frozen {name} that are not stored yet", config.progress)
    train, val = (
        _split_with_features(store, branch, config.progress, interrupted) for store in stores
    )
    model = build_head(task.model) if name == TRUNK else task.model

    def logits(variables: Any, batch: Any) -> jax.Array:
        return predict_step_from_features(
            variables, batch, model=model, spec=task.spec, stored_branch=name
        )

    unit = "image and its mirror image" if stores[0].shape[1] == 2 else "image"
    size = sum(stored_bytes(store.shape) for store in stores) / 1e9
    where = f"{size:.3g} GB in {stores[0].folder.parent}"
    note = f"frozen {name} is computed once for each {unit}: {where}"
    logits_of = evaluator_of(logits, task.mesh, config.batch_size, config.progress)
    return PhaseInputs(name, model, train, val, logits_of, note)


def _reason_against_caching(config: TrainConfig) -> str:
    """Returns why stored features would differ from computed features, or an empty text."""
    augment = find_augmentation(config.augment)
    if not isinstance(augment, Augment) or replace(augment, flip=False) != Augment():
        return f"--augment={config.augment} draws another image at every step; none and flip do not"
    if config.views > 1:
        return f"--views={config.views} shows other views of each image than the stored ones"
    if config.teacher:
        return "--teacher looks at the images, which stored features replace"
    if config.precision == "f64":
        return "--precision=f64 has more digits than the float32 that is stored"
    return ""


def _choose_stores(
    task: Task, index: int, name: str, variables: Mapping[str, Any]
) -> tuple[FrozenBranch, tuple[_Store, ...]] | str:
    """Returns a branch and the stores of train and val, or the reason why nothing is stored."""
    config, auto = task.config, task.config.feature_cache == "auto"
    if config.feature_cache == "off":
        return "--feature_cache=off"
    if reason := _reason_against_caching(config):
        return reason
    flips = getattr(find_augmentation(config.augment), "flip", False)
    variants, epochs = 1 + flips, phases_of(config)[index].epochs
    if auto and epochs <= variants:
        return f"to store it takes {variants} passes, and the phase has {epochs} epochs"
    branch = build_frozen_branch(task, name, variables)
    shapes = {
        split: (len(task.bundle.splits[split]), count, *branch.shape)
        for split, count in (("train", variants), ("val", 1))
    }
    needed_bytes, limit_gigabytes = (
        sum(map(stored_bytes, shapes.values())),
        config.feature_gigabytes,
    )
    if auto and needed_bytes > limit_gigabytes * 1e9:
        return f"{needed_bytes / 1e9:.3g} GB are more than --feature_gigabytes={limit_gigabytes:g}"
    # Computed last, because the key of a store depends on the content of every image.
    stores = tuple(_feature_store(task, split, branch, shape) for split, shape in shapes.items())
    if auto and needed_bytes > (
        free_disk := on_first(lambda: free_bytes(*(store.folder for store in stores)))
    ):
        return (
            f"{needed_bytes / 1e9:.3g} GB are more than the {free_disk / 1e9:.3g} that the disk has"
        )
    return branch, stores


def _feature_store(task: Task, name: str, branch: FrozenBranch, shape: tuple[int, ...]) -> _Store:
    config, split = task.config, task.bundle.splits[name]
    images = content_digest(split)
    key = feature_key({**branch.facts, "variants": shape[1], "images": images})
    root = Path(config.cache_dir) if config.cache_dir else cache_root() / "features"
    return _Store(split, root / f"{config.dataset}-{name}-{branch.name}-{key[:12]}", key, shape)


def _split_with_features(
    store: _Store, branch: FrozenBranch, progress: bool, interrupted: Callable[[], bool]
) -> Split:
    """Returns a split with its features, read from the store or computed by the network."""

    def compute(positions: np.ndarray) -> np.ndarray:
        if interrupted():
            raise KeyboardInterrupt
        return branch.compute(store.split.read(positions), store.shape[1])

    features = fill_store(
        store.folder,
        store.key,
        store.shape,
        compute,
        block=_BLOCK,
        progress=f"{branch.name} of {store.split.name}" if progress else None,
    )
    split = replace(store.split, features=features)
    return without_images(split) if branch.name == TRUNK else split
