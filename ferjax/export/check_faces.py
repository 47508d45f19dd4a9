"""The faces on which exports are checked: those of the calibrating val split, or drawn faces."""

from collections.abc import Iterator, Sequence

import numpy as np

from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.decoding.image_file import resize_image
from ferjax.data.registry import DATASETS
from ferjax.data.splits.split import Split
from ferjax.data.synthetic.load_synthetic import SMALLEST_SIZE, render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import load_evaluated_data
from ferjax.export.exported_file import CheckFaces
from ferjax.export.exported_network import ExportedNetwork
from ferjax.images.preprocess import to_channels
from ferjax.runs.finished_runs.load_network import network_config
from ferjax.runtime.progress_lines import say

# Number of a data set's faces for the check, and as many for the calibration of int8.
_REAL = 500
# Number of drawn faces, if there is no data set.
_DRAWN = 128
# Number of a split's images that are read at once.
_CHUNK = 250


def faces_of_split(split: Split, dataset: str, shape: tuple[int, int, int]) -> Iterator[CheckFaces]:
    """Yields two sets of a split's faces, evenly spread over the split.

    The sets have no face in common if the split has enough faces; otherwise they are the same.

    Args:
      split: the images.
      dataset: name of the data set.
      shape: (H, W, C) of the faces.
    """
    count = len(split)
    positions = np.linspace(0, count, min(count, 2 * _REAL), endpoint=False).astype(int)
    two_sets = (positions, positions)
    if count >= 2 * _REAL:
        two_sets = (positions[::2], positions[1::2])
    for rows in two_sets:
        images = [_as_stored(split.read(chunk), shape) for chunk in _chunks(rows)]
        source = f"{len(rows):,} faces of {split.name} of {dataset}"
        yield CheckFaces(np.concatenate(images), split.labels[rows], source, real=True)


def drawn_faces(shape: tuple[int, int, int]) -> CheckFaces:
    """Returns drawn faces of shape (H, W, C), for a network whose data set is missing."""
    kinds = np.arange(_DRAWN) % len(EMOTIONS)
    side = max(SMALLEST_SIZE, *shape[:2])
    faces = render_faces(kinds, np.arange(_DRAWN), side)
    return CheckFaces(_as_stored(faces, shape), None, f"{_DRAWN} drawn faces", real=False)


def faces_for_weights(
    network: ExportedNetwork, config: ExportConfig
) -> tuple[CheckFaces, CheckFaces]:
    """Returns faces to check and to calibrate on: val of the network's data, else drawn faces.

    For drawn faces it prints why val was not read.

    Raises:
      UserError: `--data_dir` was given, and the data are not there, or have other classes.
    """
    train_config = network_config(str(config.weights))
    # The val split of a published data set can be made again as in training. Of a user's own
    # images all are taken.
    is_published = train_config.dataset in DATASETS and train_config.dataset != "folder"
    split = "val" if is_published else None
    eval_config = EvalConfig(weights=config.weights, data_dir=config.data_dir, split=split)
    try:
        data = load_evaluated_data(eval_config, train_config, network.spec.size, None)
    except UserError as error:
        if config.data_dir:
            raise
        say(f"note: the files are checked on drawn faces, because val was not read: {error}")
        faces = drawn_faces(network.input_shape)
        return faces, faces
    check_classes(train_config.dataset, data.bundle.classes, network.classes, "network")
    first, second = faces_of_split(data.split, data.dataset, network.input_shape)
    return first, second


def check_classes(
    dataset: str, data_classes: Sequence[str], network_classes: Sequence[str], what: str
) -> None:
    """Raises `UserError` if a data set has other classes than a network, or in another order.

    Args:
      dataset: name of the data set.
      data_classes: classes of the data set.
      network_classes: classes of the network.
      what: the word for the network in the message: "network" or "run".
    """
    if tuple(data_classes) != tuple(network_classes):
        raise UserError(
            f"{dataset} there has the classes {', '.join(data_classes)}, the {what}"
            f" {', '.join(network_classes)}. Give the {what}'s own data as --data_dir."
        )


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]


def _as_stored(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns images [N, h, w, 1 or 3] as uint8 [N, H, W, C], the input of an export."""
    height, width, channels = shape
    resized = np.stack([resize_image(image, (height, width)) for image in images])
    return np.round(np.asarray(to_channels(resized, channels))).astype(np.uint8)
