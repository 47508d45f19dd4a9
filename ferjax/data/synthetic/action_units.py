"""Facial action units (FACS): which units an emotion shows, and how each moves the face.

References:
  Ekman and Friesen, Facial Action Coding System, 1978: the units, and the emotions' prototypes as
  its investigator's guide predicts them. In this file a leading `U` marks a one-sided unit.
"""

from collections.abc import Mapping

import numpy as np

# Each inner tuple lists alternatives. A face shows exactly one of them; "" means no unit.
PROTOTYPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "anger": (("4",), ("5",), ("7",), ("23", "24")),
    "disgust": (("9",), ("10",), ("15",), ("16",)),
    "fear": (("1",), ("2",), ("4",), ("5",), ("20",), ("25", "26")),
    "happiness": (("6",), ("12",), ("25", "25", "")),
    "sadness": (("1",), ("4",), ("15",)),
    "surprise": (("1",), ("2",), ("5",), ("26",)),
    "neutral": (),
    "contempt": (("U12",), ("U14",)),
}

NAMES = {
    "1": "inner brow raiser",
    "2": "outer brow raiser",
    "4": "brow lowerer",
    "5": "upper lid raiser",
    "6": "cheek raiser",
    "7": "lid tightener",
    "9": "nose wrinkler",
    "10": "upper lip raiser",
    "12": "lip corner puller",
    "15": "lip corner depressor",
    "16": "lower lip depressor",
    "20": "lip stretcher",
    "23": "lip tightener",
    "24": "lip pressor",
    "25": "lips part",
    "26": "jaw drop",
    "U12": "lip corner puller, one side",
    "U14": "dimpler, one side",
}

# What a unit at full intensity adds to the neutral face. Lengths are in half image widths, and y
# points down. Lids are in eye heights. Teeth, folds and cheeks are strengths in [0, 1].
MOVES: dict[str, dict[str, float]] = {
    "1": {"brow_inner": -0.15, "brow_middle": -0.05, "forehead": 0.4},
    "2": {"brow_outer": -0.12, "brow_middle": -0.13, "brow_inner": -0.03, "forehead": 0.6},
    "4": {"brow_inner": 0.13, "brow_middle": 0.05, "brow_apart": -0.035, "glabella": 0.9},
    "5": {"lid_upper": 0.62, "lid_lower": 0.12},
    "6": {"lid_lower": -0.75, "lid_upper": -0.12, "cheeks": 1.0, "crow_feet": 0.8},
    "7": {"lid_lower": -0.35, "lid_upper": -0.25},
    "9": {
        "nose_wrinkles": 1.0,
        "nose_y": -0.035,
        "nose_width": 0.03,
        "brow_inner": 0.07,
        "brow_middle": 0.05,
        "lid_lower": -0.4,
        "lid_upper": -0.45,
        "folds": 0.5,
    },
    "10": {"lip_upper": 0.085, "mouth_y": -0.03, "teeth_upper": 0.8, "folds": 0.5},
    "12": {"mouth_width": 0.085, "corner": -0.15, "mouth_y": 0.035, "folds": 0.6},
    "15": {"corner": 0.12, "mouth_y": -0.02, "mouth_width": 0.01, "folds": 0.2},
    "16": {"lip_lower": 0.055, "teeth_lower": 0.8},
    "20": {"mouth_width": 0.09, "corner": 0.045, "lip_round": 0.5, "teeth_lower": 0.3},
    "23": {"lip_thickness": -0.022, "mouth_width": -0.05, "corner": 0.02},
    "24": {"lip_thickness": -0.03, "mouth_width": -0.025, "corner": 0.035},
    "25": {"lip_upper": 0.03, "lip_lower": 0.1, "teeth_upper": 0.8},
    "26": {"lip_upper": 0.1, "lip_lower": 0.15, "chin": 0.09, "lip_round": 0.5},
    "U12": {"smirk": -0.13, "mouth_width": 0.02},
    "U14": {"smirk": -0.02, "dimple": 1.0},
}

# Corrections for units that occur together: a jaw drop rounds the mouth in surprise, not in fear.
COMBINATIONS: dict[tuple[str, ...], dict[str, float]] = {
    ("1", "2", "4"): {"brow_inner": -0.06, "brow_outer": 0.12, "brow_middle": 0.05},
    ("1", "4", "15"): {"brow_inner": -0.06, "brow_outer": 0.05, "lid_upper": -0.35},
    ("5", "26"): {"mouth_width": -0.075},
    ("20", "26"): {"mouth_width": 0.06, "lip_upper": -0.05, "lip_lower": -0.06, "chin": -0.03},
    ("20", "25"): {"lip_lower": -0.03},
}


def action_units(
    emotion: str, intensity: np.ndarray, choices: np.ndarray, variation: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the action units that faces with one emotion show, each with its intensity.

    Args:
      emotion: a canonical name, one of `PROTOTYPES`.
      intensity: [B], strength of the whole expression in [0, 1].
      choices: [B] in [0, 1), selects among the alternatives of a prototype.
      variation: [B, 6] in [0, 1), weakens each unit of a face by up to 15 %.

    Returns:
      Unit → float array [B] in [0, 1]. It is zero where a face shows another alternative.
    """
    units: dict[str, np.ndarray] = {}
    for column, alternatives in enumerate(PROTOTYPES[emotion]):
        shown = np.array(alternatives)[(choices * len(alternatives)).astype(np.int64)]
        strength = intensity * (1.0 - 0.15 * variation[:, column])
        for unit in sorted(set(alternatives) - {""}):
            units[unit] = np.where(shown == unit, strength, 0.0)
    return units


def displacements(units: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns part of the face → float [B], how far the action units move that part."""
    moves = [(strength, MOVES[unit]) for unit, strength in units.items()]
    moves += [
        (np.minimum.reduce([units[unit] for unit in combination]), change)
        for combination, change in COMBINATIONS.items()
        if all(unit in units for unit in combination)
    ]
    displacement_of: dict[str, np.ndarray] = {}
    for strength, change in moves:
        for part, amount in change.items():
            displacement_of[part] = displacement_of.get(part, 0.0) + strength * amount
    return displacement_of
