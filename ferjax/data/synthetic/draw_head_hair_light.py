"""Draws whole synthetic portraits: background, shoulders, head, ears, beard, hair, cap, light."""

import numpy as np

from ferjax.data.synthetic import draw_facial_features_and_wrinkles as features
from ferjax.data.synthetic.antialiased_shapes import (
    cover,
    egg,
    ellipse,
    over,
    pixel_grid,
    spot,
    where_float32,
)
from ferjax.data.synthetic.draw_facial_features_and_wrinkles import Colours, Face, FaceGrid, rgb
from ferjax.data.synthetic.face_parameters import BACKGROUNDS, CLOTHES, EYES, HAIRS, SKINS, palette

_BLACK, _RED = rgb(0.08, 0.05, 0.06), rgb(0.72, 0.18, 0.22)


def _blend(first: np.ndarray, second: np.ndarray, amount: np.ndarray | float) -> np.ndarray:
    amount = amount[..., None] if isinstance(amount, np.ndarray) else amount
    return first + amount * (second - first)


def _choose_colours(face: Face) -> Colours:
    skin = palette(SKINS, face["skin"], blend=True)
    hair = palette(HAIRS, face["hair_colour"])
    return Colours(
        skin=skin,
        shade=skin * rgb(0.84, 0.74, 0.70),
        line=skin * rgb(0.52, 0.40, 0.38),
        lips=_blend(
            skin * rgb(0.86, 0.62, 0.60), _RED, where_float32(face["makeup"] > 0.5, 0.6, 0.15)
        ),
        hair=hair,
        brow=_blend(hair, _BLACK, 0.45),
        iris=palette(EYES, face["eye_colour"]),
    )


