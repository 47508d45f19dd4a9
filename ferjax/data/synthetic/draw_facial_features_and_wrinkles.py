"""Draws eyes, eyebrows, nose, mouth, cheeks, skin folds and glasses of synthetic faces."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ferjax.data.synthetic.antialiased_shapes import (
    arch,
    below,
    cover,
    ellipse,
    over,
    spot,
    stroke,
    where_float32,
)

Face = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FaceGrid:
    """Coordinates of the pixels of B images on their faces, float32 [B, S, S] each.

    Attributes:
      x: distance to the right of the centre of the face, after the rotation of the head.
      y: distance below the centre of the face.
      mirrored: |x|; with it both eyes are drawn at once.
      side: the sign of x.
      pixel: width of a pixel, [B, 1, 1].
    """

    x: np.ndarray
    y: np.ndarray
    mirrored: np.ndarray
    side: np.ndarray
    pixel: np.ndarray


@dataclass(frozen=True)
class Colours:
    """Colours of B faces, float32 [B, 3, 1, 1] in [0, 1]."""

    skin: np.ndarray
    shade: np.ndarray
    line: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    iris: np.ndarray


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """Returns one colour for all faces, float32 [1, 3, 1, 1]."""
    return np.array([red, green, blue], np.float32)[None, :, None, None]


DARK = rgb(0.10, 0.07, 0.08)
MOUTH = rgb(0.33, 0.07, 0.09)
WHITE = rgb(0.98, 0.97, 0.95)
TEETH = rgb(0.97, 0.96, 0.92)
TONGUE = rgb(0.83, 0.36, 0.38)
BLUSH = rgb(0.91, 0.36, 0.33)


def draw_cheeks(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with blushing cheeks (AU6) and some freckles drawn."""
    x, y = grid.mirrored - face["eye_apart"] - 0.06, grid.y - 0.17 + 0.03 * face["cheeks"]
    glow = spot(x, y, 0.20, 0.15)
    image = over(image, BLUSH, glow * (0.16 + 0.16 * face["cheeks"] + 0.1 * face["makeup"]))
    dots = np.sin(grid.x * 58 + 11 * grid.y) * np.sin(grid.y * 64 - 7 * grid.x)
    dots = np.clip(dots * 3 - 2, 0, 1) * spot(x, y + 0.05, 0.22, 0.12)
    return over(image, colours.shade, dots * np.clip(face["freckles"], 0, 1))


