"""LPQ against sums written from the equations, numbers by hand, and what it is invariant to."""

import numpy as np
import pytest
from scipy import ndimage

from ferjax.baselines.lpq import (
    CORRELATION,
    decorrelation,
    lpq_codes,
    lpq_features,
    window_transform,
)

RNG = np.random.default_rng(0)


def slow_transform(image: np.ndarray, window: int) -> np.ndarray:
    """Returns the four coefficients of every window by the sum of equation 7, complex [4, ...]."""
    half, a = window // 2, 1 / window
    height, width = image.shape
    found = np.zeros((4, height - window + 1, width - window + 1), complex)
    for number, (column, row) in enumerate([(a, 0), (0, a), (a, a), (a, -a)]):
        for y in range(half, height - half):
            for x in range(half, width - half):
                total = 0j
                for down in range(-half, half + 1):
                    for right in range(-half, half + 1):
                        phase = -2j * np.pi * (column * right + row * down)
                        total += image[y - down, x - right] * np.exp(phase)
                found[number, y - half, x - half] = total
    return found


@pytest.mark.parametrize(("window", "shape"), [(3, (5, 9)), (5, (11, 8)), (7, (7, 12))])
def test_coefficients_are_the_sums_of_the_definition(window: int, shape: tuple[int, int]) -> None:
    image = RNG.uniform(0, 255, shape)
    expected = slow_transform(image, window)
    found = window_transform(image[None], window)
    np.testing.assert_allclose(found[:4, 0], expected.real, atol=1e-9)
    np.testing.assert_allclose(found[4:, 0], expected.imag, atol=1e-9)


def test_bits_of_a_code_are_the_signs() -> None:
    image = RNG.uniform(0, 255, (9, 10))
    parts = slow_transform(image, 5)
    bits = np.concatenate([parts.real, parts.imag]) >= 0
    expected = sum(bits[j].astype(int) << j for j in range(8))
    np.testing.assert_array_equal(lpq_codes(image[None], 5, decorrelate=False)[0], expected)


def test_codes_of_a_bright_pixel_by_hand() -> None:
    # A pixel to the left of the centre is f(x - y) at y = (1, 0): exp(-2πi/3) for the frequencies
    # with a column, 1 for the one without. The real part is -1/2, the imaginary one -0.87.
    left = np.array([[[0, 0, 0], [1, 0, 0], [0, 0, 0]]])
    real, imaginary = 0b0010, 0b0010
    assert lpq_codes(left, 3, decorrelate=False).item() == real + (imaginary << 4)
    # In the centre every coefficient is 1, and the imaginary parts, 0, count as positive.
    centre = np.array([[[0, 0, 0], [0, 1, 0], [0, 0, 0]]])
    assert lpq_codes(centre, 3, decorrelate=False).item() == 255


@pytest.mark.parametrize("window", [3, 7])
def test_decorrelation_diagonalises_the_covariance(window: int) -> None:
    half = window // 2
    places = [(y, x) for y in range(-half, half + 1) for x in range(-half, half + 1)]
    pixels = np.array(
        [[CORRELATION ** np.hypot(a - c, b - d) for c, d in places] for a, b in places]
    )
    # The transform of unit pixels is the matrix W of equation 8.
    units = np.eye(window**2).reshape(-1, window, window)
    transform = window_transform(units[:, ::-1, ::-1], window)[:, :, 0, 0]
    covariance = transform @ pixels @ transform.T
    vectors = decorrelation(window)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-12)
    diagonal = vectors.T @ covariance @ vectors
    values = np.diag(diagonal)
    np.testing.assert_allclose(diagonal, np.diag(values), atol=1e-4 * values.max())
    # The eigenvalues are those of a singular value decomposition, the largest first.
    np.testing.assert_allclose(values, np.linalg.svd(covariance)[1], rtol=1e-4)


def test_decorrelated_codes_follow_equation_11() -> None:
    image = RNG.uniform(0, 255, (9, 11))
    parts = slow_transform(image, 7)
    components = np.concatenate([parts.real, parts.imag])
    turned = np.einsum("ji,jyx->iyx", decorrelation(7), components)
    expected = sum((turned[j] >= 0).astype(int) << j for j in range(8))
    np.testing.assert_array_equal(lpq_codes(image[None], 7)[0], expected)


@pytest.mark.parametrize("decorrelate", [True, False])
def test_gain_and_offset_change_no_code(decorrelate: bool) -> None:
    images = RNG.integers(0, 255, (3, 20, 24)).astype(float)
    codes = lpq_codes(images, 5, decorrelate)
    np.testing.assert_array_equal(lpq_codes(0.3 * images + 17, 5, decorrelate), codes)


def test_flat_parts_have_one_code() -> None:
    images = np.full((2, 12, 15), 73.0)
    assert (lpq_codes(images) == 255).all()
    images[0, :, 14] = 200  # flat up to the windows that reach it
    assert (lpq_codes(images)[0, :, :8] == 255).all()


def test_symmetric_blur_keeps_signs_that_a_shift_changes() -> None:
    image = ndimage.gaussian_filter(RNG.standard_normal((1, 96, 96)), (0, 1, 1))
    sharp = lpq_codes(image, 7, decorrelate=False)

    def kept(other: np.ndarray) -> float:
        changed = np.bitwise_xor(sharp, lpq_codes(other, 7, decorrelate=False))
        return float(1 - np.unpackbits(changed[..., None], axis=-1).mean())

    blurred = kept(ndimage.gaussian_filter(image, (0, 1.5, 1.5)))
    moved = kept(ndimage.shift(image, (0, 0, 3), mode="nearest"))
    assert blurred > 0.8 > 0.65 > moved


def test_histograms_count_the_codes_of_each_cell() -> None:
    images = RNG.uniform(0, 255, (2, 17, 22))
    codes = lpq_codes(images, 3)
    features = lpq_features(images, 3, cells=3).reshape(2, 3, 3, 256)
    # 15 rows are cut at 0, 5, 10; 20 columns at 0, 6, 13.
    cell = codes[1, 10:15, 6:13]
    np.testing.assert_allclose(features[1, 2, 1] * cell.size, np.bincount(cell.ravel(), None, 256))
    np.testing.assert_allclose(features.sum(-1), 1)


def test_an_image_has_the_same_features_in_any_batch() -> None:
    images = RNG.uniform(0, 255, (4, 20, 20))
    np.testing.assert_array_equal(lpq_features(images)[2:3], lpq_features(images[2:3]))
