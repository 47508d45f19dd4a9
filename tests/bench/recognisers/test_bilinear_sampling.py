"""Resizing as peers do it, against Pillow, OpenCV and numbers by hand."""

import numpy as np
import pytest
from PIL import Image

from ferjax.bench.recognisers.bilinear_sampling import (
    boxed,
    centred,
    cornered,
    resample,
    sampling_matrix,
)
from ferjax.bench.recognisers.peers import fer_input

FACES = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)


@pytest.mark.parametrize("side", [64, 112])
def test_centred_pixels_are_those_of_pillow(side: int) -> None:
    ours = resample(FACES.astype(np.float32), sampling_matrix(centred(48, side), 48))
    pillow = [
        Image.fromarray(face[..., 0].astype(np.float32)).resize(
            (side, side), Image.Resampling.BILINEAR
        )
        for face in FACES
    ]
    np.testing.assert_allclose(ours[..., 0], np.stack([*map(np.asarray, pillow)]), atol=1e-3)


def test_cornered_pixels_by_hand() -> None:
    # TensorFlow.js's resizeBilinear of 2 pixels to 4: the last repeats the edge.
    matrix = sampling_matrix(cornered(2, 4), 2)
    np.testing.assert_allclose(matrix @ [0, 100], [0, 50, 100, 100])


def test_a_box_beyond_the_picture_is_black() -> None:
    # Edges of a box of -4 to 12 in a picture of 8, at five positions: -3.5, 0, 3.5, 7 and 10.5.
    positions = boxed(-4, 12, 8, 5)
    np.testing.assert_allclose(positions, [-3.5, 0, 3.5, 7, 10.5])
    ramp = np.arange(8) + 10
    np.testing.assert_allclose(sampling_matrix(positions, 8, "black") @ ramp, [0, 10, 13.5, 17, 0])
    np.testing.assert_allclose(sampling_matrix(positions, 8) @ ramp, [10, 10, 13.5, 17, 17])


def test_fer_reads_a_face_with_its_border() -> None:
    cv2 = pytest.importorskip("cv2")
    ours = fer_input(FACES)
    assert ours.shape == (3, 64, 64, 1)
    assert ours.dtype == np.float32
    for face, found in zip(FACES[..., 0], ours[..., 0], strict=True):
        mean = cv2.mean(face[-2:])[0]
        padded = cv2.copyMakeBorder(face, *[40] * 4, cv2.BORDER_CONSTANT, value=[mean] * 3)
        expected = cv2.resize(padded[30:98, 30:98], (64, 64)).astype(np.float32)
        # OpenCV computes in fixed point.
        np.testing.assert_allclose((found + 1) * 127.5, expected, atol=1.001)
