"""Means of gradients with respect to pixels: SmoothGrad and integrated gradients, signed.

`gradient_of` maps pixels float32 [B, H, W, C] to the gradient of each image's own score, of that
shape. It is called once for each sample, from Python: XLA's CPU programs take three times as long
for a convolution's gradient inside of a loop of their own, and this way one compiled program serves
both methods.
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

    All images of a batch get the same noise, scaled by their own range of values: the result does
    not depend on the batch.

    Args:
      gradient_of: of what is explained.
      pixels: float [B, H, W, C].
      samples: number of noisy copies.
      noise: standard deviation of the noise, as a share of the image's range of values.
      seed: of the noise.

    References:
      Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.
    """
    pixels = np.asarray(pixels, np.float32)
    spread = np.ptp(pixels, axis=(1, 2, 3), keepdims=True)
    random = np.random.default_rng(seed)
    total = np.zeros_like(pixels)
    for _ in range(samples):
        drawn = random.standard_normal(pixels.shape[1:], np.float32)
        total += np.asarray(gradient_of(pixels + noise * spread * drawn))
    return total / samples


def integrated_gradients(
    gradient_of: GradientOf, pixels: np.ndarray, baseline: np.ndarray, *, steps: int = 32
) -> np.ndarray:
    """Returns the attributions of each pixel, float32 [B, H, W, C].

    They are the gradient's mean on the straight line from the baseline to the image, times the
    difference of the two. Their sum is the difference of the two scores (completeness), up to the
    error of the midpoint rule.

    Args:
      gradient_of: of what is explained.
      pixels: float [B, H, W, C].
      baseline: float [B, H, W, C], images that show nothing.
      steps: points on the line.

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
