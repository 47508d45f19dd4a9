"""Random parameters of synthetic faces: identity, hair style, colours, pose, light, expression.

Every number comes from a counter-based generator. Its key is (seed, identity) and its counter
follows from the emotion, so a face is the same in every batch.
"""

import numpy as np

from ferjax.data.synthetic.action_units import COMBINATIONS, MOVES, action_units, displacements
from ferjax.emotions import EMOTIONS

# Uniform ranges of the parameters of a person. Lengths are in half image widths, y points down.
PERSON: dict[str, tuple[float, float]] = {
    "head_width": (0.53, 0.64),
    "head_top": (0.70, 0.78),
    "head_bottom": (0.70, 0.80),
    "jaw_taper": (0.04, 0.17),
    "jaw_square": (0.0, 0.55),
    "ear_size": (0.10, 0.15),
    "eye_apart": (0.225, 0.275),
    "eye_y": (-0.11, -0.03),
    "eye_width": (0.125, 0.16),
    "eye_height": (0.082, 0.105),
    "eye_tilt": (-0.025, 0.015),
    "iris_size": (0.062, 0.076),
    "brow_lift": (0.18, 0.22),
    "brow_arch": (0.015, 0.04),
    "brow_width": (0.024, 0.042),
    "nose_y": (0.16, 0.22),
    "nose_width": (0.065, 0.105),
    "mouth_y": (0.40, 0.46),
    "mouth_width": (0.17, 0.215),
    "lip_thickness": (0.034, 0.066),
    "freckles": (-2.0, 1.0),
    "skin": (0.0, 1.0),
    "hair_colour": (0.0, 1.0),
    "hair_style": (0.0, 1.0),
    "hair_part": (-0.35, 0.35),
    "hair_phase": (0.0, 6.28),
    "eye_colour": (0.0, 1.0),
    "makeup": (0.0, 1.0),
    "beard": (0.0, 1.0),
    "glasses": (0.0, 1.0),
    "clothes": (0.0, 1.0),
}

# Uniform ranges of the parameters that differ between two photographs of a person.
SHOT: dict[str, tuple[float, float]] = {
    "rotation": (-0.35, 0.35),
    "shift_x": (-0.06, 0.06),
    "shift_y": (-0.03, 0.07),
    "scale": (0.98, 1.18),
    "yaw": (-0.13, 0.13),
    "pitch": (-0.05, 0.05),
    "gaze_x": (-0.03, 0.03),
    "gaze_y": (-0.012, 0.015),
    "background": (0.0, 1.0),
    "background_angle": (0.0, 6.28),
    "light_angle": (0.0, 6.28),
    "light": (0.05, 0.36),
    "gain": (0.80, 1.05),
    "contrast": (0.78, 1.08),
    "warmth": (-0.06, 0.06),
    "noise": (0.0, 0.02),
    "side": (-1.0, 1.0),
    "intensity": (0.72, 1.0),
    "choice": (0.0, 1.0),
}
_VARIED_UNITS = 6

SKINS = ("ffe0c8", "f6cfae", "eebd95", "dca277", "c68a5e", "a86e45", "875234", "643b27")
HAIRS = (
    "1d1a1c", "2e211b", "4b3021", "241c1a", "6d4427", "4b3021", "93401f", "c98f4a", "e3c27c",
    "b9b6b2", "8a4f5c",
)  # fmt: skip
EYES = ("4a2c1a", "2f1d14", "6b4a23", "3f6b4a", "3d6f94", "6d7f8c")
CLOTHES = ("2f4858", "d1495b", "edae49", "00798c", "66a182", "5b4b8a", "f4f1de", "e07a5f", "3a3a3c")
BACKGROUNDS = (
    "bfd7ea", "f7d6bf", "cde7c9", "e3d0ee", "f6e7b4", "d9d9d6", "8fb8b5", "e8a598",
    "6f7fa3", "4d5d6c", "a3b18a", "39404d",
)  # fmt: skip

# Hair styles, in columns: volume beyond the skull; length (the y that the hair reaches); height of
# the hairline (larger shows more forehead); sweep of the fringe; curl of the outline; whether there
# is a bun; whether a cap is worn.
_HAIR_COLUMNS = ("volume", "length", "hairline", "sweep", "curl", "bun", "cap")
HAIR_STYLES: dict[str, tuple[float, ...]] = {
    "cap": (0.06, 0.00, 0.44, 0.00, 0.0, 0, 1),
    "shaved": (0.0, -0.30, 0.50, 0.00, 0.0, 0, 0),
    "crop": (0.06, -0.22, 0.45, 0.05, 0.0, 0, 0),
    "side part": (0.09, -0.10, 0.42, 0.16, 0.0, 0, 0),
    "curls": (0.17, 0.05, 0.45, 0.03, 0.028, 0, 0),
    "bun": (0.05, -0.12, 0.48, 0.06, 0.0, 1, 0),
    "bob": (0.10, 0.42, 0.44, 0.10, 0.0, 0, 0),
    "wavy": (0.13, 0.95, 0.46, 0.13, 0.018, 0, 0),
    "long": (0.10, 1.10, 0.47, 0.12, 0.0, 0, 0),
}

