"""The environment in which a run was trained: commit, versions, devices, command line."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.given_files import read_json_object
from ferjax.errors import UserError
from ferjax.report.environment import training_process


def training_environment(run_dir: Path, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the environment of the process that saved a checkpoint of a run.

    Checkpoints of earlier versions do not state it. For these it is taken from the run's report; it
    is empty if the report is missing or damaged, or was written again by an earlier version.

    Args:
      run_dir: the run directory.
      meta: the meta of the checkpoint.
    """
    environment = meta.get("environment")
    if environment is None:
        with contextlib.suppress(UserError):
            environment = read_json_object(run_dir / "report.json", "").get("environment")
    return training_process(environment) if isinstance(environment, Mapping) else {}
