"""Mixup and cutmix on the device: every image and its target blended with another of its batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Folded into the step's key for what the whole batch shares: no image's index is as large.
_BATCH = 2**32 - 1


class Mix(NamedTuple):
    """Who is blended with whom, and how much of each image is its own.

    Attributes:
      partner: int32 [B], the row blended in.
      weight: float [B, S, S], share of the image's own pixel: one number for mixup, 1 outside and
        0 inside a rectangle for cutmix.
      share: float [B], its mean over the image, the share of the image's own target.
    """

    partner: jax.Array
    weight: jax.Array
    share: jax.Array


def draw_mix(
    mixup: float, cutmix: float, key: jax.Array, index: jax.Array, mask: jax.Array, size: int
) -> Mix | None:
    """Returns how a global batch is mixed, or None where nothing is.

    The partners are one random cycle through the rows, which follows from the key and the batch's
    size alone; the shares follow from key and index. Masked rows, and rows whose partner is masked,
    stay whole. With both alphas every image tosses a coin.

    Args:
      mixup: alpha of its Beta distribution; 0 for none.
      cutmix: alpha of its; 0 for none.
      key: the step's key.
      index: int32 [B], each image's position in its split.
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
    # One step round the circle: no image is its own partner.
    partner = jnp.zeros_like(order).at[order].set(jnp.roll(order, 1))

    def one(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        coin, share_key, place_key = jax.random.split(jax.random.fold_in(key, index), 3)
        swaps = jax.random.bernoulli(coin, float(bool(cutmix)) / (bool(mixup) + bool(cutmix)))
        alpha = jnp.where(swaps, cutmix or mixup, mixup or cutmix)
        share = jax.random.beta(share_key, alpha, alpha)
        outside = _outside(share, place_key, size)
        weight = jnp.where(swaps, outside.astype(share.dtype), share)
        # Counted, not summed: a sum's last bit depends on how the batch is spread over devices.
        return weight, jnp.where(swaps, outside.sum().astype(share.dtype) / size**2, share)

    weight, share = jax.vmap(one)(index)
    both = mask & mask[partner]
    return Mix(partner, jnp.where(both[:, None, None], weight, 1), jnp.where(both, share, 1))


def _outside(share: jax.Array, key: jax.Array, size: int) -> jax.Array:
    """Returns bool [S, S], False in a square of area 1 - share, cut at the edges as Yun's is."""
    half = jnp.floor(size * jnp.sqrt(1 - share) / 2)
    centre = jax.random.randint(key, (2, 1), 0, size)
    near = jnp.abs(jnp.arange(size)[None] + 0.5 - centre) < half
    return ~(near[0][:, None] & near[1][None, :])


def mix_inputs(
    inputs: jax.Array | tuple[jax.Array, jax.Array], mix: Mix
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Returns network input blended, float [B, S, S, C]; of a pair (image, guide image), both."""

    def blend(images: jax.Array) -> jax.Array:
        weight = mix.weight[..., None].astype(images.dtype)
        return weight * images + (1 - weight) * images[mix.partner]

    return jax.tree.map(blend, inputs)


def mix_targets(targets: jax.Array, mix: Mix) -> jax.Array:
    """Returns soft targets float [B, K] blended in the proportion of the pixels."""
    share = mix.share[:, None].astype(targets.dtype)
    return share * targets + (1 - share) * targets[mix.partner]


def dominant(labels: jax.Array, mix: Mix) -> jax.Array:
    """Returns int [B], the label of the image that most of each blend is of."""
    return jnp.where(mix.share >= 0.5, labels, labels[mix.partner])