_NEUTRAL_PARTS = {
    part: 0.0 for moves in (*MOVES.values(), *COMBINATIONS.values()) for part in moves
} | {
    "lid_upper": 1.0,
    "lid_lower": 0.72,
}


def face_generator(seed: int, identity: int, stream: int) -> np.random.Generator:
    """Returns the random generator of a face: stream 0 for the person, then two per emotion."""
    key = np.array([seed, identity], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, stream]))


def _scale_to_ranges(
    table: dict[str, tuple[float, float]], uniforms: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns parameter name → uniform numbers [B], scaled from [0, 1) to its range."""
    return {
        name: low + (high - low) * uniforms[:, column]
        for column, (name, (low, high)) in enumerate(table.items())
    }


def _expression_parts(
    labels: np.ndarray, shot: dict[str, np.ndarray], variation: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns part of the face → float [B], its value after the action units have moved it."""
    parts = {part: np.full(len(labels), value) for part, value in _NEUTRAL_PARTS.items()}
    for label in np.unique(labels):
        faces = np.flatnonzero(labels == label)
        units = action_units(
            EMOTIONS[label], shot["intensity"][faces], shot["choice"][faces], variation[faces]
        )
        for part, moved in displacements(units).items():
            parts[part][faces] += moved
    return parts


def sample_faces(labels: np.ndarray, identities: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns the parameters of faces, by name.

    Args:
      labels: int [B], indexes into `EMOTIONS`.
      identities: int [B], numbers of the drawn persons, 0 or more.
      seed: seed of the whole data set, 0 or more.

    Returns:
      Float32 [B, 1, 1] each: `PERSON`, `SHOT`, the hair, and the parts of the face after the action
      units have moved them. If person and action units set the same parameter (`nose_y`,
      `mouth_width`, ...), their values are added.
    """
    pairs = list(zip(identities.tolist(), labels.tolist(), strict=True))
    person = _scale_to_ranges(
        PERSON, np.stack([face_generator(seed, i, 0).random(len(PERSON)) for i, _ in pairs])
    )
    count = len(SHOT) + _VARIED_UNITS
    uniforms = np.stack(
        [face_generator(seed, i, 1 + 2 * label).random(count) for i, label in pairs]
    )
    shot = _scale_to_ranges(SHOT, uniforms)
    # Styles are ordered from short to long. Faces with makeup have longer hair more often.
    position = 0.55 * person["hair_style"] + 0.45 * person["makeup"]
    style = (position * len(HAIR_STYLES)).astype(np.int64)
    hair = dict(zip(_HAIR_COLUMNS, np.array(list(HAIR_STYLES.values()))[style].T, strict=True))
    # Fair hair and light eyes are rarer the darker the skin is.
    for name in ("hair_colour", "eye_colour"):
        person[name] = person[name] * (1.0 - 0.6 * person["skin"])
    face = {**person, **shot, **hair}
    for part, value in _expression_parts(labels, shot, uniforms[:, len(SHOT) :]).items():
        face[part] = face.get(part, 0.0) + value
    return {name: value.astype(np.float32)[:, None, None] for name, value in face.items()}


def palette(colours: tuple[str, ...], position: np.ndarray, blend: bool = False) -> np.ndarray:
    """Returns colours of a palette, float32 [B, 3, 1, 1] in [0, 1].

    Args:
      colours: hexadecimal RGB.
      position: [B, 1, 1] in [0, 1), from the first colour to the last.
      blend: interpolate between neighbouring colours instead of taking the lower one.
    """
    table = np.array([list(bytes.fromhex(c)) for c in colours], np.float32) / 255
    index = position.reshape(-1) * (len(colours) - 1 if blend else len(colours))
    low = np.clip(index.astype(np.int64), 0, len(colours) - 1)
    mix = (index - low)[:, None] if blend else np.float32(0)
    chosen = table[low] + mix * (table[np.minimum(low + 1, len(colours) - 1)] - table[low])
    return chosen.astype(np.float32)[:, :, None, None]
