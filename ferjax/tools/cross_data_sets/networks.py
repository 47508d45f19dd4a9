"""The rows of a matrix: runs and weights files, loaded and checked before anything is computed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.runs.finished_runs.load_network import load_network, named_card, network_config
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runtime.variable_tree import flatten
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.find_runs import check_is_run


@dataclass(frozen=True)
class Network:
    """A row of the matrix: a network.

    Attributes:
      name: name of the row; no two rows have the same name.
      source: the run directory, or the name or file of weights, as given.
      is_weights: whether `source` names weights and not a run.
      train_config: the config that it was trained with.
      classes: class names of its logits.
      epoch: epoch of its parameters.
      identity: sha256 of its parameters, classes and input.
    """

    name: str
    source: str
    is_weights: bool
    train_config: TrainConfig
    classes: tuple[str, ...]
    epoch: int
    identity: str


def load_networks(config: MatrixConfig) -> tuple[list[Network], list[str]]:
    """Returns the networks that can be judged, and a problem for each that cannot."""
    sources = [(source, False) for source in config.workdir]
    sources += [(source, True) for source in config.weights]
    names = _names([source for source, _ in sources])
    networks: list[Network] = []
    problems: list[str] = []
    for name, (source, is_weights) in zip(names, sources, strict=True):
        try:
            networks.append(_load(name, source, is_weights, config.checkpoint))
        except UserError as error:
            problems.append(str(error))
    return networks, problems


def _load(name: str, source: str, is_weights: bool, checkpoint: str) -> Network:
    """Returns one network; raises `UserError` for a run that is missing or not finished."""
    if is_weights:
        if named_card(source) is None:
            raise UserError(
                f"--weights={source} is no weights file of launch.export. Give a run as"
                f" --workdir={source}."
            )
        run_config, run = network_config(source), load_network(source)
    else:
        folder = Path(source)
        run_config = read_config(folder)
        check_is_run(folder)
        if not (folder / "report.json").is_file():
            raise UserError(
                f"{folder} is not finished: it has no report.json. Train on with launch.train"
                f" --resume --workdir={folder}, or leave it out."
            )
        run = load_network(folder, checkpoint)
    return Network(name, source, is_weights, run_config, run.classes, run.epoch, _identity(run))


def _identity(run: LoadedRun) -> str:
    """Returns the sha256 of a network: parameters, classes, input, model."""
    facts = [run.classes, run.meta["spec"], run.meta["model"], run.meta["fields"]]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path, leaf in sorted(flatten(run.variables).items()):
        values = np.ascontiguousarray(leaf)
        digest.update(f"{path} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _names(sources: Sequence[str]) -> list[str]:
    """Returns a name for each source: the shortest end of its path that no other source has."""
    parts = [
        Path(source).resolve().parts if Path(source).exists() else Path(source).parts
        for source in sources
    ]
    for number, path_parts in enumerate(parts):
        if path_parts in parts[:number]:
            raise UserError(f"{sources[number]} is named twice. Each network is one row.")
    names = []
    for path_parts in parts:
        others = [other for other in parts if other != path_parts]
        lengths = range(1, len(path_parts) + 1)
        unique_lengths = (
            k for k in lengths if all(path_parts[-k:] != other[-k:] for other in others)
        )
        names.append("/".join(path_parts[-next(unique_lengths, len(path_parts)) :]))
    short = [name.removesuffix(".safetensors").removesuffix(".json") for name in names]
    return short if len(set(short)) == len(short) else names
