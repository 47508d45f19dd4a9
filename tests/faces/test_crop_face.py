"""Face crops: margins, rotation to level eyes; with fake detectors that return given boxes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.faces.crop_face import CropPlan, crop_face, crop_faces, expand_box
from ferjax.faces.face import Box, Face, largest
from ferjax.faces.level_eyes import cut_rotated, eye_angle, landmark_angle

boxes = st.builds(
    Box, st.integers(0, 79), st.integers(0, 59), st.integers(1, 80), st.integers(1, 60)
)
FACE = Box(30, 20, 100, 100)


def plan(boxes: list[Box], degrees: float | None = None, **fields: object) -> CropPlan:
    faces = [Face(box) for box in boxes]
    angle = None if degrees is None else (lambda image, face: degrees)
    return CropPlan(lambda image: faces, largest, angle=angle, **fields)  # type: ignore[arg-type]


@given(boxes, st.integers(0, 30))
def test_margin_is_clipped_at_the_border(box: Box, margin: int) -> None:
    box = Box(box.left, box.top, min(box.width, 80 - box.left), min(box.height, 60 - box.top))
    inside = np.zeros((60 + 2 * margin, 80 + 2 * margin), bool)
    inside[box.top : box.top + box.height + 2 * margin, box.left :][:, : box.width + 2 * margin] = (
        True
    )
    inside = inside[margin : 60 + margin, margin : 80 + margin]
    result = expand_box(box, margin, (60, 80))
    mask = np.zeros((60, 80), bool)
    mask[result.top : result.top + result.height, result.left : result.left + result.width] = True
    assert (mask == inside).all()


@given(boxes, st.integers(0, 30))
def test_a_square_box_lies_inside_and_contains_the_plain_box(box: Box, margin: int) -> None:
    box = Box(box.left, box.top, min(box.width, 80 - box.left), min(box.height, 60 - box.top))
    plain, square = (
        expand_box(box, margin, (60, 80)),
        expand_box(box, margin, (60, 80), square=True),
    )
    assert square.width == square.height == min(max(plain.width, plain.height), 60)
    assert 0 <= square.left <= 80 - square.width
    assert 0 <= square.top <= 60 - square.height
    if plain.width <= square.width:
        assert square.left <= plain.left
        assert square.left + square.width >= plain.left + plain.width


def test_farahanis_margin() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    crop = crop_face(image, plan([Box(5, 5, 9, 9), FACE], margin=20))
    assert (crop.box, crop.faces, crop.degrees) == (Box(10, 0, 140, 140), 2, 0)
    np.testing.assert_array_equal(crop.image, image[0:140, 10:150])


def test_no_face() -> None:
    crop = crop_face(np.zeros((20, 20, 1), np.uint8), plan([]))
    assert (crop.image, crop.faces, crop.box) == (None, 0, None)


def test_every_face_in_the_order_of_the_detector() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    small = Box(5, 6, 9, 11)
    first, second = crop_faces(image, plan([small, FACE]))
    np.testing.assert_array_equal(first.image, image[6:17, 5:14])
    np.testing.assert_array_equal(second.image, image[20:120, 30:130])
    assert (first.face, second.faces) == (Face(small), 2)
    # The shorter side is extended about the same centre.
    square, _ = crop_faces(image, plan([small, FACE], square=True))
    assert square.box == Box(4, 6, 11, 11)


def eye(x: float, y: float, side: int = 20) -> Box:
    return Box(round(x - side / 2), round(y - side / 2), side, side)


@pytest.mark.parametrize("degrees", [-25, -5, 0, 12])
def test_angle_of_the_eyes(degrees: float) -> None:
    dx, dy = 25 * math.cos(math.radians(degrees)), 25 * math.sin(math.radians(degrees))
    eyes = [eye(50 + dx, 40 + dy), eye(50 - dx, 40 - dy)]
    assert eye_angle(eyes, FACE) == pytest.approx(degrees, abs=1.5)
    # A nostril, a mouth and a second, smaller detection change nothing.
    others = [eye(45, 70), eye(60, 85), eye(75, 40, 6)]
    assert eye_angle([*others, *eyes], FACE) == eye_angle(eyes, FACE)


@pytest.mark.parametrize(
    "eyes",
    [[], [eye(25, 40)], [eye(25, 40), eye(40, 40)], [eye(25, 20), eye(75, 55)]],
    ids=["none", "one", "one side", "too steep"],
)
def test_no_angle_without_two_eyes(eyes: list[Box]) -> None:
    assert eye_angle(eyes, FACE) is None


def test_angle_of_landmarks() -> None:
    points = np.array([[10, 30], [50, 40], [30, 50], [15, 70], [45, 72]], np.float32)
    assert landmark_angle(points) == pytest.approx(math.degrees(math.atan2(10, 40)))
    upside_down, lying = -points, points[:, ::-1]
    assert landmark_angle(upside_down) is None
    assert landmark_angle(lying) is None


@pytest.mark.parametrize("degrees", [-20.0, 15.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_the_eyes(degrees: float, channels: int) -> None:
    image = np.zeros((200, 200, channels), np.uint8)
    dx, dy = 25 * math.cos(math.radians(degrees)), 25 * math.sin(math.radians(degrees))
    eyes = [eye(50 - dx, 40 - dy), eye(50 + dx, 40 + dy)]
    for box in eyes:
        x, y = (round(value) for value in box.centre)
        image[FACE.top + y - 3 : FACE.top + y + 3, FACE.left + x - 3 : FACE.left + x + 3] = 255
    tilt = eye_angle(eyes, FACE)
    crop = crop_face(image, plan([FACE], tilt, margin=20))
    assert crop.image is not None
    assert crop.image.shape == (140, 140, channels)
    assert crop.degrees == pytest.approx(degrees, abs=1.5)
    grey = crop.image[..., 0].astype(float)
    left, right = (
        (part.sum(axis=1) @ np.arange(140)) / part.sum() for part in np.split(grey, 2, 1)
    )
    assert left == pytest.approx(right, abs=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_by_90_degrees_is_exact_and_edges_are_repeated(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, channels), np.uint8)
    whole = Box(0, 0, 9, 9)
    np.testing.assert_array_equal(cut_rotated(image, whole, (4.5, 4.5), 90), np.rot90(image))
    flat = np.full((9, 9, channels), 200, np.uint8)
    assert (cut_rotated(flat, whole, (1.0, 8.0), 33) == 200).all()
