"""Draws a data set in the layout of CK+48: people who show several emotions, in three frames each.

It replaces CK+ where CK+ is not at hand. A person keeps head, hair and skin in all emotions. All
frames of a sequence have the same pose, light and background; they differ by a shift, by brightness
and by noise. Each emotion has as many sequences as in CK+, so that a network sees as many images.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.reproduce.running.smoke_data import disk_error
from ferjax.runtime.atomic_files import temporary_beside

PEOPLE, FRAMES, _SIDE = 118, 3, 48
# Folder of CK+48 → (emotion, number of its labelled sequences in CK+).
_SEQUENCES = {
    "anger": ("anger", 45),
    "contempt": ("contempt", 18),
    "disgust": ("disgust", 59),
    "fear": ("fear", 25),
    "happy": ("happiness", 69),
    "sadness": ("sadness", 28),
    "surprise": ("surprise", 83),
}


def drawn_people(place: Path, seed: int = 0) -> Path:
    """Returns a folder with drawn faces in a folder `CK+48`; draws them if it does not exist.

    Args:
      place: the folder.
      seed: seed of the people and of the emotions that they show.

    Raises:
      DiskError: the folder cannot be written.
    """
    if not place.exists():
        try:
            with temporary_beside(place) as unfinished:
                _draw(unfinished / "CK+48", seed)
                os.rename(unfinished, place)
        except OSError as error:
            if not place.is_dir():
                raise disk_error(place, error) from error
    return place


def _draw(root: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for number, (folder, (emotion, sequences)) in enumerate(_SEQUENCES.items(), start=1):
        (root / folder).mkdir(parents=True)
        people = np.sort(random.permutation(PEOPLE)[:sequences])
        labels = np.full(sequences, EMOTIONS.index(emotion))
        faces = render_faces(labels, people, _SIDE, seed)
        for person, face in zip(people.tolist(), faces, strict=True):
            grey = np.asarray(Image.fromarray(face).convert("L"), np.float32)
            for frame in range(FRAMES):
                name = f"S{person + 1:03}_{number:03}_{14 + frame:08}.png"
                Image.fromarray(_frame(grey, random)).save(root / folder / name)


def _frame(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns uint8 [H, W]: a face with other brightness, shifted by up to a pixel, with noise."""
    down, right = random.integers(-1, 2, 2)
    shifted = np.roll(np.pad(face, 1, "edge"), (down, right), (0, 1))[1:-1, 1:-1]
    noisy = shifted * random.uniform(0.93, 1.07) + random.normal(0, 3, face.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
