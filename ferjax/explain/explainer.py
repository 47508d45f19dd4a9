"""The explainer: a trained network as a callable from faces to maps of the pixels that it uses."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from ferjax.emotions import canonical_name
from ferjax.errors import UserError, unknown_name
from ferjax.explain.cell_centres import Axis, cell_centres, enlarge
from ferjax.explain.compiled_programs import ExplainedOf, compile_programs
from ferjax.explain.layers import LayerMap, default_layer, find_layer, layer_maps
from ferjax.explain.methods import METHODS, OF_A_LAYER, to_unit_range
from ferjax.predict.input_images import Images, face_arrays
from ferjax.predict.padded_batch import padded_batch, padded_size
from ferjax.predict.predictor import Predictor, predictor_of
from ferjax.runs.finished_runs.load_network import load_network
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.weights.shipped import DEFAULT

DEFAULT_METHOD = "layercam"


@dataclass(frozen=True)
class Explanation:
    """Maps of the pixels that a network's answers depend on, for N faces.

    Attributes:
      maps: float32 [N, H, W] in [0, 1]: how much each pixel speaks for the explained emotion,
        relative to the most important hundredth of the same face. H and W are those of the faces,
        or of the network's stored images if the faces differ in size. A map of zeros: nothing in
        the layer speaks for that emotion.
      emotions: the explained emotion of each face.
      probabilities: float32 [N, K], as the predictor returns them.
      classes: names of the columns of `probabilities`.
      method: a name of `METHODS`.
      layer: name of the layer whose map is explained, or None for a method that explains pixels.
      layer_side: (h, w) of that layer's map: a CAM has no finer details.
    """

    maps: np.ndarray
    emotions: tuple[str, ...]
    probabilities: np.ndarray
    classes: tuple[str, ...]
    method: str
    layer: str | None
    layer_side: tuple[int, int] | None


@dataclass(frozen=True)
class Explainer:
    """A callable that explains faces; `load_explainer` makes it.

    Attributes:
      predictor: the predictor of the same network.
      layers: the network's layers with a map, by name.
      explained_of: the network's compiled programs.
      axes_of: layer → the positions of its map's cells on the image.
      run: the network; its variables are on the device.
    """

    predictor: Predictor
    layers: Mapping[str, LayerMap]
    explained_of: ExplainedOf = field(repr=False)
    axes_of: Callable[[LayerMap], tuple[Axis, Axis]] = field(repr=False)
    run: LoadedRun = field(repr=False)

    def __call__(
        self,
        images: Images,
        method: str = DEFAULT_METHOD,
        emotion: str | None = None,
        layer: str | None = None,
        *,
        channel_order: str = "rgb",
    ) -> Explanation:
        """Returns the explanation of faces; arguments and errors as in `explain`."""
        layer_map = self.find_layer(method, layer)
        faces = face_arrays(images, channel_order)
        target = None if emotion is None else self.class_index(emotion)
        probabilities = self.predictor.probabilities(faces)
        targets = probabilities.argmax(-1) if target is None else np.full(len(faces), target)
        maps = self.importance(faces, targets, method, layer_map)
        return Explanation(
            to_unit_range(_resized(maps, _common_size(faces, self.predictor.spec.storage))),
            tuple(self.predictor.classes[index] for index in targets),
            probabilities,
            self.predictor.classes,
            method,
            layer_map.name if layer_map else None,
            layer_map.shape[:2] if layer_map else None,
        )

    def importance(
        self,
        faces: Sequence[np.ndarray],
        targets: np.ndarray,
        method: str,
        layer: LayerMap | None,
        variables: Mapping[str, Any] | None = None,
    ) -> np.ndarray:
        """Returns unscaled maps float32 [N, H, W], 0 or more, in the size of the stored images.

        Args:
          faces: uint8 [h, w, 1 or 3] each; N may be 0.
          targets: int [N], the explained class of each face.
          method: a name of `METHODS`.
          layer: from `find_layer`.
          variables: variables to use instead of the network's own.
        """
        variables = self.run.variables if variables is None else variables
        spec = self.predictor.spec
        size = padded_size(len(faces), self.predictor.batch_size)
        map_batches = [np.zeros((0, *spec.storage), np.float32)]
        for first in range(0, len(faces), size):
            batch = faces[first : first + size]
            pixels = padded_batch(batch, size, spec).astype(np.float32)
            classes = np.zeros(size, np.int32)
            classes[: len(batch)] = targets[first : first + size]
            maps = METHODS[method](self.explained_of(variables, classes, layer), pixels)
            if layer is not None:
                maps = enlarge(maps, self.axes_of(layer), spec.size, spec.storage)
            map_batches.append(maps[: len(batch)])
        return _finite(np.concatenate(map_batches), self.predictor.source)

    def find_layer(self, method: str, name: str | None) -> LayerMap | None:
        """Returns the layer to explain, by default or by name; None for a method of pixels.

        Raises:
          UserError: an unknown method or layer, or a layer for a method of pixels.
        """
        if method not in METHODS:
            raise unknown_name("--method", method, METHODS)
        if method not in OF_A_LAYER:
            if name is not None:
                raise UserError(
                    f"--layer={name}: {method} explains the pixels, not a layer. Leave the flag"
                    f" out, or choose one of {', '.join(OF_A_LAYER)}."
                )
            return None
        if name is None:
            name = default_layer(self.layers, method, self.run.meta.get("model", ""))
        return find_layer(self.layers, name)

    def class_index(self, emotion: str) -> int:
        """Returns the column of an emotion; raises `UserError` if the network does not have it."""
        classes = self.predictor.classes
        name = emotion if emotion in classes else canonical_name(emotion)
        if name not in classes:
            raise unknown_name(f"emotion of {self.predictor.source}", emotion, classes)
        return classes.index(name)


def load_explainer(
    run_or_name: str | Path | None = None, checkpoint: str = "selected", batch_size: int = 64
) -> Explainer:
    """Returns the explainer of a trained network; the arguments are those of `load_predictor`.

    Raises:
      UserError: as `load_predictor`.
    """
    if batch_size < 1:
        raise UserError(f"--batch_size={batch_size}: expected at least 1.")
    source = DEFAULT if run_or_name is None else run_or_name
    run = load_network(source, checkpoint)
    run = replace(run, variables=jax.device_put(run.variables, jax.local_devices()[0]))
    return Explainer(
        predictor_of(run, source, (source, checkpoint, batch_size, "none")),
        layer_maps(run.model, run.spec),
        compile_programs(run.model, run.spec),
        functools.cache(functools.partial(cell_centres, run.model, run.spec)),
        run,
    )


def _common_size(faces: Sequence[np.ndarray], default: tuple[int, int]) -> tuple[int, int]:
    """Returns (H, W) of all faces, or the default if they differ in size."""
    sizes = {face.shape[:2] for face in faces}
    return sizes.pop() if len(sizes) == 1 else default


def _resized(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns maps [N, h, w] resized to float32 [N, H, W], bilinear, antialiased if they shrink."""
    if maps.shape[1:] == size:
        return maps.astype(np.float32)
    resized = np.empty((len(maps), *size), np.float32)
    for small, large in zip(maps, resized, strict=True):
        image = Image.fromarray(small.astype(np.float32))
        large[:] = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return resized


def _finite(maps: np.ndarray, source: str) -> np.ndarray:
    """Returns the maps; raises `UserError` if they are not finite."""
    if not np.isfinite(maps).all():
        raise UserError(
            f"{source}: the gradients of its network are not finite. Its weights are damaged or"
            " diverged: use another checkpoint, or train again with a lower --learning_rate."
        )
    return maps
