"""The precision of sums."""

import jax
import jax.numpy as jnp


def sum_dtype(x: jax.Array) -> jax.typing.DTypeLike:
    """Returns the dtype in which sums over x are kept: its own, or float32 if that is wider."""
    return jnp.promote_types(x.dtype, jnp.float32)
