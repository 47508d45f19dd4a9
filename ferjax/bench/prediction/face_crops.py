"""Cases that predict a folder of face crops, against the network alone and other runtimes."""

import functools
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ferjax.bench.measuring.case import ONNX, OURS, Build, Case, Peer, Probabilities, Run
from ferjax.bench.prediction.networks import NETWORKS, MeasuredNetwork
from ferjax.bench.prediction.other_runtimes import (
    loop_over_files,
    torch_onnx_probabilities,
    torch_probabilities,
)
from ferjax.bench.pytorch.missing_sides import missing_onnxruntime_for_torch
from ferjax.bench.suites.input_pipeline import image_folder
from ferjax.config.predict_and_export import PredictConfig
from ferjax.predict.run_predict import run_predict

ALONE = "the network alone"
_BATCH = 64


def crop_cases(count: int) -> tuple[Case, ...]:
    """Returns a case for each network: from the files of `count` face crops to a table."""
    return tuple(_crop_case(network, count) for network in NETWORKS)


def _crop_case(network: MeasuredNetwork, count: int) -> Case:
    side, channels = network.side, network.channels
    sides: dict[str, Build] = {
        OURS: functools.partial(_table_run, network, count),
        ALONE: functools.partial(_network_run, network, count),
    }
    if not missing_onnxruntime_for_torch():
        sides[ONNX] = functools.partial(_loop_run, network, count, torch_onnx_probabilities)

    # The contiguous format takes the same time for fernet, and a third more for resnet18.
    make_torch = functools.partial(torch_probabilities, channels_last=True)
    peer = Peer("channels_last", functools.partial(_loop_run, network, count, make_torch))
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


def _paths(network: MeasuredNetwork, count: int) -> tuple[Path, ...]:
    return image_folder(network.suffix, network.side, network.channels, count)


def _table_run(network: MeasuredNetwork, count: int) -> Run:
    """Returns a run of all of `launch.predict` except the start of its process."""
    folder, predictor = _paths(network, count)[0].parent, network.predictor()
    numbers = itertools.count()

    def run() -> None:
        out = folder.parent / f"{folder.name}-{next(numbers)}.csv"
        config = PredictConfig(out=str(out), faces="whole", progress=False)
        run_predict(config, [str(folder)], predictors=[predictor])
        os.unlink(out)

    return run


def _network_run(network: MeasuredNetwork, count: int) -> Run:
    """Returns a run of the compiled network on faces in memory, in whole batches."""
    predictor = network.predictor()
    shape = (_BATCH, *predictor.spec.storage, network.channels)
    faces = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run() -> None:
        for first in range(0, count, _BATCH):
            np.asarray(predictor.probabilities_fn(faces))[: count - first]

    return run


def _loop_run(
    network: MeasuredNetwork,
    count: int,
    make: Callable[[MeasuredNetwork], Probabilities],
) -> Run:
    paths, probabilities = _paths(network, count), make(network)
    return lambda: loop_over_files(probabilities, paths, network.channels, _BATCH)
