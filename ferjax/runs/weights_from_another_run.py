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
from ferjax.runs.load_network import load_network, named_card, network_config
from ferjax.runs.load_run import LoadedRun
from ferjax.runs.pretrained_values import InitialWeights, guide_variables, match_variables
from ferjax.runs.seeds_and_folds import configs_of_series
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.run_directory.checkpoints import latest_meta
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE, read_config
from ferjax.training.state import init_variables
from ferjax.weights.shipped import find_card
from ferjax.weights.weights_file import read_card

_HEAD = "params/head/"
# How a network is trained, not what it is.
_FREE = ("dropout", "dtype", "stochastic_depth")
# What decides which pixels are whose.
_CUT = ("val_fraction", "split_seed", "folds", "fold")
_BEFORE = "before that: "


def named_run(config: TrainConfig) -> str | Path | None:
    """Returns the run or recogniser that `--pretrained` names, or None: it names other weights.

    A recogniser that comes with ferjax, or a weights file of `launch.export`, is used like the run
    that it was made of.

    Raises:
      UserError: a run that has saved nothing yet, or a series of runs.
    """
    text, folder = config.pretrained or "", Path(config.pretrained or "").expanduser()
    if text in ("", "none") or is_catalogued(text, weights_model(config)):
        return None
    # The name of a URL may be longer than that of a file can be.
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
    """Returns the network that the weights of `--pretrained` are of: the guide's, where one is."""
    return config.guide if config.guide not in (None, "none") else config.model


def _is_run(folder: Path) -> bool:
    """Returns whether a folder is, or was meant to be, the directory of a run."""
    if not folder.is_dir() or is_saved(folder):
        return False
    config = folder / CONFIG_FILE
    # Other libraries have a config.json too.
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
    """Returns what a run starts from: another run's selected parameters.

    Everything before the head is the other run's; hidden layers of other widths are new, and the
    head with them. Of the head come the outputs of emotions that both runs know, by name.

    Args:
      config: the run's.
      source: the other run or recogniser, from `named_run`.
      fields: module fields that the config sets.
      classes: names of the run's logits.

    Raises:
      UserError: another network, or one of another shape.
    """
    own, wanted = network_config(source), weights_model(config)
    if own.model not in (wanted, config.model):
        guided = wanted != config.model
        raise UserError(
            f"--pretrained={config.pretrained} is of {own.model},"
            f" {f'--guide={wanted}' if guided else f'--model={wanted}'}. Give"
            f" {f'a run of {wanted}' if guided else f'--model={own.model}, or a run of {wanted}'}."
        )
    run = load_network(source)
    if own.model != config.model:
        return _for_guide(config, own, run)
    return _for_network(config, own, run, fields, classes)


def _for_guide(config: TrainConfig, own: TrainConfig, run: LoadedRun) -> InitialWeights:
    """Returns the convolutions of a run's network as awei's guide."""
    if run.spec.channels != 3:
        raise UserError(
            f"--pretrained={config.pretrained} sees grey images, and the guide sees RGB. Give a"
            " run that was trained with --channels=3."
        )
    origin = (
        *_origin(config, own, run),
        "of the guide, frozen; everything else: random initialisation",
        *_before(run),
    )
    variables = guide_variables(flatten(run.variables))
    return InitialWeights(variables, {}, run.spec, origin, guides=True)


def _for_network(
    config: TrainConfig,
    own: TrainConfig,
    run: LoadedRun,
    fields: Mapping[str, Any],
    classes: Sequence[str],
) -> InitialWeights:
    """Returns a run's whole network for one with `fields` and `classes` of its own."""
    assert config.image_size is not None
    needed = {name: value for name, value in run.meta["fields"].items() if name not in _FREE}
    model = create_model(config.model, len(classes), **{**needed, **fields})
    _check_fields(config, run.model, model)
    spec = replace(run.spec, size=config.image_size)
    shapes = flatten(jax.eval_shape(lambda: init_variables(model, spec, config.seed)))
    wanted = {path: leaf.shape for path, leaf in shapes.items() if not path.startswith(_HEAD)}
    given = flatten(run.variables)
    fit = match_variables(given, wanted)
    if fit.mismatched:
        raise UserError(
            f"--image_size={config.image_size}: {fit.mismatched[0]} of"
            f" --pretrained={config.pretrained} does not fit it. Give"
            f" --image_size={run.spec.size}, at which that run was trained."
        )
    same = _same_features(run.model, model) and not fit.hidden
    kept = [name for name in classes if same and name in run.classes]
    variables = {**fit.variables, **_head(config, run, model, spec, classes, kept)}
    new = [*fit.hidden, *([] if kept else ["head"])]
    described = {
        "outputs kept, by name": kept,
        "outputs new, at random": [name for name in classes if kept and name not in kept],
        "outputs left out": [name for name in run.classes if kept and name not in kept],
        "new, at random": new,
    }
    lines = (f"{words}: {', '.join(names)}" for words, names in described.items() if names)
    origin = (*_origin(config, own, run), *lines, *_before(run))
    return InitialWeights(variables, needed, run.spec, origin)


