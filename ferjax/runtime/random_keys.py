"""JAX random keys from seed, stream and step: fold_in(fold_in(key(seed), stream), step)."""

import jax

STREAMS = {"init": 0, "augment": 1, "dropout": 2}


def stream_key(seed: int, stream: str, step: jax.Array | int = 0) -> jax.Array:
    """Returns the key of a named stream at a step, the same in every process and after resuming.

    Args:
      seed: the seed of the run.
      stream: a key of `STREAMS`.
      step: int scalar, may be traced.
    """
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), STREAMS[stream]), step)
