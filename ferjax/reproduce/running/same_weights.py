"""Whether a finished run started from the file of weights that `--weights` names now."""

from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.checksums import file_digest
from ferjax.training.run_directory.checkpoints import latest_meta


def check_same_weights(pretrained: str | None, run_dir: Path) -> None:
    """Raises `UserError` where a run started from a file with another content than the one given.

    Of a file a run's config has the path, and a report the name, which another file may have too;
    the run's checkpoints say its sha256.

    Args:
      pretrained: of the run's config; names of published weights and folders of runs are let pass.
      run_dir: the finished run.
    """
    if not pretrained or not Path(pretrained).is_file():
        return
    initial = (latest_meta(run_dir) or {}).get("start") or {}
    found = [line for line in initial.get("origin", ()) if line.startswith("sha256 ")]
    given = f"sha256 {file_digest(Path(pretrained))}"
    if found and given not in found:
        raise UserError(
            f"{run_dir} started from other weights ({found[0][:19]}...) than"
            f" {Path(pretrained).name} has now ({given[:19]}...). Name a new --out, or give the"
            " file that it was made with."
        )
