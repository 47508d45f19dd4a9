"""Initial weights from published weights, from another run, or from the own checkpoint."""

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
    """Returns whether a config names no weights; a recipe's are declined by `none`."""
    return config.pretrained in (None, "none")


def _own_meta(config: TrainConfig) -> dict[str, Any] | None:
    """Returns what the run's own latest checkpoint says, or None where it has saved none yet.

    With `overwrite` what is there is another run.
    """
    own = Path(config.workdir or "")
    meta = latest_meta(own)
    if meta and Path(config.pretrained or "").expanduser().resolve() == own.resolve():
        raise UserError(
            f"--pretrained={config.pretrained} is this run's own --workdir. Give another run, or"
            " continue this one with --resume and its own settings."
        )
    return None if config.overwrite else meta


def required_channels(config: TrainConfig) -> int | None:
    """Returns the image channels that the weights demand, else the network, or None for any.

    Raises:
      UserError: `channels` says otherwise, or the weights are a run that cannot be taken.
    """
    if has_random_initialisation(config):
        return model_entry(config.model).channels
    if meta := _own_meta(config):
        return meta["spec"]["channels"]
    run = named_run(config)
    demanded = channels_of_run(run) if run and weights_model(config) == config.model else 3
    if config.channels not in (None, demanded):
        becomes = "grey images are repeated" if demanded == 3 else "colour images become grey"
        raise UserError(
            f"--channels={config.channels}: --pretrained={config.pretrained} takes {demanded}."
            f" Leave the flag out: {becomes}."
        )
    return demanded


def load_initial_weights(
    config: TrainConfig, fields: Mapping[str, Any], classes: Sequence[str]
) -> InitialWeights | None:
    """Returns what a run starts from; None for random weights.

    A run that has saved a checkpoint needs neither cache nor network, nor the run it started from:
    what the weights demanded stands in its meta, and their values in its state.

    Args:
      config: the run's.
      fields: module fields the config sets.
      classes: names of the run's logits.

    Raises:
      UserError: weights that cannot be had, or that do not fit the network.
    """
    model = weights_model(config)
    guided = model != config.model
    if has_random_initialisation(config):
        if guided:
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
        known = ", ".join(name for name, entry in MODELS.items() if entry.family)
        raise UserError(
            f"--pretrained={config.pretrained} is no run, and no weights are published for {model}."
            f" Give none, name a run of {model}, or take one of: {known}."
        )
    weights = load_pretrained(
        config.pretrained or "",
        model,
        abstract_variables,
        offline=config.offline,
        progress=config.progress,
    )
    return _for_guide(weights) if guided else _for_network(weights, fields)


def _for_network(weights: Pretrained, fields: Mapping[str, Any]) -> InitialWeights:
    """Returns the weights without their head, for a network with `fields` and classes of its own.

    Hidden layers before the head are kept where all of them fit, else all are new.
    """
    wanted = abstract_variables(weights.model, 0, **{**weights.fields, **fields})
    fit = match_variables(weights.variables, wanted)
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
