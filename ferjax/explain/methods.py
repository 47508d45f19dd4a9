"""The methods by name: they make maps from a network's scores, gradients and activations."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from ferjax.explain.cam import grad_cam, grad_cam_plus_plus, layer_cam
from ferjax.explain.occlusion import occlusion
from ferjax.explain.pixel_gradients import GradientOf, integrated_gradients, smooth_grad
from ferjax.explain.replaced_pixels import mean_colour


@dataclass(frozen=True)
class Explained:
    """The functions that a method may call, for the explained logit of each image of a batch.

    Attributes:
      logits_of: pixels float32 [B, H, W, C], 0 to 255 → all logits [B, K].
      targets: int [B], the explained class of each image.
      gradient_of: pixels → the gradient of the explained logit, [B, H, W, C].
      activations_of: pixels → the layer's map and its gradient, both [B, h, w, C].
    """

    logits_of: Callable[[np.ndarray], np.ndarray]
    targets: np.ndarray
    gradient_of: GradientOf
    activations_of: Callable[[np.ndarray], tuple[jax.Array, jax.Array]]

    def scores_of(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the explained logits [B] of pixels float32 [B, H, W, C]."""
        return self.logits_of(pixels)[np.arange(len(self.targets)), self.targets]

    def probabilities_of(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the probabilities [B] of the explained classes."""
        logits = self.logits_of(pixels)
        exponentials = np.exp(logits - logits.max(-1, keepdims=True))
        chosen = exponentials[np.arange(len(self.targets)), self.targets]
        return chosen / exponentials.sum(-1)


def _cam(formula: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[..., np.ndarray]:
    """Returns the method of `METHODS` that applies a formula of the module `cam`."""
    compiled = jax.jit(formula)

    def maps(explained: Explained, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(compiled(*explained.activations_of(pixels)))

    return maps


def _smooth_grad(explained: Explained, pixels: np.ndarray) -> np.ndarray:
    return np.abs(smooth_grad(explained.gradient_of, pixels)).sum(-1)


def _integrated_gradients(explained: Explained, pixels: np.ndarray) -> np.ndarray:
    attributions = integrated_gradients(explained.gradient_of, pixels, mean_colour(pixels))
    return np.maximum(attributions.sum(-1), 0)


def _occlusion(explained: Explained, pixels: np.ndarray) -> np.ndarray:
    return np.maximum(occlusion(explained.scores_of, pixels, mean_colour(pixels)), 0)


# Name → function: (explained, pixels float32 [B, H, W, C]) → maps [B, h, w], 0 or more.
METHODS: dict[str, Callable[[Explained, np.ndarray], np.ndarray]] = {
    "gradcam": _cam(grad_cam),
    "gradcam++": _cam(grad_cam_plus_plus),
    "layercam": _cam(layer_cam),
    "smoothgrad": _smooth_grad,
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
}
# The methods that explain the map of a layer: (h, w) is the size of that map. The other methods
# return maps in the size of the image.
OF_A_LAYER = ("gradcam", "gradcam++", "layercam")


def to_unit_range(maps: np.ndarray) -> np.ndarray:
    """Returns maps [B, H, W] in [0, 1]; the most important hundredth of the pixels becomes 1.

    In the maps of some methods a few pixels have far larger values than all others, which would
    look dark beside them. A map of zeros stays unchanged.
    """
    if not maps.size:
        return maps
    high = np.quantile(maps, 0.99, axis=(1, 2), keepdims=True)
    high = np.where(high > 0, high, maps.max((1, 2), keepdims=True))
    return np.minimum(maps / np.where(high > 0, high, 1), 1).astype(np.float32)
