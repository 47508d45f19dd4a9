"""Forward pass of a partly frozen network: frozen batch norms, stored outputs of branches."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from ferjax.models.layers import BatchNorm, StochasticDepth
from ferjax.training.freezing import untrained_modules


def training_logits(
    model: nn.Module,
    params: Mapping[str, Any],
    batch_stats: Mapping[str, Any],
    inputs: Any,
    key: jax.Array,
    *,
    frozen: str | None = None,
    stored: Mapping[str, jax.Array] | None = None,
) -> tuple[jax.Array, Any]:
    """Returns logits float [B, K] and the running statistics after the batch.

    A batch norm without trained parameters normalises by its running statistics and does not update
    them. Stochastic depth never drops a block without trained parameters.

    Args:
      model: the network.
      params: all of its parameters.
      batch_stats: its running statistics.
      inputs: the input of the network.
      key: random key of dropout and stochastic depth.
      frozen: regular expression on paths of parameters that are not trained, or None.
      stored: submodule path → its stored output for these inputs; the submodule is not run.
    """
    with _intercepted(untrained_modules(params, frozen), stored or {}):
        logits, updates = model.apply(
            {"params": params, "batch_stats": batch_stats},
            inputs,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
    return logits, updates.get("batch_stats", {})


def evaluation_logits(
    model: nn.Module, variables: Mapping[str, Any], inputs: Any, stored: Mapping[str, jax.Array]
) -> jax.Array:
    """Returns logits float [B, K] in evaluation mode; arguments as in `training_logits`."""
    with _intercepted((), stored):
        return jnp.asarray(model.apply(variables, inputs, train=False))


def _intercepted(
    untrained: Collection[str], stored: Mapping[str, jax.Array]
) -> contextlib.AbstractContextManager[None]:
    """Returns a context in which frozen modules are frozen and stored outputs replace calls.

    Args:
      untrained: paths of modules without trained parameters.
      stored: submodule path → its stored output.
    """

    def intercept(
        run: Callable[..., Any],
        arguments: Any,
        keywords: Any,
        context: nn.module.InterceptorContext,
    ) -> Any:
        module, path = context.module, context.module.path
        if context.method_name == "__call__":
            if (name := "/".join(path)) in stored:
                # Outputs are stored in float32 and converted to the dtype of the module.
                return stored[name].astype(getattr(module, "dtype", None) or stored[name].dtype)
            # Stochastic depth has no parameters; the parameters belong to its block.
            owner = name if isinstance(module, BatchNorm) else "/".join(path[:-1])
            if isinstance(module, BatchNorm | StochasticDepth) and owner in untrained:
                keywords = {**keywords, "frozen": True}
        return run(*arguments, **keywords)

    return nn.intercept_methods(intercept)
