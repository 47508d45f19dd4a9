"""Positions of the cells of a layer's map on the image.

A convolution of stride 2 with a padding of one pixel on both sides reads a map of even size at its
even positions: cell k lies over position 2k, not between 2k and 2k + 1. After three such
convolutions the map has an 8th of the side; simply enlarged, it would lie 3 pixels too far to the
right and too low.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.explain.layers import LayerMap
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables

# The ramps are so bright that SiLU is linear and sigmoid gates are open.
_BRIGHT = 1e4
# Statistics of normalisations that change nothing; biases are 0.
_NEUTRAL = {"bias": 0.0, "mean": 0.0, "scale": 1.0, "var": 1.0}


class Axis(NamedTuple):
    """Positions of the cells of a map along one axis, in pixels of the network's input.

    Attributes:
      first: centre of the first cell; the centre of the first pixel is 0.
      step: distance between the centres of neighbouring cells.
    """

    first: float
    step: float


def cell_centres(model: nn.Module, spec: InputSpec, layer: LayerMap) -> tuple[Axis, Axis]:
    """Returns the positions of the rows and the columns of a layer's map.

    The network is run on ramps of brightness, with kernels that pass on the middle of their window.
    Then the value of a cell is the position that it sees. A max pool takes the bright end of its
    window; with a reversed ramp it takes the other end, and the mean of both is the middle. If the
    values are no positions (attention, maps of one cell), the cells are assumed to lie evenly.

    Args:
      model: the network.
      spec: how images become its input.
      layer: a layer of the network.
    """
    ramp = np.arange(1, spec.size + 1, dtype=np.float32)
    rows = np.broadcast_to(ramp[:, None], (spec.size, spec.size))
    faces = np.stack([rows, rows[::-1], rows.T, rows.T[:, ::-1], np.ones_like(rows)])
    images = _BRIGHT * np.repeat(faces[..., None], spec.channels, axis=-1)
    shapes = jax.eval_shape(lambda: init_variables(model, spec, seed=0))
    variables = jax.tree_util.tree_map_with_path(_middle_passing_variable, shapes)

    def cell_values(variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
        outputs: list[jax.Array] = []

        def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.method_name == "__call__" and "/".join(context.module.path) == layer.name:
                outputs.append(output)
            return output

        with nn.intercept_methods(record):
            model.apply(variables, (images, images) if spec.guide else images, train=False)
        return outputs[0].astype(jnp.float32).mean(-1)

    down, up, right, left, ones = np.asarray(compiled_forward(cell_values)(variables, images))
    with np.errstate(all="ignore"):
        rows_seen, columns_seen = (down - up) / ones, (right - left) / ones
    return (
        _axis((rows_seen.mean(1) + spec.size - 1) / 2, spec.size),
        _axis((columns_seen.mean(0) + spec.size - 1) / 2, spec.size),
    )


def _axis(positions: np.ndarray, size: int) -> Axis:
    """Returns the straight line through the positions float [h] of cells, or evenly spaced cells.

    Evenly spaced cells are returned if the positions do not lie on a plausible line.
    """
    step = size / len(positions)
    evenly_spaced = Axis((step - 1) / 2, step)
    if len(positions) < 2 or not np.isfinite(positions).all():
        return evenly_spaced
    slope, first = np.polyfit(np.arange(len(positions)), positions, 1)
    line = first + slope * np.arange(len(positions))
    if np.abs(line - positions).max() > 0.5 * step or not 0.5 * step < slope < 1.5 * step:
        return evenly_spaced
    return Axis(float(first), float(slope))


def _middle_passing_variable(path: Any, abstract: jax.ShapeDtypeStruct) -> np.ndarray:
    """Returns the value of a variable with which convolutions pass on the middle of their window.

    Args:
      path: path of the variable.
      abstract: shape of the variable.
    """
    name, shape = path[-1].key, abstract.shape
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
    """Returns maps [B, h, w] enlarged to [B, H, W], float32, bilinear between the cells' centres.

    Outside the centres of the outermost cells the values of these cells are repeated.

    Args:
      maps: float [B, h, w].
      axes: the positions of the rows and of the columns.
      side: side of the network's input, in pixels.
      size: (H, W) of the result.
    """
    weights = [
        _weights(cells, axis, side, length)
        for cells, axis, length in zip(maps.shape[1:], axes, size, strict=True)
    ]
    return np.einsum("ih,jw,bhw->bij", *weights, maps.astype(np.float32), optimize=True)


def _weights(cells: int, axis: Axis, side: int, length: int) -> np.ndarray:
    """Returns float32 [length, cells], the weights of the cells in each pixel."""
    pixels = (np.arange(length) + 0.5) * side / length - 0.5
    positions = np.clip((pixels - axis.first) / axis.step, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(cells))).astype(np.float32)
