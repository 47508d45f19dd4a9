"""A frozen branch of a network by itself: which one it is, and what it makes of images."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import ferjax
from ferjax.images.geometry import Geometry
from ferjax.images.preprocess import network_input
from ferjax.models.registry import create_model, model_entry
from ferjax.models.vgg import VGG16Trunk
from ferjax.runs.task import Task
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.runtime.variable_tree import flatten, split_tree
from ferjax.specs import spec_to_json
from ferjax.training.freezing import HEAD
from ferjax.training.train_step import TRUNK

GUIDE = "guide"
# Images a forward pass. More are no faster on CPU, and 64 through VGG16 at 224 px take 2 GB.
_BATCH = 16
# Fields of a network that change nothing of what enters a head that is trained alone.
_BESIDE = ("dropout", "head_widths", "stochastic_depth")


@dataclass(frozen=True)
class Branch:
    """A branch with its weights.

    Attributes:
      name: as `train_step`'s `known`.
      shape: of what it makes of one image.
      facts: what that follows from beside the image, as JSON values.
      compute: (images uint8 [B, H, W, C], variants) → float32 [B, variants, *shape], of the images
        and, where there are two variants, of their mirror images.
    """

    name: str
    shape: tuple[int, ...]
    facts: Mapping[str, Any]
    compute: Callable[[np.ndarray, int], np.ndarray]


def frozen_branch(task: Task, index: int) -> str | None:
    """Returns which branch of the network phase `index` leaves frozen as a whole, or None."""
    trained = split_tree(task.shapes, task.frozen[index])[0]
    others, heads = split_tree(trained, HEAD)
    if heads and not others and model_entry(task.config.model).family:
        return TRUNK
    return GUIDE if GUIDE in task.shapes else None


def branch_of(task: Task, name: str, variables: Mapping[str, Any]) -> Branch:
    """Returns a branch as it is to be computed in evaluation mode.

    Args:
      task: the run's.
      name: from `frozen_branch`.
      variables: `params` and `batch_stats` of the whole network.
    """
    network, fields, apply = _guide(task) if name == GUIDE else _trunk(task)
    # A copy of each: `--shard_params` leaves no process all of them.
    held = jax.device_put(_held(name, variables), replicated(task.mesh))
    held = jax.tree.map(np.asarray, held)

    def features(variables: Any, images: jax.Array, flip: jax.Array | None) -> jax.Array:
        geometry = None if flip is None else Geometry(flip, jnp.zeros((1, 2)))
        inputs = network_input(images, task.spec, geometry)
        return apply(variables, inputs[1] if name == GUIDE else inputs).astype(jnp.float32)

    # One process fills a store while others wait: its own devices are all it may use.
    mesh = data_mesh(jax.local_devices()[:1])
    placed = jax.device_put(held, replicated(mesh))
    run = jax.jit(features)

    def compute(images: np.ndarray, variants: int) -> np.ndarray:
        padded = np.pad(images, ((0, -len(images) % _BATCH), (0, 0), (0, 0), (0, 0)))
        parts = np.split(padded, len(padded) // _BATCH)
        # Where a step mirrors, its other images go through the same resample; evaluation's do not.
        flips = [np.array([flip]) for flip in (False, True)] if variants == 2 else [None]
        rows = [np.concatenate([run(placed, part, flip) for part in parts]) for flip in flips]
        return np.stack(rows, axis=1)[: len(images)]

    image = jax.ShapeDtypeStruct((1, *task.bundle.splits["train"].shape), np.uint8)
    facts = {
        "branch": name,
        "network": network,
        "fields": fields,
        "weights": _digest(held),
        "input": spec_to_json(task.spec),
        "ferjax": ferjax.__version__,
    }
    shape = jax.eval_shape(features, held, image, None).shape[1:]
    return Branch(name, shape, facts, compute)


# A branch's network by name, its fields, and (variables, input) → what it returns.
_Network = tuple[str, dict[str, Any], Callable[[Any, Any], Any]]


def _guide(task: Task) -> _Network:
    fields = {name: value for name, value in task.fields.items() if name == "dtype"}
    return task.fields[GUIDE], fields, VGG16Trunk(**fields).apply


def _trunk(task: Task) -> _Network:
    fields = {name: value for name, value in task.fields.items() if name not in _BESIDE}
    trunk: nn.Module = create_model(task.config.model, 0, **fields, head_widths=())
    return (
        task.config.model,
        fields,
        lambda variables, inputs: trunk.apply(variables, inputs, train=False),
    )


def _held(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of a network's variables that a branch has."""
    if name == GUIDE:
        return {"params": variables["params"][GUIDE]}
    params = split_tree(variables["params"], HEAD)[0]
    return {"params": params, "batch_stats": variables["batch_stats"]}


def _digest(held: Mapping[str, Any]) -> str:
    """Returns the sha256 of the names and bytes of all variables, in the order of their names."""
    digest = hashlib.sha256()
    for path, leaf in sorted(flatten(held).items()):
        digest.update(path.encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()
