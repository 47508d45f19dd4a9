"""What a search is asked to do, and whether a folder holds the study of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import ferjax
from ferjax.config.tool_configs import SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve
from ferjax.runtime.atomic_files import write_atomically
from ferjax.search.search_space import DEFAULT_SPACE, Space, format_space, parse_space, settings_of

STUDY_FILE = "study.json"
# Processes' own files, which do not make a folder a study.
WORKERS, LOCK_FILE = "workers", ".lock"


@dataclass(frozen=True)
class Search:
    """A search, checked as far as that goes without data.

    Attributes:
      config: how to search.
      fixed: `TrainConfig` fields given for every trial.
      base: those as a full config.
      space: what varies.
      out: the study's folder.
    """

    config: SearchConfig
    fixed: Mapping[str, Any]
    base: TrainConfig
    space: Space
    out: Path


def plan_search(config: SearchConfig, given: Mapping[str, Any]) -> Search:
    """Returns the search of two sets of flags.

    Args:
      config: how to search.
      given: `TrainConfig` fields set explicitly: those of every trial.

    Raises:
      UserError: settings that no trial can have, or a field that is given and varies.
    """
    fixed = {name: value for name, value in given.items() if name != "resume"}
    if "workdir" in fixed:
        raise UserError("--workdir: each trial has a folder of its own. Give the study's as --out.")
    base = resolve(fixed)
    if base.seeds or (base.folds and base.fold is None):
        raise UserError(
            "--seeds and --folds make several runs, and a trial is one. Search first, then train"
            " what is best with them; or give one --fold."
        )
    space = parse_space(config.space or DEFAULT_SPACE)
    both = [name for name in space if name in fixed]
    if both and config.space:
        raise UserError(f"--space varies {both[0]}, and --{both[0]} is given: leave one out.")
    space = {name: values for name, values in space.items() if name not in both}
    if not space:
        raise UserError("nothing varies: every field of the default space is given. Give --space.")
    out = Path(config.out or f"runs/search-{base.model}-{base.dataset}")
    return Search(config, fixed, base, space, out)


def trial_folder(number: int) -> str:
    """Returns the name of a trial's run directory."""
    return f"trial_{number:04}"


def trial_config(search: Search, point: Mapping[str, Any], number: int) -> TrainConfig:
    """Returns the config of a trial at a point of the space.

    Raises:
      UserError: values that do not go together.
    """
    settings = settings_of(search.space, point)
    place = {"workdir": str(search.out / trial_folder(number)), "resume": True}
    return resolve({**search.fixed, **settings, **place})


def check_study(search: Search) -> bool:
    """Returns whether the folder holds this study; False where it is new or empty.

    Raises:
      UserError: the folder holds another study, or something else.
    """
    out = search.out
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out} is a file; a folder is expected.")
    path = out / STUDY_FILE
    if not path.is_file():
        entries = [p.name for p in out.iterdir()] if out.exists() else []
        if others := sorted(set(entries) - {WORKERS, LOCK_FILE}):
            raise UserError(
                f"--out={out} holds {len(others)} other entries ({others[0]} ...) and no study."
                " Nothing was written; give an empty or a new folder."
            )
        return False
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}). Was it edited by hand?") from None
    new = _identity(search)
    # A field that is younger than the study had its default then.
    before = {**_plain(_defaults(search)), **old}
    differ = [f"{k}: {before[k]} → {v}" for k, v in new.items() if before[k] != v]
    if differ:
        raise UserError(
            f"--out={out} holds another study ({'; '.join(differ)}). Nothing was written; give"
            " another --out, or the study's own settings."
        )
    return True


def write_study(search: Search) -> None:
    """Writes down what a new study is of.

    Raises:
      UserError: the folder cannot be written.
    """
    stamp = {"ferjax": ferjax.__version__, **_identity(search)}
    text = json.dumps(stamp, indent=1, ensure_ascii=False) + "\n"
    write_atomically(search.out / STUDY_FILE, text.encode())


def _identity(search: Search) -> dict[str, Any]:
    """Returns what makes trials comparable."""
    configs = {**asdict(search.base), **asdict(search.config)}
    own = {name: configs[name] for name in _defaults(search)}
    return _plain({**own, "space": format_space(search.space)})


def _defaults(search: Search) -> dict[str, Any]:
    """Returns the fields that all trials of a study share, with their defaults."""
    return {
        field.name: field.default
        for field in (*fields(TrainConfig), *fields(SearchConfig))
        if not field.metadata["free"] and field.name not in search.space
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values as JSON reads them back."""
    return json.loads(json.dumps(values))
