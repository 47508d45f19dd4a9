"""Local phase quantisation (LPQ): a blur-insensitive code of 8 bits for each pixel.

The Fourier transform of the window around a pixel is taken at the four lowest frequencies of which
none is the mirror image of another. The signs of the real and imaginary parts are the code. Blur
with a centrally symmetric kernel multiplies the spectrum by real numbers that are positive at low
frequencies. It therefore does not change the signs, except for effects of the window's border.

References:
  Ojansivu and Heikkilä, "Blur Insensitive Texture Classification Using Local Phase Quantization",
  ICISP 2008: equations 7 to 13; the window function is uniform, as in the paper.
"""

import functools

import numpy as np
from scipy import ndimage

from ferjax.baselines.grid_histograms import grid_histograms

CODES = 256
# The paper's correlation of neighbouring pixels.
CORRELATION = 0.9
# A coefficient below this share of the largest possible one of the image is a rounding error and
# counts as 0. Otherwise signs would be noise in flat parts, such as black corners of aligned faces.
_ROUNDING = 1e-10


def lpq_features(
    images: np.ndarray, window: int = 7, cells: int = 4, decorrelate: bool = True
) -> np.ndarray:
    """Returns the histograms of LPQ codes over a grid of cells, each with the sum 1.

    Args:
      images: float [N, H, W], grey, any scale.
      window: side of the window, odd, 3 or more.
      cells: number of cells of the grid, in each direction.
      decorrelate: see `lpq_codes`.

    Returns:
      float64 [N, cells² · 256]; cells row by row.
    """
    codes = lpq_codes(images, window, decorrelate)
    histograms = grid_histograms(codes, CODES, cells)
    return (histograms / histograms.sum(-1, keepdims=True)).reshape(len(images), -1)


def lpq_codes(images: np.ndarray, window: int = 7, decorrelate: bool = True) -> np.ndarray:
    """Returns the LPQ code of each pixel whose window lies inside its image.

    Bit j is 1 where component j of the vector G is 0 or more (equation 12). Without decorrelation
    G is (Re F(u1) ... Re F(u4), Im F(u1) ... Im F(u4)), with it Vᵀ times that (equation 11).

    Args:
      images: float [N, H, W], any scale: codes do not change with gain and offset.
      window: side of the window, odd, 3 or more, at most H and W.
      decorrelate: whether the components are made uncorrelated first, for images whose pixels at
        distance d have the correlation 0.9^d.

    Returns:
      uint8 [N, H - window + 1, W - window + 1].
    """
    images = np.asarray(images, np.float64)
    components = window_transform(images, window)
    if decorrelate:
        components = np.tensordot(decorrelation(window).T, components, axes=1)
    largest = np.abs(images).max((1, 2), initial=0, keepdims=True) * window**2
    bits = components >= -_ROUNDING * largest
    return np.packbits(bits, axis=0, bitorder="little")[0]


def window_transform(images: np.ndarray, window: int) -> np.ndarray:
    """Returns the Fourier coefficients of the window around each pixel (equation 7).

    F(u, x) = Σ_y f(x - y) exp(-2πi u·y) over the window; with a = 1 / window the frequencies
    (column, row) are u1 = (a, 0), u2 = (0, a), u3 = (a, a), u4 = (a, -a). The window is a product
    of a row and a column, so that each sum is computed as two one-dimensional sums.

    Args:
      images: float64 [N, H, W].
      window: side of the window, odd.

    Returns:
      float64 [8, N, H - window + 1, W - window + 1]: the four real parts, then the imaginary ones.
    """
    half = window // 2
    angle = 2 * np.pi * np.arange(-half, half + 1) / window
    kernels = {"one": np.ones(window), "cos": np.cos(angle), "sin": np.sin(angle)}

    def along(values: np.ndarray, kernel: str, axis: int) -> np.ndarray:
        # f(x - y) reverses the window, so exp(-iωy) becomes exp(iωy) in the correlation.
        summed = ndimage.correlate1d(values, kernels[kernel], axis, mode="constant")
        return summed[:, half : -half or None] if axis == 1 else summed[:, :, half : -half or None]

    rows = {kernel: along(images, kernel, 2) for kernel in kernels}
    product = {
        (x, y): along(rows[x], y, 1)
        for x, y in [("cos", "one"), ("sin", "one"), ("one", "cos"), ("one", "sin"),
                     ("cos", "cos"), ("sin", "sin"), ("sin", "cos"), ("cos", "sin")]
    }  # fmt: skip
    cc, ss = product["cos", "cos"], product["sin", "sin"]
    sc, cs = product["sin", "cos"], product["cos", "sin"]
    real = [product["cos", "one"], product["one", "cos"], cc - ss, cc + ss]
    imaginary = [product["sin", "one"], product["one", "sin"], sc + cs, sc - cs]
    return np.stack([*real, *imaginary])


@functools.cache
def decorrelation(window: int) -> np.ndarray:
    """Returns V, float64 [8, 8]: the eigenvectors of the components' covariance, as columns.

    The covariance is W C Wᵀ, where W [8, window²] takes a window to its components and C is the
    covariance of its pixels (equations 8 to 10). By symmetry some eigenvalues are equal, and any
    basis of their eigenvectors would be valid. As in the authors' program, the components are
    scaled by different numbers near 1, so that the basis is unique on every machine.

    Args:
      window: side of the window, odd.
    """
    offsets = np.arange(window) - window // 2
    y, x = (grid.ravel() for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    pixels = CORRELATION ** np.hypot(x[:, None] - x, y[:, None] - y)
    column, row = np.array([(1, 0), (0, 1), (1, 1), (1, -1)]).T[:, :, None] / window
    phase = 2 * np.pi * (column * x + row * y)
    transform = np.concatenate([np.cos(phase), np.sin(phase)])
    scale = 1 + 1e-6 * np.arange(7, -1, -1)
    covariance = scale[:, None] * (transform @ pixels @ transform.T) * scale
    _, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1]  # the largest eigenvalue first, as in a singular value decomposition
    # The sign of an eigenvector is arbitrary: the first component that is not small is made
    # positive.
    first = vectors[(np.abs(vectors) > 0.1).argmax(0), np.arange(8)]
    return vectors * np.sign(first)
