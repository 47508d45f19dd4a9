"""Rotation, shift, flip and crop windows against scipy, PyTorch and numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ferjax.images import geometry
from ferjax.images.geometry import Geometry

resample = jax.jit(geometry.resample, static_argnums=(1, 3))


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns smooth images: neighbouring pixels are similar, as in a photograph."""
    noise = np.random.default_rng(seed).uniform(0, 255, shape)
    return ndimage.gaussian_filter(noise, (0, 2, 2, 0)).astype(np.float32) * 3 - 250


def moves(count: int, **parameters: object) -> Geometry:
    """Returns a geometry with `count` rows: the given parameters, otherwise no change."""
    identity = Geometry(jnp.zeros(count, bool), jnp.zeros((count, 2)), None, jnp.zeros(count))
    return identity._replace(**{name: jnp.array(value) for name, value in parameters.items()})


@settings(max_examples=15, deadline=None)
@given(degrees=st.floats(-180, 180))
def test_rotation_equals_scipy(degrees: float) -> None:
    images = pixels(1, 48, 48, 2)
    result = resample(images, 48, moves(1, rotation=[np.radians(degrees)]))
    expected = ndimage.rotate(
        images[0], degrees, axes=(0, 1), reshape=False, order=1, mode="reflect"
    )
    # Coordinates in float32 are accurate to about 1e-5 of a pixel.
    np.testing.assert_allclose(result[0], expected, rtol=0, atol=5e-3)


def test_rotation_is_counter_clockwise() -> None:
    images = pixels(1, 20, 20, 1)
    result = resample(images, 20, moves(1, rotation=[np.pi / 2]))
    np.testing.assert_allclose(result[0], np.rot90(images[0]), rtol=0, atol=1e-3)


def inverse(
    flip: bool, angle: float, shift: tuple[float, float], window: tuple[float, float]
) -> np.ndarray:
    """Returns the matrix from result to source coordinates (x, y), which range from -1 to 1."""
    mirror = np.diag([-1.0 if flip else 1.0, 1, 1])
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    translation = np.array([[1, 0, -2 * shift[1]], [0, 1, -2 * shift[0]], [0, 0, 1]])
    return mirror @ rotation @ translation @ np.diag([window[1], window[0], 1])


@pytest.mark.parity
@pytest.mark.parametrize(("size", "interpolation"), [(48, "bilinear"), (65, "bilinear")])
def test_all_parameters_together_equal_torch_grid_sample(size: int, interpolation: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    images = pixels(6, 48, 48, 3)
    parameters = {
        "flip": rng.random(6) < 0.5,
        "shift": rng.uniform(-0.2, 0.2, (6, 2)).astype(np.float32),
        "window": rng.uniform(0.5, 0.99, (6, 2)).astype(np.float32),
        "rotation": rng.uniform(-3, 3, 6).astype(np.float32),
    }
    result = resample(images, size, moves(6, **parameters), interpolation)
    rows = zip(
        parameters["flip"],
        parameters["rotation"],
        parameters["shift"],
        parameters["window"],
        strict=True,
    )
    theta = np.stack([inverse(*row)[:2] for row in rows])
    grid = torch.nn.functional.affine_grid(
        torch.tensor(theta), [6, 3, size, size], align_corners=False
    )
    expected = torch.nn.functional.grid_sample(
        torch.tensor(images.transpose(0, 3, 1, 2)).double(),
        grid,
        mode=interpolation,
        padding_mode="reflection",
        align_corners=False,
    )
    np.testing.assert_allclose(
        np.asarray(result).transpose(0, 3, 1, 2), expected, rtol=0, atol=5e-3
    )


def test_images_that_are_not_square_rotate_in_source_pixels() -> None:
    images, angle, size = pixels(1, 40, 30, 1), 0.7, 45
    result = resample(images, size, moves(1, rotation=[angle]))
    row, column = np.meshgrid(*((np.arange(size) + 0.5) / size - 0.5,) * 2, indexing="ij")
    row, column = 40 * row, 30 * column
    coordinates = [
        np.cos(angle) * row + np.sin(angle) * column + 19.5,
        np.cos(angle) * column - np.sin(angle) * row + 14.5,
    ]
    expected = ndimage.map_coordinates(images[0, ..., 0], coordinates, order=1, mode="reflect")
    np.testing.assert_allclose(result[0, ..., 0], expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [20, 31, 48, 70])
def test_rotation_by_zero_equals_the_separable_resample(size: int, interpolation: str) -> None:
    images = pixels(3, 48, 48, 1)
    moving = moves(
        3,
        flip=[True, False, True],
        shift=[(0.02, -0.04), (0, 0), (-0.05, 0.03)],
        window=[(0.9, 0.8), (1, 1), (0.7, 0.95)],
    )
    rotated = resample(images, size, moving, interpolation)
    separable = resample(images, size, moving._replace(rotation=None), interpolation)
    # Without the edges: rotation reflects them, the separable method repeats them.
    edge = slice(size // 6, -(size // 6))
    np.testing.assert_allclose(rotated[:, edge, edge], separable[:, edge, edge], rtol=0, atol=2e-3)


def test_flip_at_native_size_with_rotation_zero_is_bit_exact() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1)).astype(np.float32)
    result = resample(images, 48, moves(2, flip=[True, False]))
    np.testing.assert_array_equal(result[0], images[0, :, ::-1])
    np.testing.assert_array_equal(result[1], images[1])


def test_a_reduction_with_rotation_does_not_alias() -> None:
    checks = np.indices((64, 64)).sum(0)[None, :, :, None] % 2 * 255.0
    for angle in (None, jnp.array([0.0]), jnp.array([0.6])):
        small = resample(checks.astype(np.float32), 16, moves(1)._replace(rotation=angle))
        np.testing.assert_allclose(small, 127.5, atol=2)


@settings(max_examples=8, deadline=None)
@given(height=st.integers(24, 48), top=st.integers(0, 8), left=st.integers(0, 8))
def test_a_window_equals_a_resized_crop(height: int, top: int, left: int) -> None:
    images = pixels(1, 56, 56, 1)
    width = 72 - height
    centre = (np.array([top + height / 2, left + width / 2]) / 56) - 0.5
    moving = Geometry(
        jnp.zeros(1, bool), -jnp.array(centre)[None], jnp.array([[height / 56, width / 56]])
    )
    result = resample(images, 32, moving)
    crop = images[:, top : top + height, left : left + width]
    expected = jax.image.resize(crop, (1, 32, 32, 1), "linear", antialias=True)
    # Without the outermost rows: they also read pixels outside the crop.
    np.testing.assert_allclose(result[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], rtol=0, atol=1e-2)
