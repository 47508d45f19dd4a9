"""The parts of a run that handle its data; the suite `growth` measures each of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from ferjax.bench.growth.tiled_faces import CLASSES, DATASET, SHAPE
from ferjax.bench.measuring.case import Run
from ferjax.data.pipeline.grain_batches import TrainBatches, iterate
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.splits.split_record import record_splits
from ferjax.data.storage.image_store import open_store
from ferjax.evaluation.predictions_csv import write_predictions_csv
from ferjax.evaluation.scores_and_figures import epoch_scores
from ferjax.report.headline_intervals import headline_intervals
from ferjax.runs.split_evaluator import evaluate_split, evaluator
from ferjax.runtime.sharding import data_mesh, put_batch
from ferjax.specs import InputSpec
from ferjax.training.metrics import Evaluation
from ferjax.training.run_directory.splits_file import write_split_record

BATCH = 128


class Linear(nn.Module):
    """A linear classifier of the pixels, which needs almost no computation."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps images float [B, H, W, C] to logits float [B, 7]."""
        del train
        return nn.Dense(len(CLASSES), name="head")(x.reshape(x.shape[0], -1))


@dataclass(frozen=True)
class Loaded:
    """A data set, and the network that is evaluated on it.

    Attributes:
      folder: holds `data`, and `cache` with its stores.
      bundle: the splits `train` and `val`.
      mesh: all devices.
      variables: parameters and batch_stats of the network.
      evaluate: () → evaluation of the network on `train`.
    """

    folder: Path
    bundle: DatasetBundle
    mesh: Mesh
    variables: Any
    evaluate: Callable[[], Evaluation]


@dataclass(frozen=True)
class Part:
    """A part of a run.

    Attributes:
      what: description for the report.
      on_devices: whether the part uses the devices, so that their number matters.
      build: prepares the part; returns a function that runs it once.
      splits: the splits whose images the part handles.
    """

    what: str
    on_devices: bool
    build: Callable[[Loaded], Run]
    splits: tuple[str, ...] = ("train",)

    def images(self, loaded: Loaded) -> int:
        """Returns the number of images that the part handles."""
        return sum(len(loaded.bundle.splits[name]) for name in self.splits)


def load(folder: Path) -> Loaded:
    """Returns the data set in a folder, and its network; the first call builds the stores.

    `register_faces` must have registered the data set.
    """
    bundle, mesh = _load_bundle(folder), data_mesh()
    side, _, channels = SHAPE
    spec = InputSpec((side, side), side, channels, mean=(0.0,), std=(1.0,))
    model = Linear()
    variables = model.init(jax.random.key(0), jnp.zeros((1, *SHAPE)), train=False)
    variables = {"batch_stats": {}, **variables}
    logits_of = evaluator(model, spec, mesh, BATCH, progress=False)
    train = bundle.splits["train"]
    return Loaded(
        folder, bundle, mesh, variables, lambda: evaluate_split(logits_of, variables, train)
    )


def _load_bundle(folder: Path) -> DatasetBundle:
    side, cache = SHAPE[0], folder / "cache"
    return load_dataset(DATASET, folder / "data", image_size=side, cache_dir=cache)


def _open_store(loaded: Loaded) -> Run:
    (store,) = (loaded.folder / "cache").glob(f"{DATASET}-train-*")
    key = json.loads((store / "store.json").read_text("utf-8"))["key"]
    return lambda: open_store(store, key)


def _record(loaded: Loaded) -> Run:
    bundle, out = loaded.bundle, _output_folder(loaded)

    def run() -> None:
        record = record_splits(DATASET, bundle.classes, bundle.splits, bundle.sources)
        write_split_record(out, record)

    return run


def _epoch(loaded: Loaded) -> Run:
    def run() -> Any:
        device_batch: Any = None
        # New batches in each run: drawing the order of the epoch is a part of its cost.
        for batch in iterate(TrainBatches(loaded.bundle.splits["train"], BATCH, 0, epochs=1)):
            device_batch = put_batch(batch, loaded.mesh)
        return jax.block_until_ready(device_batch)

    return run


def _scores(loaded: Loaded) -> Run:
    result, classes, out = loaded.evaluate(), loaded.bundle.classes, _output_folder(loaded)

    def run() -> None:
        epoch_scores(result, classes, 1)
        write_predictions_csv(result, loaded.bundle.splits["train"], classes, out)

    return run


def _intervals(loaded: Loaded) -> Run:
    result = loaded.evaluate()
    return lambda: headline_intervals(result.probabilities, result.labels, CLASSES)


def _output_folder(loaded: Loaded) -> Path:
    folder = loaded.folder / "out"
    folder.mkdir(exist_ok=True)
    return folder


PARTS = {
    "open the store": Part("the images of train, mapped; a sample verified", False, _open_store),
    "load the data set": Part(
        "labels and names read, val cut off, the files' state hashed, stores opened",
        False,
        lambda loaded: lambda: _load_bundle(loaded.folder),
        ("train", "val"),
    ),
    "record the images": Part(
        "name, class and content of every image, splits.csv.gz", False, _record, ("train", "val")
    ),
    "an epoch of batches": Part(
        f"order drawn, batches of {BATCH} read and put on the devices", True, _epoch
    ),
    "an evaluation": Part(
        "a linear network on every image, its probabilities collected",
        True,
        lambda loaded: loaded.evaluate,
    ),
    "scores and predictions": Part(
        "scores, ranking, calibration, predictions_train.csv", False, _scores
    ),
    "intervals": Part("1,000 bootstrap resamples of the scores", False, _intervals),
}
