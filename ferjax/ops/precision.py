"""The dtype in which sums are accumulated: at least float32, also for half-precision input."""

import jax
import jax.numpy as jnp


def sum_dtype(x: jax.Array) -> jax.typing.DTypeLike:
    """Returns the dtype in which sums over x are accumulated: that of x, but at least float32."""
    return jnp.promote_types(x.dtype, jnp.float32)
