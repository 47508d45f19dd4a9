"""Makes an exported network of a run: divides its head by the temperature and writes its card."""

import json
from pathlib import Path

import numpy as np

from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import EvaluatedData, load_evaluated_data
from ferjax.evaluation.run_evaluator import run_evaluator
from ferjax.export.check_faces import check_classes, faces_of_split
from ferjax.export.exported_file import CheckFaces
from ferjax.export.exported_network import ExportedNetwork, in_float32
from ferjax.export.model_card import card_values
from ferjax.export.speed_beside_peers import read_speed
from ferjax.report.calibration import fit_temperature
from ferjax.runs.finished_runs.load_run import LoadedRun, check_probabilities, load_run
from ferjax.runtime.progress_lines import say
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.training.run_directory.config_and_lock import read_config
from ferjax.training.run_directory.splits_file import SplitRecord, read_split_record
from ferjax.weights.weights_file import card_text, decode, encode

_HEAD = ("params/head/kernel", "params/head/bias")


def exported_from_run(
    config: ExportConfig, name: str
) -> tuple[ExportedNetwork, CheckFaces, CheckFaces]:
    """Returns the calibrated network of a run, and faces of val to check and to calibrate on.

    The head is divided by the temperature that fits the probabilities to val, so that every program
    that uses the weights gets calibrated probabilities. The scores on the card are those of the
    exported parameters, in their stored precision.

    Args:
      config: the config of the command, with a run.
      name: name of the exported files.

    Raises:
      UserError: no such run, no val images, val images of other classes, or weights that half
        precision cannot hold.
    """
    run_dir = Path(config.workdir)
    run, train_config = in_float32(load_run(run_dir, config.checkpoint)), read_config(run_dir)
    _check_head(run, train_config.model)
    speed = read_speed(Path(config.bench), run_dir) if config.bench else None
    say(f"reading {train_config.dataset}", config.progress)
    record = read_split_record(run_dir)
    data = _val_data(config, train_config, run, record)
    logits_of, _ = run_evaluator(run, train_config.batch_size, config.progress)
    run_logits = logits_of(run.variables, data.split)
    check_probabilities(run_logits, run_dir)
    temperature = fit_temperature(run_logits, data.split.labels)
    weights = encode(_divided_head(flatten(run.variables), temperature))
    variables = unflatten(decode(weights))
    card = card_values(
        run=run,
        run_dir=run_dir,
        checkpoint=config.checkpoint,
        train_config=train_config,
        data=data,
        record=record,
        run_logits=run_logits,
        logits=logits_of(variables, data.split),
        temperature=temperature,
        speed=speed,
    )
    complete_card = json.loads(card_text({"name": name, **card}, weights))
    variables.setdefault("batch_stats", {})
    network = ExportedNetwork(name, complete_card, run.model, variables, run.spec, run.classes)
    check_faces, calibration_faces = faces_of_split(data.split, data.dataset, network.input_shape)
    return network, check_faces, calibration_faces


def _val_data(
    config: ExportConfig, train_config: TrainConfig, run: LoadedRun, record: SplitRecord | None
) -> EvaluatedData:
    """Returns the val split of the run; raises `UserError` if it has other classes than the run."""
    eval_config = EvalConfig(workdir=config.workdir, data_dir=config.data_dir, split="val")
    data = load_evaluated_data(eval_config, train_config, run.spec.size, record)
    check_classes(train_config.dataset, data.bundle.classes, run.classes, "run")
    for warning in data.warnings:
        say(f"warning: {warning}")
    return data


def _check_head(run: LoadedRun, model: str) -> None:
    """Raises `UserError` if the network has no dense head, which the temperature divides."""
    missing = [path for path in _HEAD if path not in flatten(run.variables)]
    if missing:
        raise UserError(
            f"{model} has no {missing[0]}; the export divides the head by the temperature. Name the"
            " last dense layer of the network `head`."
        )


def _divided_head(variables: dict[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
    """Returns the variables with kernel and bias of the head divided by the temperature."""
    return {**variables, **{path: variables[path] / np.float32(temperature) for path in _HEAD}}
