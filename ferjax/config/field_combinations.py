"""What binds several fields of a `TrainConfig` together."""

import re
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.phases import phases_of
from ferjax.errors import UserError

# JAX makes keys from 32 bits: a larger seed would repeat a smaller one's run.
LARGEST_SEED = 2**32 - 1

# The schedules of `train.schedules` that take each flag; that module needs JAX.
DECAYS = {
    "decay_rate": ("step", "exponential", "inverse_time", "plateau"),
    "decay_epochs": ("step", "exponential", "plateau"),
}


def check_together(config: Any) -> None:
    """Raises `UserError` where fields of a `TrainConfig` do not fit each other."""
    _check_phases(config)
    _check_batch(config)
    _check_series(config)
    if config.loss == "multi_target" and config.label_smoothing:
        raise UserError(
            f"--label_smoothing={config.label_smoothing}: multi_target smooths by itself (FER+)."
            " Leave the flag out."
        )


def _check_phases(config: Any) -> None:
    warmup = config.warmup_epochs
    for phase in phases_of(config):
        if phase.schedule == "one_cycle" and warmup:
            raise UserError(
                f"--warmup_epochs={warmup}: one_cycle has a warm-up of its own."
                " Leave the flag out, or use --schedule=cosine."
            )
        if warmup > phase.epochs:
            raise UserError(f"--warmup_epochs={warmup} is longer than --epochs={phase.epochs}.")
    for flag, takers in DECAYS.items():
        value, schedules = getattr(config, flag), values_of(config.schedule)
        if value is not None and not set(schedules) & set(takers):
            raise UserError(
                f"--{flag}={value}: --schedule={','.join(schedules)} has none"
                f" ({', '.join(takers)} do). Leave the flag out."
            )
    for pattern in values_of(config.freeze):
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"--freeze={pattern}: no regular expression ({error}).") from None


def _check_batch(config: Any) -> None:
    parts, size = config.accumulate, config.batch_size
    if size % parts:
        low = size // parts * parts
        near = " or ".join(str(number) for number in (low, low + parts) if number)
        raise UserError(
            f"--accumulate={parts} does not divide --batch_size={size}. Batch sizes that it does:"
            f" {near}."
        )


def _check_series(config: Any) -> None:
    for seed in config.seeds:
        if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise UserError(
                f"--seeds names {seed!r}: expected whole numbers, at least 0 and at most"
                f" {LARGEST_SEED}."
            )
    if len(set(config.seeds)) < len(config.seeds):
        raise UserError(f"--seeds={','.join(map(str, config.seeds))} names a seed twice.")
    if config.fold is not None and config.fold > (config.folds or 0):
        raise UserError(f"--fold={config.fold} of --folds={config.folds}: expected 1 to --folds.")
