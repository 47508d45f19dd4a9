"""Frozen branches computed once an image: when that is exact and pays, and what is read instead."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import ferjax
from ferjax.augment import AUGMENTS, Augment
from ferjax.convert.cache import cache_root
from ferjax.data.feature_store import (
    content_digest,
    feature_key,
    fill_store,
    free_bytes,
    stored_bytes,
)
from ferjax.data.split import Split, without_images
from ferjax.errors import UserError
from ferjax.geometry import Geometry
from ferjax.models.heads import head_of
from ferjax.models.registry import create_model, model_entry
from ferjax.models.vgg import VGG16Trunk
from ferjax.phases import phases_of
from ferjax.preprocess import network_input
from ferjax.sharding import compiled, data_mesh, replicated
from ferjax.specs import spec_to_json
from ferjax.task import Task, evaluator_of
from ferjax.train.freezing import HEAD
from ferjax.train.steps import TRUNK, known_step
from ferjax.tree import flatten, split_tree

_GUIDE = "guide"
# Images a forward pass, and rows that are put on disk together.
_BATCH, _BLOCK = 64, 512


@dataclass(frozen=True)
class Known:
    """What a phase trains and evaluates with.

    Attributes:
      branch: as `train_step`'s `known`, or None where everything is computed.
      model: as `train_step`'s.
      train: the training split; with a branch it holds features.
      val: likewise.
      logits_of: (variables, split) → logits of `val`'s like.
      note: what was decided and why, for the report; empty where nothing is frozen.
    """

    branch: str | None
    model: nn.Module
    train: Split
    val: Split
    logits_of: Callable[[Any, Split], np.ndarray]
    note: str = ""


def known_branch(task: Task, index: int, variables: Mapping[str, Any]) -> Known:
    """Returns what a phase works with; features that are not stored yet are computed here.

    Args:
      task: the run's.
      index: the phase's, from 0.
      variables: `params` and `batch_stats` at its start.

    Raises:
      UserError: `--feature_cache=on` where that is impossible or not exact.
    """
    train, val = task.bundle.splits["train"], task.bundle.splits["val"]
    everything = Known(None, task.model, train, val, task.logits_of)
    branch = frozen_branch(task, index)
    wanted = task.config.feature_cache
    if branch is None:
        if wanted == "on":
            raise UserError(
                "--feature_cache=on: no branch of the network is frozen whole. It takes"
                " --guide=vgg16, or --freeze=all_but_head on a resnet, vgg or efficientnet."
            )
        return everything
    mirrored = AUGMENTS[task.config.augment].flip
    compute, width = _branch_function(task, branch, variables, mirrored)
    need = stored_bytes((len(train), 1 + mirrored, *width)) + stored_bytes((len(val), 1, *width))
    if reason := _refusal(task, index, need):
        return replace(everything, note=f"frozen {branch} is computed at every step: {reason}")
    model = head_of(task.model) if branch == TRUNK else task.model
    key = _shared_key(task, branch, variables)
    train = _with_features(task, branch, train, compute, (1 + mirrored, *width), key)
    val = _with_features(task, branch, val, compute, (1, *width), key)

    def logits(variables: Any, batch: Any) -> jax.Array:
        return known_step(variables, batch, model=model, spec=task.spec, known=branch)

    config = task.config
    logits_of = evaluator_of(logits, task.mesh, config.batch_size, config.progress)
    ways = " (and of its mirror image)" if mirrored else ""
    note = f"frozen {branch} is computed once an image{ways}: {need / 1e9:.2f} GB on disk"
    return Known(branch, model, train, val, logits_of, note)


def frozen_branch(task: Task, index: int) -> str | None:
    """Returns which branch of the network a phase leaves frozen as a whole, or None."""
    trained = split_tree(task.shapes, task.frozen[index])[0]
    heads, others = split_tree(trained, HEAD)[::-1]
    if heads and not others and model_entry(task.config.model).family:
        return TRUNK
    return _GUIDE if _GUIDE in task.shapes else None


def _refusal(task: Task, index: int, need: int) -> str:
    """Returns why a branch is not stored, or nothing; raises where the user asked for it."""
    config, phase = task.config, phases_of(task.config)[index]
    exact = replace(AUGMENTS[config.augment], flip=False) == Augment()
    if not exact:
        reason = f"--augment={config.augment} draws another image at every step"
        if config.feature_cache == "on":
            raise UserError(
                f"--feature_cache=on: {reason}. Give --augment=none or flip, or leave it at auto."
            )
        return reason
    if config.feature_cache == "on":
        return ""
    if config.feature_cache == "off":
        return "--feature_cache=off"
    passes = 1 + AUGMENTS[config.augment].flip
    if phase.epochs <= passes:
        return f"{passes} passes of it do not pay in {phase.epochs} epochs"
    if need > config.feature_gigabytes * 1e9:
        return f"{need / 1e9:.1f} GB is more than --feature_gigabytes={config.feature_gigabytes:g}"
    if need > (free := free_bytes(_folder(task))):
        return f"{need / 1e9:.1f} GB do not fit the disk's {free / 1e9:.1f}"
    return ""


def _folder(task: Task) -> Path:
    own = task.config.cache_dir
    return Path(own) if own else cache_root() / "features"


def _branch_function(
    task: Task, branch: str, variables: Mapping[str, Any], mirrored: bool
) -> tuple[Callable[[np.ndarray, int], np.ndarray], tuple[int, ...]]:
    """Returns (images uint8 [B, H, W, C], variants) → features [B, V, ...], and one's shape."""
    module, held = _branch_module(task, branch, variables)

    def features(variables: Any, images: jax.Array, flips: tuple[bool, ...]) -> jax.Array:
        """Returns float32 [B, V, ...], a variant for every flip."""
        found = []
        for flip in flips:
            geometry = Geometry(jnp.full(1, flip), jnp.zeros((1, 2))) if mirrored else None
            inputs = network_input(images, task.spec, geometry)
            own = inputs[1] if branch == _GUIDE else inputs
            found.append(module(variables, own).astype(jnp.float32))
        return jnp.stack(found, axis=1)

    # One process fills a store while others wait: its own devices are all it may use.
    mesh = data_mesh(jax.local_devices()[:1])
    held = jax.device_put(jax.tree.map(np.asarray, held), replicated(mesh))
    run = compiled(features, mesh, static_argnums=2)
    shape = (1, *task.bundle.splits["train"].shape)
    image = jax.ShapeDtypeStruct(shape, np.uint8)
    width = jax.eval_shape(lambda v, x: features(v, x, (False,)), held, image).shape[2:]

    def compute(images: np.ndarray, variants: int) -> np.ndarray:
        padded = np.pad(images, ((0, -len(images) % _BATCH), (0, 0), (0, 0), (0, 0)))
        flips = (False, True)[:variants]
        parts = [run(held, part, flips) for part in np.split(padded, len(padded) // _BATCH)]
        return np.concatenate([np.asarray(part) for part in parts])[: len(images)]

    return compute, width


def _branch_module(
    task: Task, branch: str, variables: Mapping[str, Any]
) -> tuple[Callable[[Any, jax.Array], Any], dict[str, Any]]:
    """Returns (variables, input) → what a branch returns, and the variables it has."""
    if branch == _GUIDE:
        guide: nn.Module = VGG16Trunk(task.model.dtype)  # pyright: ignore
        return guide.apply, {"params": variables["params"][_GUIDE]}
    trunk = create_model(task.config.model, 0, **{**task.fields, "head_widths": ()})
    params = split_tree(variables["params"], HEAD)[0]
    held = {"params": params, "batch_stats": variables["batch_stats"]}
    return lambda variables, inputs: trunk.apply(variables, inputs, train=False), held


def _shared_key(task: Task, branch: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the features of every split follow from, beside its images."""
    digest = hashlib.sha256()
    for path, leaf in sorted(flatten(_branch_module(task, branch, variables)[1]).items()):
        digest.update(path.encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return {
        "branch": branch,
        "weights": digest.hexdigest(),
        "model": task.config.model,
        "fields": task.fields,
        "input": spec_to_json(task.spec),
        "precision": task.config.precision,
        "ferjax": ferjax.__version__,
    }


def _with_features(
    task: Task,
    branch: str,
    split: Split,
    compute: Callable[[np.ndarray, int], np.ndarray],
    shape: tuple[int, ...],
    key: Mapping[str, Any],
) -> Split:
    """Returns a split with its features, from the store or from the network."""
    own = feature_key({**key, "variants": shape[0], "images": content_digest(split)})
    folder = _folder(task) / f"{task.config.dataset}-{split.name}-{branch}-{own[:12]}"
    features = fill_store(
        folder,
        own,
        (len(split), *shape),
        lambda positions: compute(split.read(positions), shape[0]),
        block=_BLOCK,
        progress=f"{branch} of {split.name}" if task.config.progress else None,
    )
    stored = replace(split, features=features)
    return without_images(stored) if branch == TRUNK else stored
