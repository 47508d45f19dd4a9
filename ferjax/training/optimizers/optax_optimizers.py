"""Optimizers by name, built from optax at a learning rate of 1."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib
from optax.contrib import MuonDimensionNumbers

from ferjax.config.registered_names import find, register

# Foret et al. 2021: the radius of the ball in which SAM looks for the highest loss.
_SAM_RADIUS = 0.05

# The label of all parameters if no labels are given; also that of parameters of the first phase.
_LABEL = "phase1"


def _kernel_mask(params: Any) -> Any:
    """Returns a mask that is True on kernels: biases and batch norms are not decayed."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


def _muon_axes(params: Any) -> Any:
    """Returns the axes in which Muon orthogonalises each kernel; None where Adam updates it."""

    def axes(path: Any, leaf: Any) -> MuonDimensionNumbers | None:
        if leaf.ndim < 2 or path[0].key == "head":
            return None
        return MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)


def _with_coupled_decay(decay: float, optimizer: optax.GradientTransformation) -> Any:
    if not decay:
        return optimizer
    return optax.chain(optax.add_decayed_weights(decay, _kernel_mask), optimizer)


def _sgd(momentum: float, decay: float) -> Any:
    return _with_coupled_decay(decay, optax.sgd(1.0, momentum or None))


def _nesterov(momentum: float, decay: float) -> Any:
    return _with_coupled_decay(decay, optax.sgd(1.0, momentum or None, nesterov=True))


def _adam(momentum: float, decay: float) -> Any:
    return _with_coupled_decay(decay, optax.adam(1.0))


def _adamw(momentum: float, decay: float) -> Any:
    return optax.adamw(1.0, weight_decay=decay, mask=_kernel_mask)


def _radam(momentum: float, decay: float) -> Any:
    return _with_coupled_decay(decay, optax.radam(1.0))


def _lamb(momentum: float, decay: float) -> Any:
    return optax.lamb(1.0, weight_decay=decay, mask=_kernel_mask)


def _muon(momentum: float, decay: float) -> Any:
    # optax passes `nesterov` on to the Adam of the other parameters.
    muon = contrib.muon(1.0, nesterov=True, muon_weight_dimension_numbers=_muon_axes)
    # At this point the updates are already descent steps, so the decay is negative. Muon's own
    # weight decay leaves out the head.
    return optax.chain(muon, optax.add_decayed_weights(-decay, _kernel_mask)) if decay else muon


OPTIMIZERS: dict[str, Callable[[float, float], Any]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "adam": _adam,
    "adamw": _adamw,
    "radam": _radam,
    "lamb": _lamb,
    "sam": _sgd,  # with the gradient at the point to which `make_optimizer` ascends
    "muon": _muon,
}


def make_optimizer(
    name: str,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    labels: Mapping[str, Any] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Returns the optimizer at a learning rate of 1; the caller scales its updates by the rate.

    Args:
      name: a key of `OPTIMIZERS`. `muon` orthogonalises kernels of dense layers and convolutions
        (inputs to outputs) and leaves the head, biases and batch norms to Adam. Both use Nesterov
        momentum, so this Adam is optax's `nadam`. `sam` takes the gradient at the point where the
        loss rises most within a radius of 0.05, for all labels together.
      momentum: of `sgd`, `nesterov` and `sam`; 0 for none.
      weight_decay: on kernels only: decoupled with `adamw`, `lamb` (within its trust ratio) and
        `muon`, else added to the gradient.
      clip_norm: largest norm of the whole gradient, over all labels, before weight decay; None for
        no limit. With `sam` it limits the gradient of the descent step.
      labels: tree with a string for each parameter. Each label has its own optimizer state and
        step count. None: one label for all parameters.

    Raises:
      UserError: an unknown name.

    References:
      Foret et al., Sharpness-aware minimization, 2021 (`sam`); You et al., Large batch
      optimization, 2020 (`lamb`); Jordan et al., Muon, 2024; Liu et al., RAdam, 2020.
    """
    transformation = find("optimizer", name, OPTIMIZERS)(momentum, weight_decay)
    label_tree = labels if labels is not None else lambda tree: jax.tree.map(lambda _: _LABEL, tree)
    label_names = {_LABEL} if labels is None else set(jax.tree.leaves(labels))
    optimizer = optax.chain(
        optax.identity() if clip_norm is None else optax.clip_by_global_norm(clip_norm),
        optax.partition(dict.fromkeys(sorted(label_names), transformation), label_tree),
    )
    if not needs_gradient(name):
        return optimizer
    # `eps`: the gradient of a batch of masked rows is zero, and dividing by its norm gives NaN.
    ascent = optax.chain(optax.normalize_by_update_norm(eps=1e-12), optax.sgd(_SAM_RADIUS))
    return contrib.sam(optimizer, ascent, opaque_mode=True)


def register_optimizer(name: str, build: Callable[[float, float], Any]) -> None:
    """Adds an optimizer of the user's own for `--optimizer=NAME`.

    Args:
      name: letters, digits and underscores.
      build: (momentum, weight_decay) → optax transformation with a learning rate of 1: the training
        step multiplies its updates by the scheduled rate.

    Raises:
      UserError: the name is one of ferjax's own, or is not an identifier.
    """
    register("optimizer", name, build, OPTIMIZERS)


def needs_gradient(name: str) -> bool:
    """Returns whether `update` needs `grad_fn=`: (trained parameters, int) → their gradient."""
    return name == "sam"


def carry_over(old: Any, new: Any) -> Any:
    """Returns optimizer state `new` with the matching arrays of `old`.

    An array of `old` matches if its path, shape and dtype are those of an array of `new`.

    Args:
      old: state of an optimizer.
      new: initial state of another optimizer, or of the same optimizer for other parameters.
    """

    def by_path(tree: Any) -> Any:
        return {jax.tree_util.keystr(p): x for p, x in jax.tree_util.tree_leaves_with_path(tree)}

    old_leaves = by_path(old)

    def choose(path: Any, leaf: Any) -> Any:
        old_leaf = old_leaves.get(jax.tree_util.keystr(path), leaf)
        matches = jnp.shape(old_leaf) == jnp.shape(leaf) and old_leaf.dtype == leaf.dtype
        return old_leaf if matches else leaf

    return jax.tree_util.tree_map_with_path(choose, new)