def draw_folds(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with the skin folds drawn that action units cause."""
    x, y, pixel, width = grid.mirrored, grid.y, grid.pixel, 0.011
    brow = face["eye_y"] - face["brow_lift"]
    forehead = np.minimum(
        stroke(x, y - brow + 0.19, -0.03, 0.30, width),
        stroke(x, y - brow + 0.27, -0.03, 0.22, width),
    )
    glabella = stroke(y - brow - 0.04, x - 0.045, -0.012, 0.085, width)
    bridge = y - face["eye_y"] - 0.04
    wrinkles = np.minimum(
        stroke(x - 0.03, bridge + 0.5 * x, 0.0, 0.055, width),
        np.minimum(
            stroke(x - 0.04, bridge - 0.06 + 0.5 * x, 0.0, 0.06, width),
            stroke(x - 0.05, bridge - 0.12 + 0.5 * x, 0.0, 0.06, width),
        ),
    )
    tilt = 0.45 * (y - 0.31)
    folds = stroke(y - 0.31, x - face["mouth_width"] - 0.055 - tilt, 0.035, 0.15, width)
    corner = x - face["eye_apart"] - face["eye_width"] - 0.06
    level = np.abs(y - face["eye_y"] - 0.01) - 0.028 - 0.35 * corner
    crow_feet = stroke(corner, level, 0.0, 0.045, width * 0.8)
    creases = (
        (forehead, 0.65 * face["forehead"]),
        (glabella, 0.9 * face["glabella"]),
        (wrinkles, 0.95 * face["nose_wrinkles"]),
        (folds, 0.9 * np.minimum(face["folds"], 1)),
        (crow_feet, 0.6 * face["crow_feet"]),
    )
    alpha = np.maximum.reduce([cover(distance, pixel) * strength for distance, strength in creases])
    return over(image, colours.line, alpha)


def draw_nose(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with a nose drawn: its shaded side, tip, wings and nostrils."""
    x, y, width, pixel = grid.mirrored, grid.y - face["nose_y"], face["nose_width"], grid.pixel
    # The side of the bridge that faces away is shaded; with yaw 0 neither side is.
    away = grid.x * np.sign(face["yaw"]) - 0.02
    ridge = spot(away + 0.16 * y - 0.045, y + 0.13, 0.055, 0.26)
    image = over(image, colours.shade, ridge * np.minimum(np.abs(face["yaw"]) * 8, 0.7))
    image = over(image, colours.shade, 0.75 * spot(grid.x, y - 0.035, width * 1.35, 0.075))
    tip = cover(ellipse(grid.x, y, width * 0.62, 0.056), pixel * 2)
    wings = cover(ellipse(x - width * 0.72, y - 0.008, width * 0.42, 0.040), pixel * 2)
    image = over(image, colours.skin, np.maximum(tip, wings))
    outline = stroke(y - 0.002, x - width * 1.02, 0.022, 0.042, 0.010)
    nostril = ellipse(x - width * 0.5, y - 0.034, width * 0.27, 0.014)
    image = over(image, colours.line, cover(np.minimum(outline, nostril), pixel) * 0.85)
    shine = spot(grid.x + 0.25 * width, y + 0.02, 0.03, 0.03)
    return over(image, WHITE, 0.35 * shine)


def draw_mouth(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with a mouth drawn: lips around an opening with teeth and tongue."""
    x, y = grid.x, grid.y - face["mouth_y"]
    width, round_, thick = face["mouth_width"], face["lip_round"], face["lip_thickness"]
    t = x / width
    # In contempt one corner rises. Both curve away from the centre as a parabola.
    corner = face["corner"] + face["smirk"] * (t * np.sign(face["side"]) > 0)
    line, line_slope = corner * t * t - 0.35 * face["corner"], corner * 2.0 * t
    rise, rise_slope = arch(t, round_)
    opening = {
        edge: below(y, line + amount * rise, (line_slope + amount * rise_slope) / width)
        for edge, amount in (
            ("upper", -face["lip_upper"]),
            ("lower", face["lip_lower"]),
            ("upper lip", -face["lip_upper"] - 0.85 * thick),
            ("lower lip", face["lip_lower"] + thick),
            ("upper teeth", -face["lip_upper"] + 0.062),
            ("lower teeth", face["lip_lower"] - 0.05),
        )
    }
    lips = np.maximum(opening["upper lip"], -opening["lower lip"])
    inner = np.maximum(np.maximum(opening["upper"], -opening["lower"]), np.abs(x) - width)
    under = spot(x, y - face["lip_lower"] - thick - 0.045, width * 0.7, 0.04)
    image = over(image, colours.shade, 0.7 * under)
    image = over(image, colours.lips, cover(lips, grid.pixel))
    # The upper lip is shaded, and a closed mouth still shows a line.
    shaded = 0.22 * cover(np.maximum(lips, -opening["upper"]), grid.pixel)
    image = over(image, MOUTH, np.maximum(shaded, cover(inner - 0.013, grid.pixel)))
    depth = face["lip_lower"]
    tongue = np.maximum(inner, ellipse(x, y - depth - 0.02, width * 0.62, 0.35 * depth + 0.03))
    image = over(image, TONGUE, cover(tongue, grid.pixel) * np.clip(depth * 12 - 0.5, 0, 1))
    upper = cover(np.maximum(inner, -opening["upper teeth"]), grid.pixel)
    lower = cover(np.maximum(inner, opening["lower teeth"]), grid.pixel)
    upper = upper * np.minimum(face["teeth_upper"] * 1.4, 1)
    lower = lower * np.minimum(face["teeth_lower"] * 1.2, 1)
    image = over(image, TEETH, np.maximum(upper, lower))
    pit = spot(x * np.sign(face["side"]) - width - 0.045, y + 0.09, 0.035, 0.06)
    return over(image, colours.line, pit * 0.8 * face["dimple"])


def draw_eyes(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with eyes drawn: sockets, whites, iris, pupil, lids and lashes."""
    x, y, pixel = grid.mirrored - face["eye_apart"], grid.y - face["eye_y"], grid.pixel
    width, height = face["eye_width"], face["eye_height"]
    t = x / width
    rise, rise_slope = arch(t, 0.45)
    tilt = face["eye_tilt"]
    top, bottom = -height * face["lid_upper"], height * face["lid_lower"]
    upper = below(y, top * rise + tilt * t, (top * rise_slope + tilt) / width)
    lower = below(y, bottom * rise + tilt * t, (bottom * rise_slope + tilt) / width)
    image = over(image, colours.shade, 0.55 * spot(x, y + 0.03, width * 1.5, height * 2.0))
    opening = np.maximum(upper, -lower)
    white = cover(opening, pixel)
    image = over(image, WHITE, white)
    eye_x, eye_y = x - grid.side * face["gaze_x"], y - face["gaze_y"]
    radius = np.sqrt(eye_x * eye_x + eye_y * eye_y)
    image = over(image, colours.iris, white * cover(radius - face["iris_size"], pixel))
    pupil = cover(radius - 0.52 * face["iris_size"], pixel)
    # The lid casts a shadow on the upper part of the white.
    pupil = white * np.maximum(pupil, 0.25 * cover(-upper - 0.03, 0.03))
    image = over(image, DARK, pupil)
    glint = np.maximum(np.abs(eye_x + grid.side * 0.022), np.abs(eye_y + 0.026)) - 0.015
    image = over(image, WHITE, white * cover(glint, pixel))
    within = np.abs(x) - width
    lashes = where_float32(face["makeup"] > 0.5, 0.022, 0.012)
    under = np.maximum(np.abs(lower) - 0.007, within)
    crease = np.maximum(np.abs(upper - 0.042) - 0.007, np.abs(x) - width * 0.85)
    lines = np.maximum(cover(under, pixel) * 0.75, cover(crease, pixel) * 0.5)
    image = over(image, colours.line, lines)
    lid = np.maximum(np.abs(upper + 0.002) - lashes, within)
    return over(image, DARK, cover(lid, pixel) * 0.95)


def draw_brows(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images with eyebrows drawn: tapered curves through three points."""
    inner = face["eye_apart"] - face["eye_width"] * 0.95 + face["brow_apart"]
    outer = face["eye_apart"] + face["eye_width"] * 1.25
    t = (grid.mirrored - inner) / (outer - inner)
    level = face["eye_y"] - face["brow_lift"]
    inner_y, outer_y = level + 0.01 + face["brow_inner"], level + 0.02 + face["brow_outer"]
    # A quadratic Lagrange polynomial through t = 0, 0.5 and 1.
    middle_y = level - face["brow_arch"] + face["brow_middle"]
    bend = 2 * inner_y - 4 * middle_y + 2 * outer_y
    tilt = outer_y - inner_y - bend
    curve, slope = inner_y + t * (tilt + t * bend), (tilt + 2 * t * bend) / (outer - inner)
    inside = np.clip(t, 0, 1)
    half = face["brow_width"] * (1.2 - 0.75 * inside) * (1 - 0.7 * (2 * inside - 1) ** 8)
    ends = (np.abs(t - 0.5) - 0.5) * (outer - inner)
    distance = np.maximum(np.abs(below(grid.y, curve, slope)) - half, ends)
    return over(image, colours.brow, cover(distance, grid.pixel) * 0.94)


def draw_glasses(image: np.ndarray, grid: FaceGrid, face: Face, colours: Colours) -> np.ndarray:
    """Returns the images; the faces whose parameter `glasses` is above 0.8 wear glasses."""
    alpha = where_float32(face["glasses"] > 0.8)
    x, y = grid.mirrored - face["eye_apart"], grid.y - face["eye_y"] - 0.01
    # Frames are circles above 0.9, else boxes with rounded corners.
    box = np.maximum(np.abs(x) - 0.135, np.abs(y) - 0.105)
    corner = np.sqrt(np.maximum(np.abs(x) - 0.135, 0) ** 2 + np.maximum(np.abs(y) - 0.105, 0) ** 2)
    square = np.where(corner > 0, corner, box) - 0.055
    circle = np.sqrt(x * x + y * y) - 0.185
    lens = np.where(face["glasses"] > 0.9, circle, square)
    bridge = stroke(grid.x, y + 0.03, -0.02, face["eye_apart"] - 0.17, 0.015)
    arms = np.maximum(np.abs(y + 0.04) - 0.013, np.abs(x - 0.28) - 0.10)
    frame = np.minimum(np.minimum(np.abs(lens) - 0.013, bridge), arms)
    image = over(image, WHITE, 0.10 * alpha * cover(lens, grid.pixel))
    return over(image, DARK, 0.92 * alpha * cover(frame, grid.pixel))
