"""Checks that a finished run started from the weights file that `--weights` names now."""

from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.checksums import file_digest
from ferjax.training.run_directory.checkpoints import latest_meta


def check_same_weights(pretrained: str | None, run_dir: Path) -> None:
    """Raises `UserError` if a run started from a file with another content than the one given.

    The config of a run states the path of the file, and its report the name; another file may have
    the same path and name. The checkpoints of the run state the sha256 of the file.

    Args:
      pretrained: `pretrained` of the run's config; names of published weights and folders of runs
        are not checked.
      run_dir: the finished run.
    """
    if not pretrained or not Path(pretrained).is_file():
        return
    initial = (latest_meta(run_dir) or {}).get("start") or {}
    recorded = [line for line in initial.get("origin", ()) if line.startswith("sha256 ")]
    current = f"sha256 {file_digest(Path(pretrained))}"
    if recorded and current not in recorded:
        raise UserError(
            f"{run_dir} started from other weights ({recorded[0][:19]}...) than"
            f" {Path(pretrained).name} has now ({current[:19]}...). Name a new --out, or give the"
            " file that it was made with."
        )
