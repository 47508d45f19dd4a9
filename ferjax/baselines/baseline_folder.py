"""The run directory of a baseline: locked by one command, resumed after a kill, not overwritten."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferjax.config.baseline_config import BaselineConfig, baseline_to_json, differences
from ferjax.config.given_files import read_json_object
from ferjax.data.splits import split_record
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError
from ferjax.runtime.atomic_files import write_atomically
from ferjax.training.run_directory.config_and_lock import (
    CONFIG_FILE,
    lasting_entries,
    run_dir_lock,
)
from ferjax.training.run_directory.splits_file import read_split_record, write_split_record

REPORT = "report.json"


def finished_baseline(config: BaselineConfig) -> dict[str, Any] | None:
    """Returns the report of a finished baseline of this config with its `path`, or None.

    Raises:
      UserError: the folder holds another configuration.
    """
    report = Path(config.folder) / REPORT
    if not report.is_file():
        return None
    _check_config(config)
    values = read_json_object(report, "Remove it: the same command writes it again.")
    return {**values, "path": str(report.with_suffix(".md"))}


def check_folder(config: BaselineConfig) -> None:
    """Raises `UserError` unless the workdir is new, or holds this baseline, not finished."""
    folder = Path(config.folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--workdir={folder} is a file; a folder is expected.")
    entries = lasting_entries(folder)
    if not entries:
        return
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(
            f"--workdir={folder} holds other files ({entries[0].name} ...). Nothing was written;"
            " give an empty or a new folder."
        )
    _check_config(config)
    if (folder / REPORT).is_file():
        raise UserError(
            f"--workdir={folder} holds this baseline already, finished: {folder / 'report.md'}."
            " Nothing was written; give another folder to compute it again."
        )


def _check_config(config: BaselineConfig) -> None:
    """Raises `UserError` if config.json in the workdir differs from this config."""
    path = Path(config.folder) / CONFIG_FILE
    recorded = read_json_object(path, "Give another --workdir.")
    is_other = recorded.get("model") != config.model
    changes = [] if is_other else differences(recorded, config)
    if is_other or changes:
        content = "another run" if is_other else "; ".join(changes)
        raise UserError(
            f"--workdir={config.folder} holds another configuration ({content}). Nothing was"
            " written; give another folder."
        )


@contextlib.contextmanager
def baseline_folder(config: BaselineConfig, bundle: DatasetBundle) -> Iterator[Path]:
    """Creates and locks the workdir, and records config and images there; yields its path.

    Raises:
      UserError: as `check_folder`; or another command writes there, the data have changed since the
        baseline was begun, or the workdir cannot be written.
    """
    folder = Path(config.folder)
    with run_dir_lock(folder):
        check_folder(config)  # another command may have finished since the first check
        recorded = replace(
            config, data_dir=os.path.abspath(config.data_dir) if config.data_dir else None
        )
        write_atomically(folder / CONFIG_FILE, baseline_to_json(recorded))
        _record_or_check_splits(config, bundle, folder)
        yield folder


def _record_or_check_splits(config: BaselineConfig, bundle: DatasetBundle, folder: Path) -> None:
    """Records the images, or raises `UserError` if they differ from those recorded earlier."""
    current_record = split_record.record_splits(
        config.dataset, bundle.classes, bundle.splits, bundle.sources
    )
    earlier_record = read_split_record(folder)
    if earlier_record is None:
        write_split_record(folder, current_record)
    elif changes := split_record.differences(earlier_record, current_record):
        raise UserError(
            f"{folder}: the data have changed since this baseline was begun: {'; '.join(changes)}."
            " Give the data as they were, or another --workdir."
        )
