"""Means of gradients with respect to pixels: SmoothGrad and integrated gradients, signed.

`gradient_of` maps pixels float32 [B, H, W, C] to the gradient of each image's score, of the same
shape. Python calls it once for each sample: inside a loop of the compiled program, a convolution's
gradient takes three times as long on a CPU. Besides, one compiled program then serves both methods.
"""

from collections.abc import Callable

import numpy as np

GradientOf = Callable[[np.ndarray], np.ndarray]


def smooth_grad(
    gradient_of: GradientOf,
    pixels: np.ndarray,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
) -> np.ndarray:
    """Returns the mean gradient at noisy copies of each image, float32 [B, H, W, C].

    All images of a batch get the same noise, scaled by the range of values of each image: the
    result for an image does not depend on the batch.

    Args:
      gradient_of: the gradient of the explained score.
      pixels: float [B, H, W, C].
      samples: number of noisy copies.
      noise: standard deviation of the noise, as a share of the image's range of values.
      seed: seed of the noise.

    References:
      Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.
    """
    pixels = np.asarray(pixels, np.float32)
    value_range = np.ptp(pixels, axis=(1, 2, 3), keepdims=True)
    random = np.random.default_rng(seed)
    total = np.zeros_like(pixels)
    for _ in range(samples):
        normal = random.standard_normal(pixels.shape[1:], np.float32)
        total += np.asarray(gradient_of(pixels + noise * value_range * normal))
    return total / samples


def integrated_gradients(
    gradient_of: GradientOf, pixels: np.ndarray, baseline: np.ndarray, *, steps: int = 32
) -> np.ndarray:
    """Returns the attributions of each pixel, float32 [B, H, W, C].

    The attributions are the mean gradient on the straight line from the baseline to the image,
    times the difference between image and baseline. Their sum is the difference between the two
    scores (completeness), up to the error of the midpoint rule.

    Args:
      gradient_of: the gradient of the explained score.
      pixels: float [B, H, W, C].
      baseline: float [B, H, W, C], images that show nothing.
      steps: number of points on the line.

    References:
      Sundararajan et al., Axiomatic attribution for deep networks, 2017, equation 1.
    """
    baseline = np.asarray(baseline, np.float32)
    difference = np.asarray(pixels, np.float32) - baseline
    total = np.zeros_like(difference)
    for step in range(steps):
        share = np.float32((step + 0.5) / steps)
        total += np.asarray(gradient_of(baseline + share * difference))
    return difference * total / steps
