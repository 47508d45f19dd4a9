"""Class activation maps against loops written from the papers' equations."""

from collections.abc import Callable

import numpy as np
import pytest

from ferjax.explain.cam import grad_cam, grad_cam_plus_plus, layer_cam

RANDOM = np.random.default_rng(0)
ACTIVATIONS = RANDOM.random((2, 3, 4, 5))
GRADIENTS = RANDOM.standard_normal((2, 3, 4, 5))


def grad_cam_by_hand(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[:2])
    for k in range(a.shape[-1]):
        total += g[..., k].mean() * a[..., k]
    return np.maximum(total, 0)


def grad_cam_plus_plus_by_hand(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[:2])
    for k in range(a.shape[-1]):
        weight = 0.0
        for i, j in np.ndindex(*a.shape[:2]):
            alpha = g[i, j, k] ** 2 / (2 * g[i, j, k] ** 2 + a[..., k].sum() * g[i, j, k] ** 3)
            weight += alpha * max(g[i, j, k], 0)
        total += weight * a[..., k]
    return np.maximum(total, 0)


def layer_cam_by_hand(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[:2])
    for i, j in np.ndindex(*a.shape[:2]):
        total[i, j] = sum(max(g[i, j, k], 0) * a[i, j, k] for k in range(a.shape[-1]))
    return np.maximum(total, 0)


@pytest.mark.parametrize(
    ("formula", "by_hand"),
    [
        (grad_cam, grad_cam_by_hand),
        (grad_cam_plus_plus, grad_cam_plus_plus_by_hand),
        (layer_cam, layer_cam_by_hand),
    ],
)
def test_maps_are_those_of_the_papers_equations(
    formula: Callable[..., object], by_hand: Callable[..., np.ndarray]
) -> None:
    found = np.asarray(formula(ACTIVATIONS, GRADIENTS))
    wanted = [by_hand(a, g) for a, g in zip(ACTIVATIONS, GRADIENTS, strict=True)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_no_gradient_gives_a_map_of_zeros_and_not_of_nan() -> None:
    for formula in (grad_cam, grad_cam_plus_plus, layer_cam):
        assert (np.asarray(formula(ACTIVATIONS, 0 * GRADIENTS)) == 0).all()


def test_layer_cam_with_one_gradient_everywhere_is_grad_cam() -> None:
    same = np.broadcast_to(np.abs(GRADIENTS[:, :1, :1]), GRADIENTS.shape)
    found = layer_cam(ACTIVATIONS, same)
    np.testing.assert_allclose(found, grad_cam(ACTIVATIONS, same), rtol=1e-5)
