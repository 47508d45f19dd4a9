"""Augmentation of the suite `speedrun` on the device: alternating flip, shift, smaller faces.

References:
  Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, section 3.6 (alternating flip).
"""

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.images.geometry import resample


def mirrored_faces(flip: str, key: jax.Array, count: int, epoch: jax.Array | int) -> jax.Array:
    """Returns which faces are mirrored in an epoch, bool [count].

    Args:
      flip: `alternating`: a random half of the faces is mirrored in even epochs, the others in odd
        epochs, so that two epochs together show each face in both forms; `random`: each face with
        probability 1/2 in each epoch; `none`.
      key: random key of the run, the same in all epochs.
      count: number of faces.
      epoch: int scalar from 0, may be traced.
    """
    if flip == "none":
        return jnp.zeros(count, bool)
    if flip == "random":
        return jax.random.bernoulli(jax.random.fold_in(key, epoch), shape=(count,))
    return jax.random.bernoulli(key, shape=(count,)) ^ (jnp.asarray(epoch) % 2 == 1)


def padded_faces(images: jax.Array, shift: int) -> jax.Array:
    """Returns faces [N, S, S, 1] with `shift` reflected pixels on each of the four sides."""
    edge = (shift, shift)
    return jnp.pad(images, ((0, 0), edge, edge, (0, 0)), "reflect")


def cut_batch(
    padded: jax.Array, rows: jax.Array, offsets: jax.Array, mirrored: jax.Array, side: int
) -> jax.Array:
    """Returns the windows of a batch of padded faces, some of them mirrored.

    Args:
      padded: uint8 [N, S', S', 1].
      rows: int32 [B], the faces of the batch.
      offsets: int32 [B, 2], top and left of each window.
      mirrored: bool [B], which windows are mirrored left to right.
      side: side of the windows.

    Returns:
      uint8 [B, side, side, 1].
    """

    def cut(row: jax.Array, offset: jax.Array) -> jax.Array:
        first = (row, offset[0], offset[1], 0)
        return lax.dynamic_slice(padded, first, (1, side, side, padded.shape[-1]))[0]

    windows = jax.vmap(cut)(rows, offsets)
    return jnp.where(mirrored[:, None, None, None], windows[:, :, ::-1], windows)


def smaller_faces(images: jax.Array, side: int) -> jax.Array:
    """Returns faces uint8 [N, side, side, C], resized with antialiasing."""
    if images.shape[1] == side:
        return images
    pixels = resample(images.astype(jnp.float32), side)
    return jnp.clip(jnp.round(pixels), 0, 255).astype(jnp.uint8)
