"""Brightness, contrast and erasing against torchvision and values computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.convert.reference_library import import_torchvision
from ferjax.images.colour import Colour, erase, inside, recolour


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parity
@pytest.mark.parametrize("channels", [1, 3])
def test_recolour_equals_torchvision(channels: int) -> None:
    torch = pytest.importorskip("torch")
    try:
        functional = import_torchvision("torchvision.transforms.v2.functional")
    except ImportError:
        pytest.skip("torchvision is not installed")
    images = pixels(4, 9, 9, channels)
    brightness, contrast = np.array([0.6, 1.4, 1, 1.2]), np.array([1.3, 0.5, 1.4, 0])
    result = recolour(images, Colour(jnp.array(brightness), jnp.array(contrast)))
    for image, brightness_factor, contrast_factor, actual in zip(
        images, brightness, contrast, result, strict=True
    ):
        tensor = torch.tensor(image.transpose(2, 0, 1) / 255)
        tensor = functional.adjust_brightness(tensor, float(brightness_factor))
        expected = (
            functional.adjust_contrast(tensor, float(contrast_factor)).numpy().transpose(1, 2, 0)
        )
        # torchvision's weight of red is 0.2989.
        np.testing.assert_allclose(actual / 255, expected, rtol=0, atol=2e-4)


def test_recolour_by_hand() -> None:
    images = np.array([[[[100.0], [200.0]]]] * 3, np.float32)
    colour = Colour(jnp.array([1.0, 0.5, 2.0]), jnp.array([1.0, 0.0, 1.0]))
    result = np.asarray(recolour(images, colour))[:, 0, :, 0]
    assert result.tolist() == [[100, 200], [75, 75], [200, 255]]


def test_a_box_contains_the_pixels_with_their_centre_in_it() -> None:
    boxes = jnp.array([[0.25, 0.0, 0.75, 0.5], [0.3, 0.3, 0.3, 0.3], [0.0, 0.0, 1.0, 1.0]])
    result = np.asarray(inside(boxes, 8))
    expected = np.zeros((8, 8), bool)
    expected[2:6, :4] = True
    np.testing.assert_array_equal(result[0], expected)
    assert (result[1].sum(), result[2].sum()) == (0, 64)


def test_an_erased_box_has_the_mean_colour_of_the_image() -> None:
    images = pixels(2, 8, 8, 3)
    boxes = jnp.array([[0.25, 0.0, 0.75, 0.5], [0.5, 0.5, 0.5, 0.5]])
    result = np.asarray(erase(images, boxes))
    np.testing.assert_allclose(
        result[0, 2:6, :4], np.broadcast_to(images[0].mean((0, 1)), (4, 4, 3)), rtol=1e-5
    )
    np.testing.assert_array_equal(result[0, :, 4:], images[0, :, 4:])
    np.testing.assert_array_equal(result[1], images[1])