def _check_fields(config: TrainConfig, theirs: nn.Module, ours: nn.Module) -> None:
    """Raises `UserError` where a field that shapes the layers before the head differs."""
    for name in model_entry(config.model).fields:
        found, wanted = getattr(theirs, name), getattr(ours, name)
        if name not in (*_FREE, "head_widths", "pooling") and found != wanted:
            raise UserError(
                f"--pretrained={config.pretrained} is of {config.model} with {name}={found},"
                f" --{name}={wanted}. Give --{name}={found}, or a run that was trained so."
            )


def _same_features(theirs: nn.Module, ours: nn.Module) -> bool:
    """Returns whether the heads of two networks, alike up to there, see the same features."""
    fields = ("head_widths", "pooling")
    return all(getattr(theirs, name, None) == getattr(ours, name, None) for name in fields)


def _head(
    config: TrainConfig,
    run: LoadedRun,
    model: nn.Module,
    spec: InputSpec,
    classes: Sequence[str],
    kept: Sequence[str],
) -> dict[str, np.ndarray]:
    """Returns the head with the columns of `kept` from a run and the seed's own for the others."""
    theirs = {path: leaf for path, leaf in flatten(run.variables).items() if path.startswith(_HEAD)}
    here, there = ([names.index(name) for name in kept] for names in (classes, run.classes))
    if len(kept) in (0, len(classes)):
        return {path: leaf[..., there] for path, leaf in theirs.items() if kept}

    def initial() -> dict[str, jax.Array]:
        variables = flatten(init_variables(model, spec, config.seed))
        return {path: variables[path] for path in theirs}

    # Under jit nothing but the head is computed.
    leaves = {path: np.array(leaf) for path, leaf in jax.jit(initial)().items()}
    for path, leaf in leaves.items():
        leaf[..., here] = theirs[path][..., there]
    return leaves


def _origin(config: TrainConfig, own: TrainConfig, run: LoadedRun) -> list[str]:
    """Returns what the report says of the run, with config `own`, that was started from."""
    best = run.meta["best"]
    # A model card says which epoch of its run it holds.
    checkpoint = run.meta.get("checkpoint", "selected")
    kind = "" if "checkpoint" in run.meta else "run "
    lines = [
        f"{kind}{config.pretrained}: {own.model} trained on {own.dataset} (recipe {own.recipe},"
        f" seed {own.seed}), {checkpoint} epoch {run.epoch}, val accuracy"
        f" {100 * best['accuracy']:.2f} %"
        + (", averaged parameters" if run.meta.get("averaged") else ""),
        f"its classes: {', '.join(run.classes)}",
    ]
    same = own.dataset == config.dataset
    if same and own.dataset == "folder":
        same = own.data_dir == config.data_dir
    cut = [name for name in _CUT if getattr(own, name) != getattr(config, name)]
    if same and cut:
        others = ", ".join(f"{n} {getattr(own, n)}, here {getattr(config, n)}" for n in cut)
        lines.append(
            f"it was trained on another cut of the same data set ({others}): it may have seen"
            " images that this run holds as val or test"
        )
    return lines


def _before(run: LoadedRun) -> list[str]:
    """Returns what a run itself was started from, line by line."""
    start = run.meta["start"]
    lines = start["origin"] if start else ["random initialisation"]
    return [line if line.startswith(_BEFORE) else _BEFORE + line for line in lines]
