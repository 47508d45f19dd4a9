"""Initial weights from published weights, another run, or the run's own checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.config.train_config import TrainConfig
from ferjax.convert.weights import Pretrained, load_pretrained
from ferjax.errors import UserError
from ferjax.models.registry import MODELS, abstract_variables, model_entry
from ferjax.runs.pretrained_values import (
    InitialWeights,
    guide_variables,
    initial_weights_from_json,
    match_variables,
)
from ferjax.runs.weights_from_another_run import (
    channels_of_run,
    initial_weights_of_run,
    named_run,
    weights_model,
)
from ferjax.training.run_directory.checkpoints import latest_meta


def has_random_initialisation(config: TrainConfig) -> bool:
    """Returns whether a config names no weights; `none` overrides the weights of a recipe."""
    return config.pretrained in (None, "none")


def _own_meta(config: TrainConfig) -> dict[str, Any] | None:
    """Returns the meta of the run's latest checkpoint, or None if it has no checkpoint yet.

    The result is also None with `overwrite`, and if the checkpoint is one of another network or of
    random initialisation, because then the checkpoints belong to another run.
    """
    run_dir = Path(config.workdir or "")
    meta = latest_meta(run_dir)
    if meta and Path(config.pretrained or "").expanduser().resolve() == run_dir.resolve():
        raise UserError(
            f"--pretrained={config.pretrained} is this run's own --workdir. Give another run, or"
            " continue this one with --resume and its own settings."
        )
    is_own = meta and meta["start"] and meta["model"] == config.model
    return meta if is_own and not config.overwrite else None


def required_channels(config: TrainConfig) -> int | None:
    """Returns the number of image channels that the weights or the network need, or None for any.

    Raises:
      UserError: the config has another value of `channels`, or the weights are a run that cannot be
        used.
    """
    if has_random_initialisation(config):
        return model_entry(config.model).channels
    if meta := _own_meta(config):
        return meta["spec"]["channels"]
    run = named_run(config)
    required = channels_of_run(run) if run and weights_model(config) == config.model else 3
    if config.channels not in (None, required):
        conversion = "grey images are repeated" if required == 3 else "colour images become grey"
        raise UserError(
            f"--channels={config.channels}: --pretrained={config.pretrained} takes {required}."
            f" Leave the flag out: {conversion}."
        )
    return required


def load_initial_weights(
    config: TrainConfig, fields: Mapping[str, Any], classes: Sequence[str]
) -> InitialWeights | None:
    """Returns the initial weights of a run; None for random initialisation.

    A run with a checkpoint needs neither the weights cache, nor the network, nor the run that its
    weights came from. Its meta contains the fields and the input of the weights, its state their
    values.

    Args:
      config: the config of the run.
      fields: module fields that the config sets.
      classes: names of the run's logits.

    Raises:
      UserError: weights that are not available, or that do not fit the network.
    """
    model = weights_model(config)
    for_guide = model != config.model
    if has_random_initialisation(config):
        if for_guide:
            raise UserError(
                f"--guide={model} without --pretrained: a guide with random weights guides nowhere."
                " Give --pretrained=imagenet, or a name, URL, file or run of its weights."
            )
        return None
    if meta := _own_meta(config):
        return initial_weights_from_json(meta["start"])
    if run := named_run(config):
        return initial_weights_of_run(config, run, fields, classes)
    if model_entry(model).family is None:
        published = ", ".join(name for name, entry in MODELS.items() if entry.family)
        raise UserError(
            f"--pretrained={config.pretrained} is no run, and no weights are published for {model}."
            f" Give none, name a run of {model}, or take one of: {published}."
        )
    weights = load_pretrained(
        config.pretrained or "",
        model,
        abstract_variables,
        offline=config.offline,
        progress=config.progress,
    )
    return _for_guide(weights) if for_guide else _for_network(weights, fields)


def _for_network(weights: Pretrained, fields: Mapping[str, Any]) -> InitialWeights:
    """Returns the weights without their head, for a network with other `fields` and classes.

    Hidden layers before the head are kept if all of them fit; otherwise all of them are new.
    """
    shapes = abstract_variables(weights.model, 0, **{**weights.fields, **fields})
    fit = match_variables(weights.variables, shapes)
    if fit.mismatched:
        raise UserError(
            f"--pretrained={weights.name}: {len(fit.mismatched)} of the network's variables are not"
            f" in it or have another shape, {fit.mismatched[0]} first. Convert the weights again."
        )
    origin = (*_origin(weights), f"new, at random: {', '.join((*fit.hidden, 'head'))}")
    return InitialWeights(fit.variables, weights.fields, weights.input, origin)


def _for_guide(weights: Pretrained) -> InitialWeights:
    """Returns the convolutions of the weights as awei's guide."""
    origin = (*_origin(weights), "of the guide, frozen; everything else: random initialisation")
    return InitialWeights(
        guide_variables(weights.variables), {}, weights.input, origin, guides=True
    )


def _origin(weights: Pretrained) -> tuple[str, ...]:
    source = weights.source
    place = source.get("url") or source.get("path")
    lines = [f"{weights.name}: {source['kind']} weights from {place}", f"sha256 {source['sha256']}"]
    lines += [f"{name}: {source[name]}" for name in ("license", "citation") if source.get(name)]
    return (*lines, *weights.notes)
