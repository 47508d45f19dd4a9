"""A network, a data set, a loss, an augmentation and an optimizer of your own, by name.

    python -m launch.train --import=examples.custom_network --model=tiny_net --dataset=stripes \
        --loss=squared_error --augment=invert --optimizer=lion --epochs=5 --learning_rate=3e-4

Everything else of ferjax works on them: phases, resuming, reports, seeds, `launch.evaluate` and
`launch.predict` (give them the same --import).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import ferjax


class TinyNet(nn.Module):
    """Two convolutions and a mean; `head` is the layer that `--freeze=all_but_head` trains.

    `dtype` is the dtype of the layers, which `--precision=bf16` sets; the head stays in float32.
    """

    num_classes: int
    width: int = 16
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits float [B, K] for images float [B, S, S, C]."""
        for number in (1, 2):
            conv = nn.Conv(
                self.width * number, (3, 3), (2, 2), dtype=self.dtype, name=f"conv{number}"
            )
            x = nn.relu(conv(x))
        return nn.Dense(self.num_classes, name="head")(x.mean((1, 2)))


def load_stripes(path: None, *, storage_size: int, **_: Any) -> ferjax.DatasetBundle:
    """Returns stripes of three directions, drawn: a data set that is learnt in seconds."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(storage_size), np.arange(storage_size))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 3, count)
        direction = np.stack([across, down, across + down])[labels]
        phase = rng.uniform(0, 6, (count, 1, 1))
        images = 128 + 100 * np.sin(direction + phase) + rng.normal(0, 10, direction.shape)
        return images.clip(0, 255).astype(np.uint8), labels

    return ferjax.bundle_from_arrays(("across", "down", "slanted"), draw(512), test=draw(128))


def squared_error(
    logits: jax.Array, targets: jax.Array, *, label_smoothing: float, class_weights: Any
) -> tuple[jax.Array, jax.Array]:
    """Returns the Brier loss float [B] and a weight of 1 for each example.

    `targets` are labels int [B]; or shares of the classes float [B, K], as mixup, teachers and
    votes give them.
    """
    if label_smoothing or class_weights is not None:
        raise ferjax.UserError(
            "--loss=squared_error takes neither --label_smoothing nor --class_weights. Leave both"
            " out."
        )
    if jnp.issubdtype(targets.dtype, jnp.integer):
        targets = jax.nn.one_hot(targets, logits.shape[-1])
    losses = ((jax.nn.softmax(logits) - targets) ** 2).sum(-1)
    return losses, jnp.ones_like(losses)


def invert(key: jax.Array, images: jax.Array, index: jax.Array) -> jax.Array:
    """Returns images uint8 [B, H, W, C] of which a half, drawn image by image, are negatives."""
    keys = jax.vmap(lambda position: jax.random.fold_in(key, position))(index)
    flips = jax.vmap(jax.random.bernoulli)(keys)
    return jnp.where(flips[:, None, None, None], 255 - images, images)


ferjax.register_model("tiny_net", TinyNet, image_size=32, recipe={"batch_size": 32})
ferjax.register_dataset("stripes", load_stripes, on_disk=False)
ferjax.register_loss("squared_error", squared_error)
ferjax.register_augmentation("invert", invert)
ferjax.register_optimizer("lion", lambda momentum, weight_decay: optax.lion(1.0))
