"""The faces on which exports are checked: of the val split that calibrated them, or drawn ones."""

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
from ferjax.runs.load_network import network_config

# Faces of a data set that are compared, and that ranges are calibrated on; drawn faces.
_REAL, _DRAWN = 500, 128
# Images of a split that are read at once.
_CHUNK = 250


def faces_of_split(split: Split, dataset: str, shape: tuple[int, int, int]) -> Iterator[CheckFaces]:
    """Yields two sets of a split's faces, evenly spread and different where there are enough.

    Args:
      split: the images.
      dataset: its name.
      shape: (H, W, C) of the faces.
    """
    count = len(split)
    both = np.linspace(0, count, min(count, 2 * _REAL), endpoint=False).astype(int)
    for rows in (both[::2], both[1::2]) if count >= 2 * _REAL else (both, both):
        images = [_as_stored(split.read(part), shape) for part in _chunks(rows)]
        source = f"{len(rows):,} faces of {split.name} of {dataset}"
        yield CheckFaces(np.concatenate(images), split.labels[rows], source, real=True)


def drawn_faces(shape: tuple[int, int, int]) -> CheckFaces:
    """Returns drawn faces of shape (H, W, C), for a network whose data are not here."""
    kinds = np.arange(_DRAWN) % len(EMOTIONS)
    side = max(SMALLEST_SIZE, *shape[:2])
    faces = render_faces(kinds, np.arange(_DRAWN), side)
    return CheckFaces(_as_stored(faces, shape), None, f"{_DRAWN} drawn faces", real=False)


def faces_for_weights(
    network: ExportedNetwork, config: ExportConfig
) -> tuple[CheckFaces, CheckFaces]:
    """Returns faces to check and to calibrate on: val of the network's data, else drawn ones.

    Raises:
      UserError: `--data_dir` was given, and the data are not there, or have other classes.
    """
    own = network_config(str(config.weights))
    # The val of a published data set is cut again as it was; of other images all are taken.
    split = "val" if own.dataset in DATASETS and own.dataset != "folder" else None
    judged = EvalConfig(weights=config.weights, data_dir=config.data_dir, split=split)
    try:
        data = load_evaluated_data(judged, own, network.spec.size, None)
    except UserError:
        if config.data_dir:
            raise
        faces = drawn_faces(network.input_shape)
        return faces, faces
    check_classes(own.dataset, data.bundle.classes, network.classes, "network")
    first, second = faces_of_split(data.split, data.dataset, network.input_shape)
    return first, second


def check_classes(dataset: str, found: Sequence[str], own: Sequence[str], what: str) -> None:
    """Raises `UserError` where a data set has other classes than a network, or in another order.

    Args:
      dataset: its name.
      found: its classes.
      own: those of the network.
      what: what the user has named: "network" or "run".
    """
    if tuple(found) != tuple(own):
        raise UserError(
            f"{dataset} there has the classes {', '.join(found)}, the {what} {', '.join(own)}."
            f" Give the {what}'s own data as --data_dir."
        )


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]


def _as_stored(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns uint8 [N, H, W, C] as an export takes it, of images [N, h, w, 1 or 3]."""
    height, width, channels = shape
    resized = np.stack([resize_image(image, (height, width)) for image in images])
    return np.round(np.asarray(to_channels(resized, channels))).astype(np.uint8)
