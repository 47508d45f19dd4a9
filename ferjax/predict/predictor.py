"""The predictor: a trained network as a callable from uint8 images to probabilities."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ferjax.errors import UserError, unknown_name
from ferjax.images.test_time_augmentation import VIEWS
from ferjax.predict.faces_in_photographs import FacesOfImage, plan_for, predict_faces
from ferjax.predict.input_images import Images, face_arrays
from ferjax.predict.padded_batch import padded_batch, padded_size
from ferjax.report.prediction_sets import prediction_sets, threshold
from ferjax.runs.finished_runs.load_network import load_network
from ferjax.runs.finished_runs.load_run import LoadedRun, check_probabilities
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.runtime.sharding import Devices, batch_sharded, data_mesh, replicated
from ferjax.specs import InputSpec
from ferjax.training.train_step import predict_step
from ferjax.weights.shipped import DEFAULT

# Number of batches that one call computes at the same time: their images are in memory twice.
_BATCHES_AHEAD = 8


@dataclass(frozen=True)
class Predictor:
    """A callable that maps uint8 images to probabilities.

    Attributes:
      classes: emotion names, in the order of the columns.
      spec: how images become the input of the network.
      batch_size: largest number of images in a forward pass. A smaller call is padded to the next
        power of two; each such size compiles at its first call.
      probabilities_fn: uint8 [B, H, W, C] → float [B, K].
      source: the run or weights, for messages.
      tta: test-time augmentation.
      set_quantiles: calibration of prediction sets (`report.prediction_sets.conformal_quantiles`),
        or None: a run has none until it is exported.
      network: identity of the parameters, for a record: their hash, or the run and its step.
      loaded_with: arguments of `load_predictor` that load it again, for pickling; None if another
        function made it.
    """

    classes: tuple[str, ...]
    spec: InputSpec
    batch_size: int
    probabilities_fn: Callable[[np.ndarray], jax.Array] = field(repr=False)
    source: str = "the predictor"
    tta: str = "none"
    set_quantiles: Mapping[str, Any] | None = field(default=None, repr=False)
    network: str = ""
    loaded_with: tuple[Any, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arguments of `load_predictor`: another process loads the network again."""
        if self.loaded_with is None:
            raise TypeError("a Predictor that load_predictor did not make cannot be pickled")
        return load_predictor, self.loaded_with

    @overload
    def __call__(self, images: Images, *, channel_order: str = ...) -> np.ndarray: ...

    @overload
    def __call__(
        self, images: Images, sets: float, *, channel_order: str = ...
    ) -> tuple[np.ndarray, np.ndarray]: ...

    @overload
    def __call__(
        self,
        images: Images,
        sets: float | None = None,
        *,
        find_faces: Literal[True] | str,
        channel_order: str = ...,
    ) -> list[FacesOfImage]: ...

    def __call__(
        self,
        images: Images,
        sets: float | None = None,
        *,
        find_faces: bool | str = False,
        channel_order: str = "rgb",
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray] | list[FacesOfImage]:
        """Returns float32 probabilities [N, K], N 1 for one face; rows sum to 1.

        With `sets` it returns the prediction sets too, bool [N, K]. For new images like those of
        the calibration, a set holds the true class with at least the probability `sets` (split
        conformal prediction). A set always holds the most probable class.

        With `find_faces` the images are photographs with any number of faces, and the result has a
        `FacesOfImage` for each photograph.

        Args:
          images: one face: uint8 [H, W] (grey), [H, W, 1] or [H, W, 3], a Pillow image, or the name
            of an image file; several: uint8 [N, H, W, 1 or 3] or [N, H, W] (grey), or a list of
            single ones. Any sizes: an image of another size than the training set's is resized as
            the reader of the training set resizes images.
          sets: the share of images whose set holds the true class, such as 0.9.
          find_faces: True, or the name of a detector (`ferjax.faces.detectors`), to find the faces.
          channel_order: channel order of arrays: `rgb`, or `bgr` as OpenCV reads.

        Raises:
          UserError: images of any other form, see `face_arrays`; a file that cannot be read;
            probabilities that are not finite; `sets` without a calibration.
        """
        limit = None if sets is None else self.set_threshold(sets)
        faces = face_arrays(images, channel_order)
        if find_faces:
            plan = plan_for("mtcnn" if find_faces is True else find_faces)
            sets_of = None if limit is None else partial(prediction_sets, threshold=limit)
            return predict_faces(faces, plan, self.probabilities, sets_of)
        probabilities = self.probabilities(faces)
        if limit is None:
            return probabilities
        return probabilities, prediction_sets(probabilities, limit)

    def probabilities(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 probabilities [N, K] of N arrays uint8 [H, W, 1 or 3], N may be 0."""
        return self.dispatch(faces)()

    def dispatch(self, faces: Sequence[np.ndarray]) -> Callable[[], np.ndarray]:
        """Starts the network on N arrays uint8 [H, W, 1 or 3]; returns a function for the result.

        That function waits for the network and returns float32 probabilities [N, K]; it raises
        `UserError` if one of them is not finite. The caller may read the next images before it
        calls the function.
        """
        size = padded_size(len(faces), self.batch_size)
        started: list[jax.Array | np.ndarray] = []
        for first in range(0, len(faces), size):
            if len(started) >= _BATCHES_AHEAD:
                started[-_BATCHES_AHEAD] = np.asarray(started[-_BATCHES_AHEAD])
            part = faces[first : first + size]
            started.append(self.probabilities_fn(padded_batch(part, size, self.spec)))
        count, classes = len(faces), len(self.classes)

        def result() -> np.ndarray:
            rows = [np.zeros((0, classes), np.float32), *map(np.asarray, started)]
            return check_probabilities(np.concatenate(rows)[:count], self.source)

        return result

    def set_threshold(self, coverage: float) -> float:
        """Returns the threshold of prediction sets; raises `UserError` without a calibration."""
        if self.tta != "none":
            raise UserError(
                f"sets={coverage} with tta={self.tta}: the calibration is that of single views."
                " Leave one of the two out."
            )
        if self.set_quantiles is None:
            raise UserError(
                f"{self.source}: no prediction sets, because a run directory holds no calibration."
                " `launch.export --format=safetensors` calibrates it on val: use what it writes,"
                " or a recogniser that comes with ferjax."
            )
        return threshold(self.set_quantiles, coverage)


def _devices() -> Devices:
    """Returns a power of two of this process's devices: that number divides a padded batch."""
    devices = jax.local_devices()
    return devices[: 1 << (len(devices).bit_length() - 1)]


def _split(images: np.ndarray, mesh: Mesh) -> np.ndarray | jax.Array:
    """Returns a batch with its rows divided over the devices; unchanged if that is not possible."""
    if mesh.size == 1 or len(images) % mesh.size:
        return images
    return jax.device_put(images, batch_sharded(mesh))


def load_predictor(
    run_or_name: str | Path | None = None,
    checkpoint: str = "selected",
    batch_size: int = 64,
    tta: str = "none",
) -> Predictor:
    """Returns a trained network as a callable on uint8 images of faces.

    Batches are divided over a power of two of this process's devices, if that number divides them.

    Args:
      run_or_name: a run directory; a recogniser that comes with ferjax, `fernet-ferplus`; or
        a weights file of `launch.export`. None: `fernet-ferplus`.
      checkpoint: checkpoint of a run: `selected` (best on val) or `last`.
      batch_size: largest number of images in a forward pass.
      tta: test-time augmentation: `none`, `flip` or `ten_crop`.

    Raises:
      UserError: no such run or weights, no such checkpoint yet, or a damaged file.
    """
    if tta not in VIEWS:
        raise unknown_name("--tta", tta, VIEWS)
    if batch_size < 1:
        raise UserError(f"--batch_size={batch_size}: expected at least 1.")
    source = DEFAULT if run_or_name is None else run_or_name
    run = load_network(source, checkpoint)
    return predictor_of(run, source, (source, checkpoint, batch_size, tta))


def predictor_of(run: LoadedRun, source: str | Path, loaded_with: tuple[Any, ...]) -> Predictor:
    """Returns the predictor of a network that is loaded already.

    Args:
      run: the network.
      source: the run or weights, for messages.
      loaded_with: the four arguments with which `load_predictor` loads it again.
    """
    batch_size, tta = loaded_with[2:]
    mesh = data_mesh(_devices())
    variables = jax.device_put(run.variables, replicated(mesh))

    def probabilities(variables: Any, images: jax.Array) -> jax.Array:
        logits = predict_step(variables, images, model=run.model, spec=run.spec, tta=tta)
        return jax.nn.softmax(logits).astype(jnp.float32)

    function = compiled_forward(probabilities)
    # As in `training.split_logits`: two programs that run at once on several simulated CPU devices
    # can wait for each other.
    one_at_a_time = mesh.size > 1 and mesh.devices.flat[0].platform == "cpu"

    def on_devices(images: np.ndarray) -> jax.Array:
        result = function(variables, _split(images, mesh))
        return result.block_until_ready() if one_at_a_time else result

    return Predictor(
        run.classes,
        run.spec,
        batch_size,
        on_devices,
        str(source),
        tta,
        run.meta.get("prediction_sets"),
        run.identity(source),
        loaded_with,
    )
