"""Mixup and cutmix on the device: blends each image and its target with another of the batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Folded into the step's key for draws that the whole batch shares; no image has such an index.
_BATCH = 2**32 - 1


class Mix(NamedTuple):
    """The mixing partner and the mixing weights of each image.

    Attributes:
      partner: int32 [B], the row that is blended in.
      weight: float [B, S, S], weight of the image's original pixel: constant for mixup; 1 outside
        and 0 inside a rectangle for cutmix.
      share: float [B], mean of `weight` over the image: the weight of the original target.
    """

    partner: jax.Array
    weight: jax.Array
    share: jax.Array


def draw_mix(
    mixup: float, cutmix: float, key: jax.Array, index: jax.Array, mask: jax.Array, size: int
) -> Mix | None:
    """Returns random mixing parameters for a global batch, or None if both alphas are 0.

    The partners form one random cycle through the rows, which depends on the key and the size of
    the batch alone; the shares depend on key and index. Masked rows, and rows with a masked
    partner, are not mixed. With both alphas each image gets mixup or cutmix with equal probability.

    Args:
      mixup: alpha of the Beta distribution for mixup; 0 for none.
      cutmix: alpha of the Beta distribution for cutmix; 0 for none.
      key: random key of the training step.
      index: int32 [B], position of each image in its split.
      mask: bool [B], False for padding.
      size: side of the network's input, pixels.

    References:
      Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.
      Yun et al., CutMix, ICCV 2019.
    """
    if not (mixup or cutmix):
        return None
    order_key, key = jax.random.split(jax.random.fold_in(key, _BATCH))
    order = jax.random.permutation(order_key, len(index)).astype(jnp.int32)
    # The partner is the next image of the cycle, so no image is its own partner.
    partner = jnp.zeros_like(order).at[order].set(jnp.roll(order, 1))

    def mix_of_image(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        choice_key, share_key, box_key = jax.random.split(jax.random.fold_in(key, index), 3)
        probability = float(bool(cutmix)) / (bool(mixup) + bool(cutmix))
        use_cutmix = jax.random.bernoulli(choice_key, probability)
        alpha = jnp.where(use_cutmix, cutmix or mixup, mixup or cutmix)
        share = jax.random.beta(share_key, alpha, alpha)
        outside = _outside_box(share, box_key, size)
        weight = jnp.where(use_cutmix, outside.astype(share.dtype), share)
        # An integer count: the last bit of a float sum depends on how the batch is sharded.
        return weight, jnp.where(use_cutmix, outside.sum().astype(share.dtype) / size**2, share)

    weight, share = jax.vmap(mix_of_image)(index)
    mixed = mask & mask[partner]
    return Mix(partner, jnp.where(mixed[:, None, None], weight, 1), jnp.where(mixed, share, 1))


def _outside_box(share: jax.Array, key: jax.Array, size: int) -> jax.Array:
    """Returns bool [S, S], False in a square of area 1 - share, clipped at the edges as by Yun."""
    half = jnp.floor(size * jnp.sqrt(1 - share) / 2)
    centre = jax.random.randint(key, (2, 1), 0, size)
    near = jnp.abs(jnp.arange(size)[None] + 0.5 - centre) < half
    return ~(near[0][:, None] & near[1][None, :])


def mix_inputs(
    inputs: jax.Array | tuple[jax.Array, jax.Array], mix: Mix
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Returns blended network input, float [B, S, S, C]; blends both of a pair (image, guide)."""

    def blend(images: jax.Array) -> jax.Array:
        weight = mix.weight[..., None].astype(images.dtype)
        return weight * images + (1 - weight) * images[mix.partner]

    return jax.tree.map(blend, inputs)


def mix_targets(targets: jax.Array, mix: Mix) -> jax.Array:
    """Returns soft targets float [B, K], blended by the same shares as the images."""
    share = mix.share[:, None].astype(targets.dtype)
    return share * targets + (1 - share) * targets[mix.partner]


def dominant(labels: jax.Array, mix: Mix) -> jax.Array:
    """Returns int [B], the label of the image with the larger share in each blend."""
    return jnp.where(mix.share >= 0.5, labels, labels[mix.partner])
