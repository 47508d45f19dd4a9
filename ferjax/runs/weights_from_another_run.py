"""Initial weights from another ferjax run: trunk, input, and outputs matched by emotion name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from ferjax.config.train_config import TrainConfig
from ferjax.convert.catalogue.find_weights import is_catalogued
from ferjax.convert.converted.weights_folder import is_saved
from ferjax.errors import UserError
from ferjax.models.registry import create_model, model_entry
from ferjax.report.pages.seeds_and_folds_report import run_folder
from ferjax.runs.finished_runs.load_network import load_network, named_card, network_config
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runs.finished_runs.seeds_and_folds import configs_of_series
from ferjax.runs.pretrained_values import InitialWeights, guide_variables, match_variables
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.run_directory.checkpoints import latest_meta
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE, read_config
from ferjax.training.state import init_variables
from ferjax.weights.shipped import find_card
from ferjax.weights.weights_file import read_card

_HEAD = "params/head/"
# Module fields that may differ from those of the other run, because they affect only training.
_IGNORED = ("dropout", "dtype", "stochastic_depth")
# Config fields that determine which image is in which split.
_SPLIT_FIELDS = ("val_fraction", "split_seed", "folds", "fold")
_EARLIER = "before that: "


def named_run(config: TrainConfig) -> str | Path | None:
    """Returns the run or recogniser that `--pretrained` names, or None if it names other weights.

    A recogniser that comes with ferjax, or a weights file of `launch.export`, is used like the run
    from which it was exported.

    Raises:
      UserError: a run that has saved nothing yet, or a series of runs.
    """
    text, folder = config.pretrained or "", Path(config.pretrained or "").expanduser()
    if text in ("", "none") or is_catalogued(text, weights_model(config)):
        return None
    # A URL is not looked up as a file, because it may be longer than a file name can be.
    if "://" not in text and named_card(text):
        return text
    if not _is_run(folder):
        return None
    kind, runs = configs_of_series(read_config(folder))
    if runs:
        names = [run_folder(kind, number) for number in runs]
        raise UserError(
            f"--pretrained={text} is a series of {len(runs)} runs. Name one of them:"
            f" {', '.join(str(Path(text) / name) for name in names)}."
        )
    if latest_meta(folder) is None:
        raise UserError(
            f"--pretrained={text}: that run has saved no checkpoint yet. Let it finish an epoch,"
            " or give another run."
        )
    return folder


def weights_model(config: TrainConfig) -> str:
    """Returns the network of the weights of `--pretrained`: the guide if there is one."""
    return config.guide if config.guide not in (None, "none") else config.model


def _is_run(folder: Path) -> bool:
    """Returns whether a folder looks like the directory of a run, complete or damaged."""
    if not folder.is_dir() or is_saved(folder):
        return False
    config = folder / CONFIG_FILE
    # Other libraries write a config.json too.
    text = config.read_text("utf-8", errors="replace") if config.is_file() else ""
    return '"workdir"' in text or (folder / "checkpoints").is_dir()


def channels_of_run(source: str | Path) -> int:
    """Returns the image channels that the network of a run or recogniser takes."""
    card = find_card(source)
    meta = read_card(card) if card else latest_meta(Path(source))
    assert meta is not None
    return meta["spec"]["channels"]


def initial_weights_of_run(
    config: TrainConfig, source: str | Path, fields: Mapping[str, Any], classes: Sequence[str]
) -> InitialWeights:
    """Returns the initial weights of a run: the selected parameters of another run.

    All layers before the head come from the other run. Hidden layers of other widths are new, and
    then the head is new too. In the head, the outputs of emotions that both runs have are kept.

    Args:
      config: the config of the run.
      source: the other run or recogniser, from `named_run`.
      fields: module fields that the config sets.
      classes: names of the run's logits.

    Raises:
      UserError: another network, or one of another shape.
    """
    source_config, model = network_config(source), weights_model(config)
    if source_config.model not in (model, config.model):
        flag, way_out = f"--guide={model}", f"a run of {model}"
        if model == config.model:
            flag, way_out = f"--model={model}", f"--model={source_config.model}, or {way_out}"
        raise UserError(
            f"--pretrained={config.pretrained} is of {source_config.model}, {flag}. Give {way_out}."
        )
    run = load_network(source)
    if source_config.model != config.model:
        return _for_guide(config, source_config, run)
    return _for_network(config, source_config, run, fields, classes)


def _for_guide(config: TrainConfig, source: TrainConfig, run: LoadedRun) -> InitialWeights:
    """Returns the convolutions of a run's network as awei's guide."""
    if run.spec.channels != 3:
        raise UserError(
            f"--pretrained={config.pretrained} sees grey images, and the guide sees RGB. Give a"
            " run that was trained with --channels=3."
        )
    origin = (
        *_origin(config, source, run),
        "of the guide, frozen; everything else: random initialisation",
        *_earlier_origin(run),
    )
    variables = guide_variables(flatten(run.variables))
    return InitialWeights(variables, {}, run.spec, origin, guides=True)


def _for_network(
    config: TrainConfig,
    source: TrainConfig,
    run: LoadedRun,
    fields: Mapping[str, Any],
    classes: Sequence[str],
) -> InitialWeights:
    """Returns a run's parameters for a network with the given `fields` and `classes`."""
    assert config.image_size is not None
    needed = {name: value for name, value in run.meta["fields"].items() if name not in _IGNORED}
    model = create_model(config.model, len(classes), **{**needed, **fields})
    _check_fields(config, run.model, model)
    spec = replace(run.spec, size=config.image_size)
    shapes = flatten(jax.eval_shape(lambda: init_variables(model, spec, config.seed)))
    expected = {path: leaf.shape for path, leaf in shapes.items() if not path.startswith(_HEAD)}
    fit = match_variables(flatten(run.variables), expected)
    if fit.mismatched:
        raise UserError(
            f"--image_size={config.image_size}: {fit.mismatched[0]} of"
            f" --pretrained={config.pretrained} does not fit it. Give"
            f" --image_size={run.spec.size}, at which that run was trained."
        )
    same_features = _same_features(run.model, model) and not fit.hidden
    kept = [name for name in classes if same_features and name in run.classes]
    variables = {**fit.variables, **_head(config, run, model, spec, classes, kept)}
    new = [*fit.hidden, *([] if kept else ["head"])]
    parts = {
        "outputs kept, by name": kept,
        "outputs new, at random": [name for name in classes if kept and name not in kept],
        "outputs left out": [name for name in run.classes if kept and name not in kept],
        "new, at random": new,
    }
    lines = (f"{description}: {', '.join(names)}" for description, names in parts.items() if names)
    origin = (*_origin(config, source, run), *lines, *_earlier_origin(run))
    return InitialWeights(variables, needed, run.spec, origin)


