"""Load a trained network by name: a run directory, or weights that come with ferjax."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import fitting_values
from ferjax.config.json_file import config_from_json
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, nearest, unknown_name
from ferjax.runs.finished_runs.load_run import LoadedRun, described_network, load_run
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.specs import spec_from_json
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.weights.shipped import DEFAULT, SHIPPED, find_card
from ferjax.weights.weights_file import read_card, read_weights

_ADVICE = "Copy both files again, or install ferjax again."


def load_network(source: str | Path | None = None, checkpoint: str = "selected") -> LoadedRun:
    """Returns a trained network, ready to be used.

    Args:
      source: a run directory; a name of `ferjax.weights.shipped.SHIPPED`, as text; or a weights
        file of `launch.export`, or its folder. None: the default shipped recogniser.
      checkpoint: for a run, `selected` (best on val) or `last`.

    Raises:
      UserError: no such run or weights, or damaged ones; or `checkpoint` is given for a weights
        file, which has one set of parameters.
    """
    source = DEFAULT if source is None else source
    card = named_card(source)
    if card is None:
        return load_run(source, checkpoint)
    if checkpoint != "selected":
        raise UserError(
            f"--checkpoint={checkpoint}: {source} holds one set of parameters. Leave the flag out."
        )
    return _load_weights(card)


def network_source(workdir: str | None, weights: str | None) -> str | Path:
    """Returns the `source` of `load_network` for the flags `--workdir` and `--weights`.

    A run directory is returned as a path, because it may have the name of a shipped recogniser.
    """
    return Path(workdir) if workdir else weights or DEFAULT


def network_config(source: str | Path) -> TrainConfig:
    """Returns the config that a network was trained with; `source` as in `load_network`."""
    card = named_card(source)
    if card is None:
        return read_config(Path(source).expanduser())
    return config_from_json(json.dumps(read_card(card)["config"]), str(card))


def named_card(source: str | Path) -> Path | None:
    """Returns the model card of a name or file, or None for a run directory; see `find_card`.

    Raises:
      UserError: as `find_card`, or the source is a misspelt name of shipped weights.
    """
    card = find_card(source)
    if card is None and not Path(source).expanduser().exists() and nearest(str(source), SHIPPED):
        raise unknown_name("run directory or weights", str(source), SHIPPED)
    return card


def _load_weights(card_path: Path) -> LoadedRun:
    """Returns the network of a model card and its weights file."""
    file = read_weights(card_path)
    with fitting_values(card_path, _ADVICE):
        card, spec = file.card, spec_from_json(file.card["spec"])
        classes = tuple(map(str, card["classes"]))
        model, abstract = described_network(card, classes, spec, card_path)
        seconds, step, epoch = card["training"]["seconds"], int(card["step"]), int(card["epoch"])
        _read_later_values(card)
    expected = flatten(abstract)
    mismatched = sorted(
        path
        for path in expected.keys() | file.variables.keys()
        if path not in expected
        or path not in file.variables
        or expected[path].shape != file.variables[path].shape
    )
    if mismatched:
        raise UserError(
            f"{card_path}: {len(mismatched)} arrays do not fit {card['model']}, {mismatched[0]}"
            " first. The weights are of another version of this network: use the ferjax that wrote"
            f" them, {card.get('ferjax')}."
        )
    variables = unflatten(file.variables)
    variables.setdefault("batch_stats", {})
    meta = {**card, "seconds": seconds}
    return LoadedRun(model, variables, spec, classes, step, epoch, meta)


def _read_later_values(card: Mapping[str, Any]) -> None:
    """Reads the values that are taken from a card after loading, so that errors come here.

    These are the accuracy and the initial weights, for the notes of a run that starts from the
    network or learns from it, and the table of prediction sets.
    """
    float(card["best"]["accuracy"])
    if card["start"] is not None:
        list(card["start"]["origin"])
    sets = card["prediction_sets"]
    int(sets["n"])
    np.array(sets["ranks"], np.int64)
    np.array(sets["scores"], np.float64)
