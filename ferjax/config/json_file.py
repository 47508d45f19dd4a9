"""A run's config on disk, and whether two configs are of one run."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ferjax.config.format_versions import FORMAT, KEY, upgraded_config
from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.specs import tupled


def config_to_json(config: TrainConfig) -> str:
    """Returns the config as the text of `config.json`."""
    return json.dumps({KEY: FORMAT, **dataclasses.asdict(config)}, indent=1) + "\n"


def config_from_json(text: str, where: str) -> TrainConfig:
    """Returns the config that `config_to_json` wrote.

    Args:
      text: the JSON text.
      where: the file it came from, for the error.

    Raises:
      UserError: no JSON, or a format or field that this version does not know.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not valid JSON ({error}). Was it edited by hand?") from None
    if not isinstance(values, dict):
        raise UserError(f"{where}: a JSON object expected, found {type(values).__name__}.")
    values = upgraded_config(values, where)
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    for name in values:
        if name not in known:
            raise UserError(f"{where}: field {name!r} is not known to this version of ferjax.")
    return make_config(values)


def make_config(values: Mapping[str, Any]) -> TrainConfig:
    """Returns a config from plain values, lists turned into tuples."""
    return TrainConfig(**tupled(values))


def resume_conflicts(old: TrainConfig, new: TrainConfig) -> list[str]:
    """Returns what forbids resuming run `old` under `new`, one `field: old → new` each.

    Fields that do not decide the numbers may differ; the epochs of the last phase may grow under a
    constant schedule.
    """
    conflicts = []
    for field in dataclasses.fields(TrainConfig):
        a, b = getattr(old, field.name), getattr(new, field.name)
        grows = field.name == "epochs" and _grows(old, new)
        if a != b and not field.metadata["free"] and not grows:
            conflicts.append(f"{field.name}: {a} → {b}")
    return conflicts


def _grows(old: TrainConfig, new: TrainConfig) -> bool:
    """Returns whether the last phase alone is longer in `new`, at a constant rate."""
    *before, last = phases_of(old)
    *again, longer = phases_of(new)
    return before == again and longer.schedule == "constant" and longer.epochs >= last.epochs
