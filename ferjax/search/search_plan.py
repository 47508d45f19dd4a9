"""Plan of a hyper-parameter search: settings, search space, study folder and its `study.json`."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import ferjax
from ferjax.config.given_files import read_json_object
from ferjax.config.idle_flags import IDLE_RULES
from ferjax.config.tool_configs import SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve_with_idle
from ferjax.runtime.atomic_files import write_atomically
from ferjax.search.compared_networks import base_configs
from ferjax.search.search_space import (
    DEFAULT_SPACE,
    Space,
    choices_only,
    format_space,
    parse_space,
    settings_from_point,
)

STUDY_FILE = "study.json"
# Files of the worker processes; a folder with only these files is not yet a study.
WORKERS, LOCK_FILE = "workers", ".lock"
_DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class Search:
    """A search whose settings have been checked, as far as this is possible without data.

    Attributes:
      config: settings of the search.
      fixed: `TrainConfig` fields set explicitly, the same in every trial.
      bases: the full config with these fields, for each network that is compared.
      space: the search space.
      trials: total number of trials; with the sampler `grid` at most the number of combinations.
      out: the folder of the study.
      overwrite: whether an earlier study there is moved aside.
      imports: modules of the user that a command must import, because they register names.
    """

    config: SearchConfig
    fixed: Mapping[str, Any]
    bases: tuple[TrainConfig, ...]
    space: Space
    trials: int
    out: Path
    overwrite: bool = False
    imports: tuple[str, ...] = ()

    @property
    def base(self) -> TrainConfig:
        """The config of the only network, or of the first one."""
        return self.bases[0]


def plan_search(
    config: SearchConfig, given: Mapping[str, Any], imports: Sequence[str] = ()
) -> Search:
    """Returns the search for the flags of the search and those of its trials.

    Args:
      config: settings of the search.
      given: `TrainConfig` fields set explicitly, used in every trial.
      imports: modules of the user that register names.

    Raises:
      UserError: settings that no trial can have, or a field that is both given and varied.
    """
    run_flags = ("resume", "overwrite")
    fixed = {name: value for name, value in given.items() if name not in run_flags}
    if "workdir" in fixed:
        raise UserError(
            "--workdir: each trial has its own folder. Give the study's folder as --out."
        )
    if isinstance(fixed.get("epochs"), str):
        raise UserError(
            f"--epochs={fixed['epochs']}: trials are new runs. Give a number without +."
        )
    space = parse_space(config.space or DEFAULT_SPACE)
    fixed_and_default = [name for name in space if name in fixed]
    if fixed_and_default and config.space:
        name = fixed_and_default[0]
        raise UserError(f"--space varies {name}, and --{name} is given: leave one of them out.")
    space = {name: values for name, values in space.items() if name not in fixed_and_default}
    if not space:
        raise UserError(
            "there is nothing to search: every field of the default space is given. Give --space."
        )
    bases = base_configs(fixed, space)
    if any(base.seeds or (base.folds and base.fold is None) for base in bases):
        raise UserError(
            "--seeds and --folds make several runs, but a trial is one run. Search first, then"
            " train the best settings with these flags; or give one --fold."
        )
    trials = _total_trials(config, space)
    model = "models" if "model" in space else bases[0].model
    out = Path(config.out or f"runs/search-{model}-{bases[0].dataset}")
    overwrite = bool(given.get("overwrite"))
    if overwrite or not (out / STUDY_FILE).is_file():
        _refuse_idle_fields(fixed, space, bases)
    return Search(config, fixed, bases, space, trials, out, overwrite, tuple(imports))


def _refuse_idle_fields(
    fixed: Mapping[str, Any], space: Space, bases: Sequence[TrainConfig]
) -> None:
    """Raises `UserError` for a field, given or varied, that has no effect in any trial."""
    for name, rule in IDLE_RULES.items():
        reasons = [rule.reason(vars(base)) for base in bases]
        if not all(reasons) or set(rule.decided_by) & set(space):
            continue
        if name in space:
            raise UserError(f"--space varies {name}: {reasons[0]}. Leave {name} out.")
        if name in fixed and fixed[name] != getattr(TrainConfig, name):
            raise UserError(f"--{name}={fixed[name]}: {reasons[0]}. Leave the flag out.")


def _total_trials(config: SearchConfig, space: Space) -> int:
    """Returns the number of trials; raises `UserError` for a grid of a space with a range."""
    if config.sampler != "grid":
        return config.trials or _DEFAULT_TRIALS
    choices = choices_only(space)
    if choices is None:
        raise UserError(
            "--sampler=grid tries every combination of choices, and --space has a range. Write"
            " choices, as in learning_rate=0.01|0.1, or take another sampler."
        )
    combinations = math.prod(map(len, choices.values()))
    return min(config.trials or combinations, combinations)


def trial_folder(number: int) -> str:
    """Returns the name of a trial's run directory."""
    return f"trial_{number:04}"


