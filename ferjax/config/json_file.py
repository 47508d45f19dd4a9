"""config.json of a run: writing, reading, and which fields may change when a run is resumed."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.baseline_config import MARK
from ferjax.config.format_versions import FORMAT, KEY, upgrade_config
from ferjax.config.given_files import fitting_values, parse_json, read_json
from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, unknown_name
from ferjax.specs import lists_to_tuples

_ADVICE = "Was it edited by hand?"
_NAMES = tuple(field.name for field in dataclasses.fields(TrainConfig))


def config_to_json(config: TrainConfig) -> str:
    """Returns the text of `config.json`."""
    return json.dumps({KEY: FORMAT, **dataclasses.asdict(config)}, indent=1) + "\n"


def config_from_json(text: str, where: str) -> TrainConfig:
    """Returns the config that `config_to_json` wrote.

    Args:
      text: the JSON text.
      where: the file, for the error.

    Raises:
      UserError: invalid JSON, or a format or field unknown to this version.
    """
    return _config_from_values(parse_json(text, where, _ADVICE), where)


def read_config_file(path: Path) -> TrainConfig:
    """Returns the config in a config.json; raises `UserError` as `config_from_json` does."""
    return _config_from_values(read_json(path, _ADVICE), str(path))


def _config_from_values(values: Any, where: str) -> TrainConfig:
    if not isinstance(values, dict):
        raise UserError(f"{where}: a JSON object expected, found {type(values).__name__}.")
    if MARK in values:
        raise UserError(
            f"{where}: of a classical baseline (launch.baseline), which has no network. Its report"
            " is beside it; launch.gallery shows it beside runs."
        )
    return _make_config_of_file(upgrade_config(values, where), where)


def config_of_report(report: Mapping[str, Any], where: str) -> TrainConfig:
    """Returns the config of a run from the content of its report.json.

    Args:
      report: the content.
      where: the file, for the error.

    Raises:
      UserError: a format or field unknown to this version.
    """
    with fitting_values(where, _ADVICE):
        values = {KEY: report.get(KEY, 1), **report["config"]}
    return _make_config_of_file(upgrade_config(values, where), where)


def _make_config_of_file(values: Mapping[str, Any], where: str) -> TrainConfig:
    for name in values:
        if name not in _NAMES:
            raise UserError(f"{where}: field {name!r} is unknown to this version of ferjax.")
    try:
        with fitting_values(where, _ADVICE):
            return make_config(values)
    except UserError as error:
        # The errors of the fields' checks name the flag and not the file.
        if str(error).startswith(where):
            raise
        raise UserError(f"{where}: {error}") from None


def make_config(values: Mapping[str, Any]) -> TrainConfig:
    """Returns a config from JSON values; lists become tuples.

    Raises:
      UserError: an unknown field, or a value that its field does not allow.
    """
    check_settings(values)
    return TrainConfig(**lists_to_tuples(values))


def check_settings(values: Mapping[str, Any]) -> None:
    """Raises `UserError` for a name that is no field of `TrainConfig`; it suggests the nearest."""
    for name in values:
        if name not in _NAMES:
            raise unknown_name("setting", str(name), _NAMES)


def resume_conflicts(old: TrainConfig, new: TrainConfig) -> list[str]:
    """Returns the fields that forbid resuming run `old` with `new`, each as `field: old → new`.

    Fields that do not change results (`free`) may differ. The last phase may get more epochs if its
    schedule is constant.
    """
    conflicts = []
    for field in dataclasses.fields(TrainConfig):
        old_value, new_value = getattr(old, field.name), getattr(new, field.name)
        extended = field.name == "epochs" and _only_extends_last_phase(old, new)
        if old_value != new_value and not field.metadata["free"] and not extended:
            conflicts.append(f"{field.name}: {old_value} → {new_value}")
    return conflicts


def _only_extends_last_phase(old: TrainConfig, new: TrainConfig) -> bool:
    """Returns whether only the last phase is longer in `new`, with a constant schedule."""
    *old_phases, old_last = phases_of(old)
    *new_phases, new_last = phases_of(new)
    constant = new_last.schedule == "constant"
    return old_phases == new_phases and constant and new_last.epochs >= old_last.epochs
