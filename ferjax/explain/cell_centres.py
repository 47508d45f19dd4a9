"""Where the cells of a layer's map lie on the image.

A convolution of stride 2 that is padded by one pixel on both sides reads an even map at its even
places: cell k lies over place 2k and not between 2k and 2k + 1. After three of them, an 8th of the
side is left, and a map that is simply enlarged lies 3 pixels too far to the right and too low.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.explain.layers import LayerMap
from ferjax.runtime.sharding import compiled_forward
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables

# The ramps are so bright that SiLU is linear and sigmoid gates are open.
_BRIGHT = 1e4
# Statistics of normalisations that change nothing; biases are 0.
_NEUTRAL = {"bias": 0.0, "mean": 0.0, "scale": 1.0, "var": 1.0}


class Axis(NamedTuple):
    """Where the cells of a map lie along one axis, in pixels of the network's input.

    Attributes:
      first: centre of the first cell; the centre of the first pixel is 0.
      step: from cell to cell.
    """

    first: float
    step: float


def cell_centres(model: nn.Module, spec: InputSpec, layer: LayerMap) -> tuple[Axis, Axis]:
    """Returns where the rows and the columns of a layer's map lie.

    The network is run on ramps of brightness with kernels that pass on the middle of their window:
    the answer of a cell is then the place that it looks at. A max pool takes the bright end of its
    window; a reversed ramp takes the other end, and the mean of both is the middle. Where the
    answers are no places (attention, maps of one cell), the cells are taken to lie evenly.

    Args:
      model: the network.
      spec: how images become its input.
      layer: of the network.
    """
    ramp = np.arange(1, spec.size + 1, dtype=np.float32)
    rows = np.broadcast_to(ramp[:, None], (spec.size, spec.size))
    faces = np.stack([rows, rows[::-1], rows.T, rows.T[:, ::-1], np.ones_like(rows)])
    images = _BRIGHT * np.repeat(faces[..., None], spec.channels, axis=-1)
    shapes = jax.eval_shape(lambda: init_variables(model, spec, seed=0))
    variables = jax.tree_util.tree_map_with_path(_passing_on, shapes)

    def answers(variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
        found: list[jax.Array] = []

        def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.method_name == "__call__" and "/".join(context.module.path) == layer.name:
                found.append(output)
            return output

        with nn.intercept_methods(record):
            model.apply(variables, (images, images) if spec.guide else images, train=False)
        return found[0].astype(jnp.float32).mean(-1)

    down, up, right, left, ones = np.asarray(compiled_forward(answers)(variables, images))
    with np.errstate(all="ignore"):
        places = (down - up) / ones, (right - left) / ones
    return (
        _axis((places[0].mean(1) + spec.size - 1) / 2, spec.size),
        _axis((places[1].mean(0) + spec.size - 1) / 2, spec.size),
    )


def _axis(places: np.ndarray, size: int) -> Axis:
    """Returns the line through the places float [h] of cells, or cells that lie evenly."""
    step = size / len(places)
    evenly = Axis((step - 1) / 2, step)
    if len(places) < 2 or not np.isfinite(places).all():
        return evenly
    slope, first = np.polyfit(np.arange(len(places)), places, 1)
    line = first + slope * np.arange(len(places))
    if np.abs(line - places).max() > 0.5 * step or not 0.5 * step < slope < 1.5 * step:
        return evenly
    return Axis(float(first), float(slope))


def _passing_on(path: Any, like: jax.ShapeDtypeStruct) -> np.ndarray:
    """Returns a parameter or statistic of a network whose convolutions pass on their middles."""
    name, shape = path[-1].key, like.shape
    if name != "kernel" or len(shape) != 4:
        # Dense layers average.
        average = 1 / max(1, int(np.prod(shape[:-1])))
        return np.full(shape, _NEUTRAL.get(name, average), np.float32)
    rows, columns = (slice((side - 1) // 2, side // 2 + 1) for side in shape[:2])
    kernel = np.zeros(shape, np.float32)
    kernel[rows, columns] = 1
    return kernel / kernel[..., :1].sum()


def enlarge(
    maps: np.ndarray, axes: tuple[Axis, Axis], side: int, size: tuple[int, int]
) -> np.ndarray:
    """Returns maps [B, h, w] at the size (H, W) of the faces, float32, bilinear between cells.

    Outside of the outermost cells' centres their values go on.

    Args:
      maps: float [B, h, w].
      axes: where the rows and columns lie.
      side: of the network's input, in pixels.
      size: of the result.
    """
    weights = [
        _weights(cells, axis, side, length)
        for cells, axis, length in zip(maps.shape[1:], axes, size, strict=True)
    ]
    return np.einsum("ih,jw,bhw->bij", *weights, maps.astype(np.float32), optimize=True)


def _weights(cells: int, axis: Axis, side: int, length: int) -> np.ndarray:
    """Returns float32 [length, cells], the shares of the cells in each pixel."""
    pixels = (np.arange(length) + 0.5) * side / length - 0.5
    place = np.clip((pixels - axis.first) / axis.step, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells))).astype(np.float32)
