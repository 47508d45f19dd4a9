"""Face crops in a folder to a table, beside the network alone and beside other runtimes."""

import functools
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ferjax.bench.measuring.case import OURS, Build, Case, Peer, Run
from ferjax.bench.prediction.networks import NETWORKS, Network
from ferjax.bench.prediction.other_runtimes import (
    ONNX,
    loop_over_files,
    onnx_probabilities,
    torch_probabilities,
)
from ferjax.bench.pytorch.onnx_export import missing_onnxruntime
from ferjax.bench.suites.input_pipeline import image_folder
from ferjax.config.predict_and_export import PredictConfig
from ferjax.predict.run_predict import run_predict

ALONE = "the network alone"
_BATCH = 64


def crop_cases(count: int) -> tuple[Case, ...]:
    """Returns a case for each network: so many crops of a folder, from their files to a table."""
    return tuple(_crops(network, count) for network in NETWORKS)


def _crops(network: Network, count: int) -> Case:
    side, channels = network.side, network.channels
    sides: dict[str, Build] = {
        OURS: functools.partial(_table_run, network, count),
        ALONE: functools.partial(_alone_run, network, count),
    }
    if not missing_onnxruntime():
        sides[ONNX] = functools.partial(_loop_run, network, count, onnx_probabilities)

    # The other memory format takes as long for fernet, and a third longer for resnet18.
    made = functools.partial(torch_probabilities, channels_last=True)
    peer = Peer("channels_last", functools.partial(_loop_run, network, count, made))
    return Case(
        name=f"{network.name}, {count:,} face crops in a folder",
        shape=f"{network.suffix.upper()} files of {side}x{side}x{channels}, batches of {_BATCH}",
        function=None,
        arguments=tuple,
        sides=sides,
        peers=(peer,),
        bytes=count * side * side * channels,
        images=count,
    )


def _paths(network: Network, count: int) -> tuple[Path, ...]:
    return image_folder(network.suffix, network.side, network.channels, count)


def _table_run(network: Network, count: int) -> Run:
    """Returns the whole of `launch.predict`, but for the start of its process."""
    folder, predictor = _paths(network, count)[0].parent, network.predictor()
    numbers = itertools.count()

    def run() -> None:
        out = folder.parent / f"{folder.name}-{next(numbers)}.csv"
        config = PredictConfig(out=str(out), faces="whole", progress=False)
        run_predict(config, [str(folder)], predictors=[predictor])
        os.unlink(out)

    return run


def _alone_run(network: Network, count: int) -> Run:
    """Returns the compiled network on faces that are in memory, in whole batches."""
    predictor = network.predictor()
    shape = (_BATCH, *predictor.spec.storage, network.channels)
    faces = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run() -> None:
        for first in range(0, count, _BATCH):
            np.asarray(predictor.probabilities_fn(faces))[: count - first]

    return run


def _loop_run(
    network: Network, count: int, make: Callable[[Network], Callable[[np.ndarray], np.ndarray]]
) -> Run:
    paths, probabilities = _paths(network, count), make(network)
    return lambda: loop_over_files(probabilities, paths, network.channels, _BATCH)