def _draw_background(face: Face, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    first_colour = palette(BACKGROUNDS, face["background"])
    second_colour = palette(BACKGROUNDS, (face["background"] * 7.3) % 1)
    angle = face["background_angle"]
    ramp = 0.5 + 0.5 * (x * np.cos(angle) + y * np.sin(angle))
    image = first_colour + (ramp * 0.55)[:, None] * (second_colour - first_colour)
    halo = spot(x - 0.5 * np.sin(3 * angle), y + 0.4, 1.3, 1.3)
    return image + 0.12 * halo[:, None]


def _draw_shoulders_and_neck(
    image: np.ndarray, face: Face, colours: Colours, x: np.ndarray, y: np.ndarray, grid: FaceGrid
) -> np.ndarray:
    clothes = palette(CLOTHES, face["clothes"])
    shoulders = ellipse(x, y - 1.42, 0.95, 0.62)
    image = over(image, clothes, cover(shoulders, grid.pixel))
    neck = np.maximum(np.abs(x) - 0.52 * face["head_width"], np.maximum(-y, y - 0.92))
    collar = ellipse(x, y - 0.88, 0.58 * face["head_width"], 0.13)
    image = over(image, colours.shade, cover(np.minimum(neck, collar), grid.pixel))
    return image


def _head_outline(face: Face, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    bottom = face["head_bottom"] + face["chin"]
    return egg(
        x, y, face["head_width"], face["head_top"], bottom, face["jaw_taper"], face["jaw_square"]
    )


def _curl_offset(face: Face, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    phase = face["hair_phase"]
    return face["curl"] * np.sin(x * 21 + phase) * np.sin(y * 19 + 2 * phase) * 1.6


def _hair_distance(face: Face, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the signed distance to the hair: the enlarged skull, with sides down to a length."""
    volume = face["volume"]
    cap = ellipse(x, y + 0.04, face["head_width"] + volume, face["head_top"] + 0.02 + volume)
    sides = np.maximum(np.abs(x) - face["head_width"] - volume * 0.95, -y - 0.04)
    mass = np.minimum(cap, sides)
    bun = np.where(
        face["bun"] > 0, ellipse(x, y + face["head_top"] + 0.13, 0.22, 0.18), np.float32(1)
    )
    return np.minimum(np.maximum(mass, y - face["length"]), bun) + _curl_offset(face, x, y)


def _draw_ears(
    image: np.ndarray, face: Face, colours: Colours, grid: FaceGrid, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    sideways = np.abs(x) - face["head_width"] - 0.01
    ear = ellipse(sideways, y - 0.02, face["ear_size"] * 0.62, face["ear_size"] * 1.15)
    image = over(image, colours.skin, cover(ear, grid.pixel))
    lobe = ellipse(sideways, y - 0.02, face["ear_size"] * 0.34, face["ear_size"] * 0.75)
    return over(image, colours.shade, cover(lobe, grid.pixel))


def _draw_head(
    image: np.ndarray,
    colours: Colours,
    grid: FaceGrid,
    outline: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
) -> np.ndarray:
    image = over(image, colours.skin, cover(outline, grid.pixel))
    # Shading that makes the head look round: its rim is darker.
    rim = np.clip((u * u + v * v - 0.55) * 1.6, 0, 1) * cover(outline, grid.pixel)
    return over(image, colours.shade, rim * 0.85)


def _draw_beard(
    image: np.ndarray, face: Face, colours: Colours, grid: FaceGrid, outline: np.ndarray
) -> np.ndarray:
    has_beard = where_float32((face["beard"] > 0.55) & (face["makeup"] < 0.5))
    is_full = face["beard"] > 0.78
    # A full beard starts under the nose and rises in an arc over the cheeks to the ears.
    edge = face["mouth_y"] - 0.11 - 2.2 * np.maximum(grid.mirrored - 0.12, 0) ** 2
    full_beard = np.maximum(outline - 0.015, edge - grid.y)
    goatee = np.maximum(
        ellipse(grid.x, grid.y - face["mouth_y"] - 0.12, 0.27, 0.27), outline - 0.01
    )
    shape = np.where(is_full, full_beard, goatee)
    density = has_beard * where_float32((face["beard"] * 37) % 1 > 0.5, 0.88, 0.42)
    return over(image, colours.brow, cover(shape, grid.pixel * 1.6) * density)


def _draw_front_hair_and_cap(
    image: np.ndarray,
    face: Face,
    colours: Colours,
    grid: FaceGrid,
    x: np.ndarray,
    y: np.ndarray,
    hair_distance: np.ndarray,
    outline: np.ndarray,
) -> np.ndarray:
    from_parting = x - face["hair_part"]
    line = (
        -face["hairline"]
        + 0.62 * np.minimum(x * x, 0.5)
        - face["sweep"] * np.exp(-np.abs(from_parting) * 5)
        + _curl_offset(face, y, x)
    )
    front = np.maximum(hair_distance, np.minimum(y - line, face["head_width"] * 0.93 - np.abs(x)))
    # Shaved hair is a tint of the skull and does not extend beyond it.
    shaved = face["volume"] == 0
    front = np.where(shaved, np.maximum(front, outline), front)
    alpha = where_float32(shaved, 0.5, 1.0) * cover(front, grid.pixel)
    image = over(image, colours.hair, alpha)
    sheen = spot(x - 0.12, y + 0.70, 0.45, 0.10) + 0.5 * spot(x + 0.2, y + 0.62, 0.3, 0.06)
    image = image + (alpha * sheen * 0.16)[:, None]
    has_cap = where_float32(face["cap"] > 0)
    cloth = palette(CLOTHES, (face["clothes"] * 3.7) % 1)
    crown = ellipse(x, y + 0.10, face["head_width"] + 0.08, face["head_top"] + 0.10)
    crown = np.maximum(crown, y + 0.46 - 0.12 * x * x)
    image = over(image, cloth, has_cap * cover(crown, grid.pixel))
    band = np.maximum(
        np.abs(y + 0.47 - 0.12 * x * x) - 0.065, np.abs(x) - face["head_width"] - 0.02
    )
    return over(image, cloth * 0.78, has_cap * cover(band, grid.pixel))


def _apply_light(
    image: np.ndarray, face: Face, noise: np.ndarray, u: np.ndarray, v: np.ndarray
) -> np.ndarray:
    angle = face["light_angle"]
    towards = np.clip(u, -1.3, 1.3) * np.cos(angle) + np.clip(v, -1.3, 1.3) * np.sin(angle)
    image = image * (face["gain"] * (1.0 + face["light"] * towards))[:, None]
    tint = np.concatenate([1 + face["warmth"], np.ones_like(face["warmth"]), 1 - face["warmth"]], 1)
    image = (image * tint[..., None].reshape(-1, 3, 1, 1) - 0.5) * face["contrast"][:, None] + 0.5
    return image + (face["noise"] * noise)[:, None]


def render(face: Face, noise: np.ndarray) -> np.ndarray:
    """Draws portraits of B faces.

    Args:
      face: parameters as `face_parameters.sample_faces` returns them, float32 [B, 1, 1] each.
      noise: standard normal float32 [B, S, S], the noise of the camera sensor.

    Returns:
      Uint8 [B, S, S, 3], RGB.
    """
    size = noise.shape[-1]
    across, down = pixel_grid(size)
    shifted_x, shifted_y = (
        (across - face["shift_x"]) / face["scale"],
        (down - face["shift_y"]) / face["scale"],
    )
    cos, sin = np.cos(face["rotation"]), np.sin(face["rotation"])
    x, y = cos * shifted_x + sin * shifted_y, cos * shifted_y - sin * shifted_x
    # Rotating the head moves its features but not its outline.
    bulge = np.clip(1.0 - (x / face["head_width"]) ** 2, 0.0, 1.0)
    face_x = x - face["yaw"] * bulge
    face_y = y - face["pitch"] * bulge
    pixel = np.float32(2.0 / size) / face["scale"]
    grid = FaceGrid(face_x, face_y, np.abs(face_x), np.sign(face_x), pixel)
    colours = _choose_colours(face)
    outline, u, v = _head_outline(face, x, y)
    hair_distance = _hair_distance(face, x, y)
    image = _draw_background(face, across, down)
    image = over(
        image, colours.hair * 0.72, cover(hair_distance, pixel) * where_float32(face["volume"] > 0)
    )
    image = _draw_shoulders_and_neck(
        image, face, colours, shifted_x * 0.9 + x * 0.1, shifted_y, grid
    )
    image = _draw_ears(image, face, colours, grid, x, y)
    image = _draw_head(image, colours, grid, outline, u, v)
    image = features.draw_cheeks(image, grid, face, colours)
    image = features.draw_folds(image, grid, face, colours)
    image = _draw_beard(image, face, colours, grid, outline)
    image = features.draw_nose(image, grid, face, colours)
    image = features.draw_mouth(image, grid, face, colours)
    image = features.draw_eyes(image, grid, face, colours)
    image = _draw_front_hair_and_cap(image, face, colours, grid, x, y, hair_distance, outline)
    image = features.draw_brows(image, grid, face, colours)
    image = features.draw_glasses(image, grid, face, colours)
    image = _apply_light(image, face, noise, u, v)
    image = np.clip(image * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(0, 2, 3, 1))
