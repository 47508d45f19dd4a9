"""Overlays: what is unimportant stays, what is important is coloured, small faces are enlarged."""

import numpy as np

from ferjax.explain.overlay import enlarged, legible_overlay, overlay


def test_a_map_of_zeros_leaves_the_face_and_its_maximum_is_mostly_colour() -> None:
    face = np.random.default_rng(0).integers(0, 256, (10, 12, 1)).astype(np.uint8)
    plain = overlay(face, np.zeros((10, 12)))
    np.testing.assert_array_equal(plain, np.repeat(face, 3, axis=-1))
    bright = overlay(face, np.ones((10, 12))).astype(int)
    # Seven tenths of plasma's last colour, (240, 249, 33), and three of the face.
    wanted = 0.3 * face + 0.7 * np.array([240, 249, 33])
    np.testing.assert_allclose(bright, wanted, atol=1)
    np.testing.assert_array_equal(overlay(face[..., 0], np.zeros((10, 12))), plain)


def test_small_faces_are_enlarged_by_a_whole_number() -> None:
    assert enlarged(np.zeros((48, 50, 3), np.uint8)).shape == (192, 200, 3)
    assert enlarged(np.zeros((48, 48, 1), np.uint8)).shape == (192, 192, 1)
    assert enlarged(np.zeros((300, 200, 3), np.uint8)).shape == (300, 200, 3)
    large = legible_overlay(np.zeros((40, 40, 1), np.uint8), np.eye(48))
    assert large.shape == (200, 200, 3)
    assert large[100, 100].sum() > 4 * large[20, 180].sum()
