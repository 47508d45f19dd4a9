"""Deletion and insertion curves of methods, and of control maps that ignore the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.explain.control_maps import centred_gaussian, random_patches, random_pixels
from ferjax.explain.explainer import Explainer
from ferjax.explain.faithfulness import STEPS, area_under, deletion_and_insertion
from ferjax.explain.methods import OF_A_LAYER
from ferjax.explain.replaced_pixels import FILLS
from ferjax.predict.padded_batch import padded_batch
from ferjax.report.intervals import bootstrap_interval

GAUSSIAN, PATCHES, PIXELS = "centred Gaussian", "random patches", "random pixels"
ANOTHER_FACE = "another face"
# Number of random maps of each kind for each face; their mean curves are taken.
_DRAWS = 2


@dataclass(frozen=True)
class Curves:
    """Curves of one kind of map for N faces.

    Attributes:
      values: {fill: float32 [2, N, P]}, deletion and insertion, from `deletion_and_insertion`.
    """

    values: Mapping[str, np.ndarray]

    def areas(self, fill: str) -> np.ndarray:
        """Returns float [2, N]: the areas under the deletion and the insertion curves."""
        return area_under(self.values[fill])


def curves_of_maps(
    explainer: Explainer,
    faces: Sequence[np.ndarray],
    targets: np.ndarray,
    maps: np.ndarray,
    *,
    steps: int = STEPS,
) -> Curves:
    """Returns the deletion and insertion curves of maps.

    Args:
      explainer: the explainer of the network.
      faces: uint8 [h, w, 1 or 3] each.
      targets: int [N], the explained class of each face.
      maps: float [N, H, W], in the size of the network's stored images.
      steps: number of steps of the curves.
    """
    size, spec = explainer.predictor.batch_size, explainer.predictor.spec
    parts: dict[str, list[np.ndarray]] = {fill: [] for fill in FILLS}
    for first in range(0, len(faces), size):
        rows = slice(first, first + size)
        count = len(faces[rows])
        pixels = padded_batch(faces[rows], size, spec).astype(np.float32)
        padding = (0, size - count)
        classes = np.pad(targets[rows], padding)
        batch_maps = np.pad(maps[rows], (padding, (0, 0), (0, 0)))
        explained = explainer.explained_of(explainer.run.variables, classes, None)
        for name, fill in FILLS.items():
            curves = deletion_and_insertion(
                explained.probabilities_of, pixels, batch_maps, fill(pixels), steps=steps
            )
            parts[name].append(curves[:, :count])
    return Curves({name: np.concatenate(curves, axis=1) for name, curves in parts.items()})


def compared_curves(
    explainer: Explainer,
    faces: Sequence[np.ndarray],
    targets: np.ndarray,
    methods: Sequence[str],
    layer: str | None = None,
    *,
    seed: int = 0,
    steps: int = STEPS,
) -> Iterator[tuple[str, Curves]]:
    """Yields (name, curves) of each control, and of each method with its own and with shifted maps.

    The names are those of the controls, of the methods, and `METHOD of another face` for the curves
    of a face with the map of the face before it.

    Args:
      explainer: the explainer of the network.
      faces: uint8 [h, w, 1 or 3] each, in random order, so that the face before is any other face.
      targets: int [N], the explained class of each face.
      methods: names of `METHODS`.
      layer: as in `explain`, for the methods of a layer.
      seed: seed of the random maps.
      steps: number of steps of the curves.
    """

    def curves_of(maps: np.ndarray) -> Curves:
        return curves_of_maps(explainer, faces, targets, maps, steps=steps)

    count, (height, width) = len(faces), explainer.predictor.spec.storage
    grid = (6, 6)
    if explainer.layers:
        layer_map = explainer.find_layer("layercam", layer)
        grid = layer_map.shape[:2] if layer_map else grid
    gaussian = np.broadcast_to(centred_gaussian(height, width), (count, height, width))
    yield GAUSSIAN, curves_of(gaussian)
    patches = [random_patches(count, height, width, grid, seed + k) for k in range(_DRAWS)]
    yield PATCHES, _mean_curves([curves_of(m) for m in patches])
    pixels = [random_pixels(count, height, width, seed + k) for k in range(_DRAWS)]
    yield PIXELS, _mean_curves([curves_of(m) for m in pixels])
    for method in methods:
        layer_map = explainer.find_layer(method, layer if method in OF_A_LAYER else None)
        maps = explainer.importance(faces, targets, method, layer_map)
        yield method, curves_of(maps)
        shifted_maps = np.roll(maps, 1, axis=0)
        yield f"{method} of {ANOTHER_FACE}", curves_of(shifted_maps)


def improvement(
    curves: Curves, control: Curves, fill: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Returns by how much curves beat a control: mean and 95 % interval, deletion and insertion.

    A smaller deletion area and a larger insertion area are better; both results are positive then.
    The interval is a bootstrap interval over the faces.
    """
    signs = np.array([[-1.0], [1.0]])
    differences = signs * (curves.areas(fill) - control.areas(fill))
    intervals = []
    for face_differences in differences:
        low, high = bootstrap_interval(face_differences, lambda drawn: float(drawn.mean()))
        intervals.append((float(face_differences.mean()), low, high))
    return intervals[0], intervals[1]


def _mean_curves(draws: Sequence[Curves]) -> Curves:
    fills = draws[0].values
    return Curves({fill: np.mean([draw.values[fill] for draw in draws], 0) for fill in fills})
