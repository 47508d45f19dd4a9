"""Mean maps of each emotion over a data set, drawn on the mean face."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ferjax.explain.explainer import Explainer
from ferjax.explain.methods import to_unit_range
from ferjax.explain.overlay import legible_overlay
from ferjax.explain.reporting.sheet import as_picture
from ferjax.report.figures.style import MUTED, axes_at, axes_in_inches, saved_figure

# In inches: side of a picture, gap between pictures, margin.
_SIDE, _GAP, _EDGE = 1.2, 0.12, 0.2


@dataclass(frozen=True)
class ClassMean:
    """The mean face and the mean map of one emotion.

    Attributes:
      emotion: name of the emotion.
      count: number of faces in the means.
      face: the mean face, float32 [H, W, C], 0 to 255.
      heat: the mean of the maps in [0, 1], float32 [H, W].
    """

    emotion: str
    count: int
    face: np.ndarray
    heat: np.ndarray


def class_mean(
    explainer: Explainer, emotion: str, faces: np.ndarray, method: str, layer: str | None
) -> ClassMean:
    """Returns the mean face and map of an emotion's faces; the logit of this emotion is explained.

    Args:
      explainer: the explainer of the network.
      emotion: one of the network's classes.
      faces: uint8 [N, H, W, C], 1 or more.
      method: a name of `METHODS`.
      layer: as in `explain`.
    """
    targets = np.full(len(faces), explainer.class_index(emotion))
    layer_map = explainer.find_layer(method, layer)
    maps = to_unit_range(explainer.importance(list(faces), targets, method, layer_map))
    return ClassMean(emotion, len(faces), faces.astype(np.float32).mean(0), maps.mean(0))


def draw_class_means(means: Sequence[ClassMean], path: Path, title: str) -> None:
    """Draws each emotion's mean map on its mean face, and its difference from the mean of all maps.

    Args:
      means: one or more.
      path: the PNG to write.
      title: title of the figure.

    Raises:
      UserError: the file cannot be written.
    """
    width = 2 * _EDGE + len(means) * (_SIDE + _GAP) - _GAP + 0.75
    height = 2 * (_SIDE + _GAP) + 1.0
    average = np.mean([mean.heat for mean in means], axis=0)
    differences = [mean.heat - average for mean in means]
    largest = float(np.abs(differences).max()) or 1.0
    with saved_figure(path, max(width, 4.0), height, title) as figure:
        notes, left = axes_in_inches(figure), _EDGE
        for k, (mean, difference) in enumerate(zip(means, differences, strict=True)):
            left, top = _EDGE + k * (_SIDE + _GAP), height - 0.7 - _SIDE
            notes.text(left, top + _SIDE + 0.06, f"{mean.emotion}  {mean.count:,}", size=8)
            axes = axes_at(figure, left, top, _SIDE, _SIDE)
            face = mean.face.round().astype(np.uint8)
            axes.imshow(legible_overlay(face, to_unit_range(mean.heat[None])[0]))
            axes.set_axis_off()
            axes = axes_at(figure, left, top - _GAP - _SIDE, _SIDE, _SIDE)
            axes.imshow(as_picture(face))
            axes.imshow(
                difference,
                cmap="RdBu_r",
                vmin=-largest,
                vmax=largest,
                alpha=np.abs(difference) / largest,
                interpolation="bilinear",
            )
            axes.set_axis_off()
        bar = axes_at(figure, left + _SIDE + 0.12, height - 0.7 - 2 * _SIDE - _GAP, 0.1, _SIDE)
        scale = ScalarMappable(Normalize(-largest, largest), "RdBu_r")
        figure.colorbar(scale, cax=bar).outline.set_visible(False)  # pyright: ignore
        bar.tick_params(labelsize=6)
        below = "Below: more (red) or less (blue) than in the mean of all emotions' maps."
        notes.text(_EDGE, 0.1, below, size=7, color=MUTED, va="bottom")