def _check_fields(config: TrainConfig, source: nn.Module, model: nn.Module) -> None:
    """Raises `UserError` if a field that determines the layers before the head differs."""
    for name in model_entry(config.model).fields:
        source_value, value = (getattr(network, name, None) for network in (source, model))
        if name not in (*_IGNORED, "head_widths", "pooling") and source_value != value:
            raise UserError(
                f"--pretrained={config.pretrained} is of {config.model} with {name}={source_value},"
                f" --{name}={value}. Give --{name}={source_value}, or a run that was trained so."
            )


def _same_features(source: nn.Module, model: nn.Module) -> bool:
    """Returns whether the heads of two networks with equal lower layers get the same features."""
    fields = ("head_widths", "pooling")
    return all(getattr(source, name, None) == getattr(model, name, None) for name in fields)


def _head(
    config: TrainConfig,
    run: LoadedRun,
    model: nn.Module,
    spec: InputSpec,
    classes: Sequence[str],
    kept: Sequence[str],
) -> dict[str, np.ndarray]:
    """Returns the head: columns of the classes `kept` from a run, the others initialised."""
    source = {path: leaf for path, leaf in flatten(run.variables).items() if path.startswith(_HEAD)}
    columns = [classes.index(name) for name in kept]
    source_columns = [run.classes.index(name) for name in kept]
    if len(kept) in (0, len(classes)):
        return {path: leaf[..., source_columns] for path, leaf in source.items() if kept}

    def initial() -> dict[str, jax.Array]:
        variables = flatten(init_variables(model, spec, config.seed))
        return {path: variables[path] for path in source}

    # jit removes the initialisation of all other layers.
    leaves = {path: np.array(leaf) for path, leaf in jax.jit(initial)().items()}
    for path, leaf in leaves.items():
        leaf[..., columns] = source[path][..., source_columns]
    return leaves


def _origin(config: TrainConfig, source: TrainConfig, run: LoadedRun) -> list[str]:
    """Returns the report's lines on the run that the weights come from; `source` is its config."""
    best = run.meta["best"]
    # A model card says which epoch of its run it holds.
    checkpoint = run.meta.get("checkpoint", "selected")
    kind = "" if "checkpoint" in run.meta else "run "
    lines = [
        f"{kind}{config.pretrained}: {source.model} trained on {source.dataset} (recipe"
        f" {source.recipe}, seed {source.seed}), {checkpoint} epoch {run.epoch}, val accuracy"
        f" {100 * best['accuracy']:.2f} %"
        + (", averaged parameters" if run.meta.get("averaged") else ""),
        f"its classes: {', '.join(run.classes)}",
    ]
    same_data = source.dataset == config.dataset
    if same_data and source.dataset == "folder":  # config.json holds the absolute path
        places = {c.data_dir and Path(c.data_dir).resolve() for c in (source, config)}
        same_data = len(places) == 1
    changed = [name for name in _SPLIT_FIELDS if getattr(source, name) != getattr(config, name)]
    if same_data and changed:
        values = ", ".join(f"{n} {getattr(source, n)}, here {getattr(config, n)}" for n in changed)
        lines.append(
            f"it was trained on another cut of the same data set ({values}): it may have seen"
            " images that this run holds as val or test"
        )
    return lines


def _earlier_origin(run: LoadedRun) -> list[str]:
    """Returns lines on the initial weights of a run."""
    lines = (run.meta["start"] or {"origin": ["random initialisation"]})["origin"]
    return [line if line.startswith(_EARLIER) else _EARLIER + line for line in lines]
