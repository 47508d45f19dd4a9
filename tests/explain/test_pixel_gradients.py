"""SmoothGrad and integrated gradients of functions whose gradients are known in closed form."""

import numpy as np

from ferjax.explain.pixel_gradients import integrated_gradients, smooth_grad

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.random((3, 4, 5, 2)).astype(np.float32)
WEIGHTS = RANDOM.standard_normal((4, 5, 2)).astype(np.float32)


def cubic(pixels: np.ndarray) -> np.ndarray:
    return (WEIGHTS * pixels**3).sum((1, 2, 3))


def gradient_of_cubic(pixels: np.ndarray) -> np.ndarray:
    return 3 * WEIGHTS * pixels**2


def test_without_noise_it_is_the_gradient() -> None:
    found = smooth_grad(gradient_of_cubic, PIXELS, samples=3, noise=0)
    np.testing.assert_allclose(found, gradient_of_cubic(PIXELS), rtol=1e-5)


def test_noise_adds_its_variance_to_the_mean_of_a_quadratic_gradient() -> None:
    # The mean of 3 w (x + e)^2 is 3 w (x^2 + variance of e).
    found = smooth_grad(gradient_of_cubic, PIXELS, samples=4000, noise=0.2)
    deviation = 0.2 * np.ptp(PIXELS, axis=(1, 2, 3), keepdims=True)
    wanted = 3 * WEIGHTS * (PIXELS**2 + deviation**2)
    np.testing.assert_allclose(found, wanted, atol=0.06)


def test_noise_of_an_image_does_not_depend_on_its_batch() -> None:
    together = smooth_grad(gradient_of_cubic, PIXELS, samples=4)
    alone = [smooth_grad(gradient_of_cubic, PIXELS[k : k + 1], samples=4)[0] for k in range(3)]
    np.testing.assert_array_equal(together, alone)


def test_attributions_are_those_of_the_integral_and_complete() -> None:
    baseline = np.full_like(PIXELS, 0.3)
    found = integrated_gradients(gradient_of_cubic, PIXELS, baseline, steps=64)
    # Of w x^3 the integral is in closed form: each pixel keeps its own difference.
    wanted = WEIGHTS * (PIXELS**3 - baseline**3)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    difference = cubic(PIXELS) - cubic(baseline)
    np.testing.assert_allclose(found.sum((1, 2, 3)), difference, atol=5e-3)


def test_of_a_linear_function_one_step_is_exact() -> None:
    found = integrated_gradients(
        lambda pixels: np.broadcast_to(WEIGHTS, pixels.shape), PIXELS, 0 * PIXELS, steps=1
    )
    np.testing.assert_allclose(found, WEIGHTS * PIXELS, rtol=1e-6)
