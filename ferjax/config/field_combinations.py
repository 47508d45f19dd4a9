"""Validation across fields of a config: phases, batch, seeds and folds, loss, one network."""

import dataclasses
import re
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.phases import phases_of
from ferjax.errors import UserError

# JAX makes keys from 32 bits: a larger seed would give the same run as a smaller one.
LARGEST_SEED = 2**32 - 1

# Losses whose soft targets sum to 1.
_LOSSES_OF_SHARES = ("cross_entropy", "focal")

# Flag → the learning rate schedules that use it. The schedules' own module imports JAX.
DECAYS = {
    "decay_rate": ("step", "exponential", "inverse_time", "plateau"),
    "decay_epochs": ("step", "exponential", "plateau", "cosine_restarts"),
}


def check_combinations(config: Any) -> None:
    """Raises `UserError` if fields of a `TrainConfig` do not fit each other."""
    _check_phases(config)
    _check_batch(config)
    _check_series(config)
    _check_views(config)
    _check_teachers(config)
    _check_loss(config)


def check_one_network(config: Any) -> None:
    """Raises `UserError` if a config names a run and a weights file, or one of them is empty."""
    for field in dataclasses.fields(config):
        # An unset shell variable gives an empty name; it does not mean the default network.
        if field.name in ("workdir", "weights") and field.default != "":
            value = getattr(config, field.name)
            if value == "" or (isinstance(value, tuple) and "" in value):
                raise UserError(f"--{field.name} is empty. Name one, or leave the flag out.")
    if config.workdir and config.weights:
        runs = config.workdir if isinstance(config.workdir, str) else ",".join(config.workdir)
        raise UserError(
            f"--workdir={runs} and --weights={config.weights}: two networks. Leave one of"
            " the two out."
        )


def doubled_corrections(config: Any) -> list[str]:
    """Returns a sentence for each pair of flags of a `TrainConfig` that corrects one thing twice.

    Such a pair is allowed, because each flag works; the combined effect is rarely intended.
    """
    if not config.balance or config.class_weights == "none":
        return []
    return [
        f"--balance and --class_weights={config.class_weights} correct class imbalance twice: every"
        " class is drawn equally often, and rare classes weigh more in the loss besides. One of the"
        " two is enough."
    ]


def _check_phases(config: Any) -> None:
    warmup = config.warmup_epochs
    for phase in phases_of(config):
        if phase.schedule == "one_cycle" and warmup:
            raise UserError(
                f"--warmup_epochs={warmup}: one_cycle has a warm-up of its own."
                " Give --warmup_epochs=0, or use --schedule=cosine."
            )
        if warmup > phase.epochs:
            raise UserError(f"--warmup_epochs={warmup} is longer than --epochs={phase.epochs}.")
    for flag, takers in DECAYS.items():
        value, schedules = getattr(config, flag), values_of(config.schedule)
        if value is not None and not set(schedules) & set(takers):
            raise UserError(
                f"--{flag}={value}: --schedule={','.join(schedules)} does not use it"
                f" ({', '.join(takers)} do). Leave the flag out."
            )
    for pattern in values_of(config.freeze):
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"--freeze={pattern}: not a regular expression ({error}).") from None


def _check_batch(config: Any) -> None:
    parts, size = config.accumulate, config.batch_size
    if size % parts:
        low = size // parts * parts
        near = " or ".join(str(number) for number in (low, low + parts) if number)
        raise UserError(
            f"--accumulate={parts} does not divide --batch_size={size}. Nearest batch sizes that"
            f" work: {near}."
        )


def _check_loss(config: Any) -> None:
    if config.loss == "multi_target" and config.label_smoothing:
        raise UserError(
            f"--label_smoothing={config.label_smoothing}: --loss=multi_target (FER+) smooths the"
            " labels itself. Give --label_smoothing=0."
        )
    if config.loss == "multi_target" and config.labels == "crossentropy":
        raise UserError(
            "--labels=crossentropy with --loss=multi_target: that loss takes targets of 0 and 1,"
            " and these labels are shares of the votes. Give --labels=multi_target, or use"
            " --loss=cross_entropy."
        )
    if config.labels == "multi_target" and config.loss in _LOSSES_OF_SHARES:
        raise UserError(
            f"--labels=multi_target with --loss={config.loss}: that loss takes shares that sum to"
            " 1, and these labels are 1 for each of up to three emotions. Give"
            " --loss=multi_target, or use --labels=crossentropy."
        )


def _check_views(config: Any) -> None:
    if config.views == 1:
        return
    if config.augment == "none":
        raise UserError(
            f"--views={config.views} with --augment=none: all views of an image would be equal."
            " Give --augment=fer, or leave --views out."
        )
    if config.feature_cache == "on":
        raise UserError(
            f"--views={config.views} with --feature_cache=on: a stored feature is of one view."
            " Leave one of the two out."
        )


def _check_teachers(config: Any) -> None:
    if "" in config.teacher:
        raise UserError("--teacher is empty: name a run, or leave the flag out.")
    if not config.teacher and config.teacher_weight != type(config).teacher_weight:
        raise UserError(f"--teacher_weight={config.teacher_weight:g} without --teacher: name one.")
    if config.teacher and config.loss == "multi_target":
        raise UserError(
            "--teacher with --loss=multi_target: that loss takes targets of 0 and 1, and a teacher"
            " gives shares. Use --loss=cross_entropy."
        )


def _check_series(config: Any) -> None:
    for seed in config.seeds:
        if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise UserError(
                f"--seeds contains {seed!r}: expected integers from 0 to {LARGEST_SEED}."
            )
    if len(set(config.seeds)) < len(config.seeds):
        raise UserError(f"--seeds={','.join(map(str, config.seeds))} contains a seed twice.")
    if config.protocol is not None and config.folds is not None:
        raise UserError(
            f"--protocol={config.protocol} with --folds={config.folds}: both say how the data are"
            " cut. Leave one of the two out."
        )
    if config.fold is not None and config.folds is None:
        raise UserError(f"--fold={config.fold} needs --folds, the number of folds.")
    if config.fold is not None and config.fold > config.folds:
        raise UserError(f"--fold={config.fold} of --folds={config.folds}: expected 1 to --folds.")