def trial_config(search: Search, point: Mapping[str, Any], number: int) -> TrainConfig:
    """Returns the config of a trial at a point of the search space.

    Raises:
      UserError: values that do not fit each other.
    """
    settings = settings_from_point(search.space, point)
    workdir = {"workdir": str(search.out / trial_folder(number)), "resume": True}
    # The search has a line for each trial and a bar of its own.
    return resolve_with_idle({**search.fixed, **settings, **workdir, "progress": False})


def study_exists(search: Search) -> bool:
    """Returns whether the folder holds this study; False if it is new or empty.

    Raises:
      UserError: the folder holds another study, or something else.
    """
    out = search.out
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out} is a file; a folder is expected.")
    path = out / STUDY_FILE
    if not path.is_file():
        entries = [p.name for p in out.iterdir()] if out.exists() else []
        # Another worker may be writing the study at this moment, in a temporary file.
        entries = [name for name in entries if not name.startswith(f".{STUDY_FILE}.")]
        if others := sorted(set(entries) - {WORKERS, LOCK_FILE}):
            raise UserError(
                f"--out={out} holds {len(others)} other entries ({others[0]} ...) and no study."
                " Nothing was written; give an empty or a new folder."
            )
        return False
    if changes := changed_settings(search):
        raise UserError(
            f"--out={out} holds another study ({'; '.join(changes)}). Nothing was written; give"
            " another --out, the study's own settings, or --overwrite to move it aside."
        )
    return True


def changed_settings(search: Search) -> list[str]:
    """Returns the settings in which the study on disk differs, each as `field: old → new`.

    Raises:
      UserError: its `study.json` is damaged.
    """
    path = search.out / STUDY_FILE
    old = read_json_object(path, "Was it edited by hand?")
    new = _shared_settings(search)
    # A field that ferjax did not have when the study was made had the effect of its default value.
    old_settings = {**_json_round_trip(_defaults(search)), **old}
    # A study of other networks has no settings of the recipes of this one.
    changed = {k: v for k, v in new.items() if k not in old_settings or old_settings[k] != v}
    return [f"{k}: {old_settings.get(k, 'none')} → {v}" for k, v in changed.items()]


def write_study(search: Search) -> None:
    """Writes `study.json`, with the settings that all trials of a new study share.

    Raises:
      UserError: the folder cannot be written.
    """
    stamp = {"ferjax": ferjax.__version__, **_shared_settings(search)}
    text = json.dumps(stamp, indent=1, ensure_ascii=False) + "\n"
    write_atomically(search.out / STUDY_FILE, text)


def _shared_settings(search: Search) -> dict[str, Any]:
    """Returns the settings that all trials share, and the space, as JSON values."""
    names = _defaults(search)
    configs = {**asdict(search.base), **asdict(search.config)}
    shared = {name: configs[name] for name in names}
    for other in search.bases[1:]:
        settings = asdict(other)
        text = json.dumps({name: settings.get(name) for name in names}, sort_keys=True)
        shared[f"recipe of {other.model}"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return _json_round_trip({**shared, "space": format_space(search.space)})


def _defaults(search: Search) -> dict[str, Any]:
    """Returns the fields that all trials of a study share, with their defaults."""
    return {
        field.name: field.default
        for field in (*fields(TrainConfig), *fields(SearchConfig))
        if not field.metadata["free"] and field.name not in search.space
    }


def _json_round_trip(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values as they are after writing and reading JSON (tuples become lists)."""
    return json.loads(json.dumps(values))
