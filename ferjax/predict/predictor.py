"""The predictor: a trained network as a callable from uint8 images to probabilities."""

import contextlib
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.data.decoding.image_file import image_header, read_image, resize_image
from ferjax.data.reading.class_folders import image_files
from ferjax.errors import UserError, unknown_name
from ferjax.images.test_time_augmentation import VIEWS
from ferjax.runs.load_run import load_run
from ferjax.runtime.sharding import data_mesh, replicated
from ferjax.specs import InputSpec
from ferjax.training.train_step import predict_step


@dataclass(frozen=True)
class Predictor:
    """A callable that maps uint8 images to probabilities.

    Attributes:
      classes: emotion names, in the order of the columns.
      spec: how images become input.
      batch_size: every call runs in padded batches of this size, so it compiles once.
      probabilities_fn: uint8 [batch_size, H, W, C] → float [batch_size, K].
    """

    classes: tuple[str, ...]
    spec: InputSpec
    batch_size: int
    probabilities_fn: Callable[[np.ndarray], jax.Array]

    def __call__(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 probabilities [N, K]; rows sum to 1.

        Args:
          images: uint8 [N, H, W, C], N grey images [N, H, W], or N arrays [H, W, C] or [H, W]; C 1
            (grey) or 3 (RGB); any sizes. Another size than the training set's is resized as its
            reader resizes.

        Raises:
          UserError: an array that is no uint8 image, or one image without a batch axis.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[-1] in (1, 3):
            raise UserError(
                f"images {list(images.shape)} look like one image without a batch axis;"
                " give images[None]."
            )
        stored = _stack([self._to_storage(image, i) for i, image in enumerate(images)], self.spec)
        rows = []
        for start in range(0, len(stored), self.batch_size):
            chunk = stored[start : start + self.batch_size]
            padding = ((0, self.batch_size - len(chunk)), (0, 0), (0, 0), (0, 0))
            rows.append(np.asarray(self.probabilities_fn(np.pad(chunk, padding)))[: len(chunk)])
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *rows])

    def _to_storage(self, image: np.ndarray, number: int) -> np.ndarray:
        image = np.asarray(image)
        if image.ndim == 2:
            image = image[..., None]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
            raise UserError(
                f"image {number}: uint8 [H, W, 1 or 3] expected, found {image.dtype}"
                f" {list(image.shape)}."
            )
        return resize_image(image, self.spec.storage)


def _stack(images: list[np.ndarray], spec: InputSpec) -> np.ndarray:
    """Returns one array: grey images beside RGB ones are repeated, as the device would."""
    channels = max((image.shape[-1] for image in images), default=1)
    grown = [np.broadcast_to(image, (*spec.storage, channels)) for image in images]
    return np.stack(grown) if grown else np.zeros((0, *spec.storage, channels), np.uint8)


def load_predictor(
    run_dir: str | Path,
    checkpoint: str = "selected",
    batch_size: int = 64,
    tta: str = "none",
) -> Predictor:
    """Returns a run's network as a callable on uint8 images.

    Args:
      run_dir: the run's directory; nothing else is needed.
      checkpoint: `selected` (best on val) or `last`.
      batch_size: images a forward pass.
      tta: test-time augmentation: `none`, `flip` or `ten_crop`.

    Raises:
      UserError: no such directory, or no such checkpoint yet.
    """
    if tta not in VIEWS:
        raise unknown_name("--tta", tta, VIEWS)
    if batch_size < 1:
        raise UserError(f"--batch_size={batch_size}: expected at least 1.")
    run, mesh = load_run(run_dir, checkpoint), data_mesh(jax.local_devices()[:1])
    variables = jax.device_put(run.variables, replicated(mesh))

    def probabilities(variables: Any, images: jax.Array) -> jax.Array:
        logits = predict_step(variables, images, model=run.model, spec=run.spec, tta=tta)
        return jax.nn.softmax(logits).astype(jnp.float32)

    function = jax.jit(probabilities)
    return Predictor(run.classes, run.spec, batch_size, lambda images: function(variables, images))


def predict_files(predictor: Predictor, paths: Sequence[Path]) -> list[tuple[str, np.ndarray]]:
    """Returns (file, probabilities [K]) for every image named or below a named folder.

    Raises:
      UserError: a path that does not exist, a folder without images, or a file that is no image.
    """
    files = [file for path in paths for file in image_files(path)]
    rows = []
    for start in range(0, len(files), predictor.batch_size):
        chunk = files[start : start + predictor.batch_size]
        images = [read_image(file, None, image_header(file)[2]) for file in chunk]
        rows.extend(zip(map(str, chunk), predictor(images), strict=True))
    return rows


def write_predictions(
    rows: Sequence[tuple[str, np.ndarray]], classes: Sequence[str], out: Path | None
) -> None:
    """Writes CSV: `file`, `emotion` (the most probable), and a probability for every class.

    Args:
      rows: from `predict_files`.
      classes: names of the probabilities.
      out: the file, or None for standard output.

    Raises:
      UserError: the file exists already, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        target = sys.stdout
        if out:
            try:
                target = stack.enter_context(open(out, "x", newline="", encoding="utf-8"))
            except FileExistsError:
                raise UserError(f"--out={out} exists already; give another name.") from None
            except OSError as error:
                raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None
        writer = csv.writer(target)
        writer.writerow(["file", "emotion", *classes])
        for file, row in rows:
            writer.writerow([file, classes[int(row.argmax())], *(f"{p:.6f}" for p in row)])
