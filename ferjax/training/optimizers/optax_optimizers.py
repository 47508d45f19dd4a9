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

# The one label where none are given: that of parameters trained from the first phase on.
_LABEL = "phase1"


def _kernels(params: Any) -> Any:
    """Returns a mask that is True on kernels: biases and batch norms are not decayed."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


def _matrices(params: Any) -> Any:
    """Returns the axes in which Muon orthogonalises a kernel; None: left to its Adam."""

    def axes(path: Any, leaf: Any) -> MuonDimensionNumbers | None:
        if leaf.ndim < 2 or path[0].key == "head":
            return None
        return MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)


def _coupled(decay: float, optimizer: optax.GradientTransformation) -> Any:
    if not decay:
        return optimizer
    return optax.chain(optax.add_decayed_weights(decay, _kernels), optimizer)


def _sgd(momentum: float, decay: float) -> Any:
    return _coupled(decay, optax.sgd(1.0, momentum or None))


def _nesterov(momentum: float, decay: float) -> Any:
    return _coupled(decay, optax.sgd(1.0, momentum or None, nesterov=True))


def _adam(momentum: float, decay: float) -> Any:
    return _coupled(decay, optax.adam(1.0))


def _adamw(momentum: float, decay: float) -> Any:
    return optax.adamw(1.0, weight_decay=decay, mask=_kernels)


def _radam(momentum: float, decay: float) -> Any:
    return _coupled(decay, optax.radam(1.0))


def _lamb(momentum: float, decay: float) -> Any:
    return optax.lamb(1.0, weight_decay=decay, mask=_kernels)


def _muon(momentum: float, decay: float) -> Any:
    # optax passes `nesterov` on to the Adam of the other parameters.
    muon = contrib.muon(1.0, nesterov=True, muon_weight_dimension_numbers=_matrices)
    # Updates point downwards by now, hence the sign. Muon's own decay spares the head.
    return optax.chain(muon, optax.add_decayed_weights(-decay, _kernels)) if decay else muon


OPTIMIZERS: dict[str, Callable[[float, float], Any]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "adam": _adam,
    "adamw": _adamw,
    "radam": _radam,
    "lamb": _lamb,
    "sam": _sgd,  # at the point that `make_optimizer` climbs to
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
    """Returns the optimizer at a learning rate of 1; what it updates by scales with the rate.

    Args:
      name: a key of `OPTIMIZERS`. `muon` orthogonalises kernels of dense layers and convolutions
        (inputs to outputs) and leaves the head, biases and batch norms to Adam; both with
        Nesterov momentum, so that the latter is optax's `nadam`. `sam` takes the
        gradient where the loss rises most within a radius of 0.05, for all labels together.
      momentum: of `sgd`, `nesterov` and `sam`; 0 for none.
      weight_decay: on kernels only: decoupled with `adamw`, `lamb` (within its trust ratio) and
        `muon`, else added to the gradient.
      clip_norm: largest norm of the whole gradient, all labels together, before decay; None for
        any. With `sam`: of the gradient it steps by.
      labels: a tree like the parameters with a string for each, every one of which has state, and
        so a count of steps, of its own; None: one for all.

    Raises:
      UserError: an unknown name.

    References:
      Foret et al., Sharpness-aware minimization, 2021 (`sam`); You et al., Large batch
      optimization, 2020 (`lamb`); Jordan et al., Muon, 2024; Liu et al., RAdam, 2020.
    """
    one = find("optimizer", name, OPTIMIZERS)(momentum, weight_decay)
    of = labels if labels is not None else lambda tree: jax.tree.map(lambda _: _LABEL, tree)
    names = {_LABEL} if labels is None else set(jax.tree.leaves(labels))
    optimizer = optax.chain(
        optax.identity() if clip_norm is None else optax.clip_by_global_norm(clip_norm),
        optax.partition(dict.fromkeys(sorted(names), one), of),
    )
    if not needs_gradient(name):
        return optimizer
    # The small number keeps a gradient of zero, that of a batch of masked rows, from becoming NaN.
    climb = optax.chain(optax.normalize_by_update_norm(eps=1e-12), optax.sgd(_SAM_RADIUS))
    return contrib.sam(optimizer, climb, opaque_mode=True)


def register_optimizer(name: str, build: Callable[[float, float], Any]) -> None:
    """Adds an optimizer of the user's own for `--optimizer=NAME`.

    Args:
      name: letters, digits and underscores.
      build: (momentum, weight_decay) → optax transformation with a learning rate of 1: the training
        step multiplies its updates by the scheduled rate.

    Raises:
      UserError: the name is one of ferjax's own, or no identifier.
    """
    register("optimizer", name, build, OPTIMIZERS)


def needs_gradient(name: str) -> bool:
    """Returns whether `update` wants `grad_fn=`: (trained parameters, int) → their gradient."""
    return name == "sam"


def carry_over(old: Any, new: Any) -> Any:
    """Returns optimizer state `new` with what still applies of `old`.

    That is every array at the same path, with the same shape and dtype.

    Args:
      old: state of an optimizer.
      new: freshly initialised state of another, or of the same for other parameters.
    """

    def by_path(tree: Any) -> Any:
        return {jax.tree_util.keystr(p): x for p, x in jax.tree_util.tree_leaves_with_path(tree)}

    kept = by_path(old)

    def choose(path: Any, leaf: Any) -> Any:
        found = kept.get(jax.tree_util.keystr(path), leaf)
        same = jnp.shape(found) == jnp.shape(leaf) and found.dtype == leaf.dtype
        return found if same else leaf

    return jax.tree_util.tree_map_with_path(choose, new)
