"""A frozen branch of a network (guide or trunk): its name, and its features of images."""

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
from ferjax.training.augmented_views import TRUNK
from ferjax.training.freezing import HEAD

GUIDE = "guide"
# Images in one forward pass. More are no faster on CPU, and 64 through VGG16 at 224 px take 2 GB.
_BATCH = 16
# Fields of a network that do not change the features below the head.
_HEAD_FIELDS = ("dropout", "head_widths", "stochastic_depth")


@dataclass(frozen=True)
class FrozenBranch:
    """A frozen branch with its weights.

    Attributes:
      name: `StepSettings.stored_branch`: `trunk` or `guide`.
      shape: shape of the features of one image.
      facts: everything that the features depend on except the images, as JSON values.
      compute: (images uint8 [B, H, W, C], variants) → float32 [B, variants, *shape], features of
        the images and, with two variants, of their mirror images.
    """

    name: str
    shape: tuple[int, ...]
    facts: Mapping[str, Any]
    compute: Callable[[np.ndarray, int], np.ndarray]


def frozen_branch_name(task: Task, index: int) -> str | None:
    """Returns the name of the branch that phase `index` freezes as a whole, or None."""
    trained = split_tree(task.shapes, task.frozen[index])[0]
    trained_below_head, trained_head = split_tree(trained, HEAD)
    if trained_head and not trained_below_head and model_entry(task.config.model).ends_in_classify:
        return TRUNK
    return GUIDE if GUIDE in task.shapes else None


def build_frozen_branch(task: Task, name: str, variables: Mapping[str, Any]) -> FrozenBranch:
    """Returns a frozen branch, computed in evaluation mode.

    Args:
      task: the task of the run.
      name: from `frozen_branch_name`.
      variables: `params` and `batch_stats` of the whole network.
    """
    network, fields, apply = _guide(task) if name == GUIDE else _trunk(task)
    # The variables are gathered, because with `--shard_params` no process holds all of them.
    branch_variables = jax.device_put(_branch_variables(name, variables), replicated(task.mesh))
    branch_variables = jax.tree.map(np.asarray, branch_variables)

    def features(variables: Any, images: jax.Array, flip: jax.Array | None) -> jax.Array:
        geometry = None if flip is None else Geometry(flip, jnp.zeros((1, 2)))
        inputs = network_input(images, task.spec, geometry)
        return apply(variables, inputs[1] if name == GUIDE else inputs).astype(jnp.float32)

    # One process fills a store while the others wait, so it can use only its own devices.
    mesh = data_mesh(jax.local_devices()[:1])
    placed = jax.device_put(branch_variables, replicated(mesh))
    run = jax.jit(features)

    def compute(images: np.ndarray, variants: int) -> np.ndarray:
        padded = np.pad(images, ((0, -len(images) % _BATCH), (0, 0), (0, 0), (0, 0)))
        parts = np.split(padded, len(padded) // _BATCH)
        # A training step with flips resamples the unflipped images too; an evaluation does not.
        flips = [np.array([flip]) for flip in (False, True)] if variants == 2 else [None]
        rows = [np.concatenate([run(placed, part, flip) for part in parts]) for flip in flips]
        return np.stack(rows, axis=1)[: len(images)]

    image = jax.ShapeDtypeStruct((1, *task.bundle.splits["train"].shape), np.uint8)
    facts = {
        "branch": name,
        "network": network,
        "fields": fields,
        "weights": _digest(branch_variables),
        "input": spec_to_json(task.spec),
        "ferjax": ferjax.__version__,
    }
    shape = jax.eval_shape(features, branch_variables, image, None).shape[1:]
    return FrozenBranch(name, shape, facts, compute)


# (name of a branch's network, its module fields, function (variables, input) → features).
_Network = tuple[str, dict[str, Any], Callable[[Any, Any], Any]]


def _guide(task: Task) -> _Network:
    fields = {name: value for name, value in task.fields.items() if name == "dtype"}
    return task.fields[GUIDE], fields, VGG16Trunk(**fields).apply


def _trunk(task: Task) -> _Network:
    fields = {name: value for name, value in task.fields.items() if name not in _HEAD_FIELDS}
    trunk: nn.Module = create_model(task.config.model, 0, **fields, head_widths=())
    return (
        task.config.model,
        fields,
        lambda variables, inputs: trunk.apply(variables, inputs, train=False),
    )


def _branch_variables(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a network's variables that belongs to a branch."""
    if name == GUIDE:
        return {"params": variables["params"][GUIDE]}
    params = split_tree(variables["params"], HEAD)[0]
    return {"params": params, "batch_stats": variables["batch_stats"]}


def _digest(variables: Mapping[str, Any]) -> str:
    """Returns the sha256 of the names and bytes of all variables, sorted by name."""
    digest = hashlib.sha256()
    for path, leaf in sorted(flatten(variables).items()):
        digest.update(path.encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()
