"""Loads the built-in data set `synthetic`: drawn human faces in 7 or 8 emotion classes.

It needs no download and no disk, because images are drawn when they are read. Pose, light,
background and person vary so much that a linear model on pixels fails and a small CNN succeeds.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.synthetic.draw_head_hair_light import render
from ferjax.data.synthetic.face_parameters import face_generator, sample_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

COUNTS: Mapping[str, int] = {"train": 5000, "val": 1000, "test": 1000}
SMALLEST_SIZE = 32

# The first person of each split, so that a split does not depend on the sizes of the others.
_FIRST_IDENTITY = {"train": 0, "val": 1 << 32, "test": 2 << 32}
# Pixels drawn at once; so few that the arrays of a chunk stay in the processor's cache.
_CHUNK_PIXELS = 1 << 15


def _sensor_noise(label: int, identity: int, size: int, seed: int) -> np.ndarray:
    return face_generator(seed, identity, 2 + 2 * label).standard_normal((size, size), np.float32)


def render_faces(
    labels: np.ndarray, identities: np.ndarray, size: int, seed: int = 0
) -> np.ndarray:
    """Draws faces. Each depends only on its label and identity, the size and the seed.

    Args:
      labels: int [B], indexes into `ferjax.emotions.EMOTIONS`.
      identities: int [B], numbers of the drawn persons, 0 or more.
      size: side of the images in pixels, at least 32.
      seed: seed of all persons, 0 or more.

    Returns:
      Uint8 [B, size, size, 3], RGB.

    Raises:
      UserError: the size or the seed is too small.
    """
    if size < SMALLEST_SIZE:
        raise UserError(
            f"synthetic faces cannot be drawn at image_size={size}: the smallest is"
            f" {SMALLEST_SIZE}. Choose {SMALLEST_SIZE} or more."
        )
    if seed < 0:
        raise UserError(f"seed={seed} of the synthetic faces is negative. Choose 0 or more.")
    images = np.empty((len(labels), size, size, 3), np.uint8)
    if not len(images):
        return images
    faces = sample_faces(np.asarray(labels), np.asarray(identities), seed)
    pairs = list(zip(np.asarray(labels).tolist(), np.asarray(identities).tolist(), strict=True))
    chunk = max(1, _CHUNK_PIXELS // size**2)
    for start in range(0, len(pairs), chunk):
        part = slice(start, start + chunk)
        noise = np.stack(
            [_sensor_noise(label, identity, size, seed) for label, identity in pairs[part]]
        )
        images[part] = render({name: value[part] for name, value in faces.items()}, noise)
    return images


def _face_reader(
    labels: np.ndarray, first_identity: int, size: int, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    def read(indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices, np.int64)
        return render_faces(labels[indices], first_identity + indices, size, seed)

    return read


def _make_split(name: str, count: int, size: int, num_classes: int, seed: int) -> Split:
    first_identity = _FIRST_IDENTITY[name]
    generator = np.random.default_rng([seed, first_identity])
    labels = generator.permutation(np.arange(count, dtype=np.int32) % num_classes)
    ids = tuple(f"synthetic/{name}/{i:05d}" for i in range(count))
    return Split(
        name, labels, ids, (size, size, 3), _face_reader(labels, first_identity, size, seed)
    )


def load(
    size: int = 64,
    num_classes: int = 7,
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
) -> DatasetBundle:
    """Returns the synthetic data set: RGB uint8 faces, each of another person.

    Args:
      size: side of the images in pixels, at least 32.
      num_classes: 7, or 8 to add contempt.
      counts: number of images by split, `COUNTS` by default. `train` and `val` are required, `test`
        is optional.
      seed: seed of all persons, 0 or more; another seed draws other persons.

    Raises:
      UserError: a size, class count, seed, split name or image count that cannot be drawn.
    """
    counts = COUNTS if counts is None else counts
    if num_classes not in (7, 8):
        raise UserError(
            f"the synthetic data set has 7 classes, or 8 with contempt; num_classes={num_classes}"
            " was asked for. Choose 7 or 8."
        )
    unknown, missing = set(counts) - set(COUNTS), {"train", "val"} - set(counts)
    if unknown or missing:
        raise UserError(
            f"splits of the synthetic data set are train, val and optionally test; found"
            f" {', '.join(counts) or 'none'}. Give a count for each by these names."
        )
    too_small = {name: count for name, count in counts.items() if count < num_classes}
    if too_small:
        raise UserError(
            f"each split of the synthetic data set needs one image a class, {num_classes}; found"
            f" {too_small}. Ask for more images."
        )
    render_faces(np.zeros(0, np.int32), np.zeros(0, np.int64), size, seed)
    return DatasetBundle(
        splits={
            name: _make_split(name, counts[name], size, num_classes, seed)
            for name in COUNTS
            if name in counts
        },
        classes=EMOTIONS[:num_classes],
        layout=f"faces drawn by ferjax at {size}x{size} pixels when they are read (seed {seed})",
        sources={
            name: "drawn, every face another person, none of them in another split"
            for name in COUNTS
            if name in counts
        },
        crops="drawn, not cropped",
    )
