"""Speed on a model card: the rows of a `launch.bench --suite=recognisers` report."""

from pathlib import Path
from typing import Any

from ferjax.config.given_files import fitting_values, read_json_object
from ferjax.errors import UserError


def read_speed(path: Path, run_dir: Path) -> dict[str, Any]:
    """Returns commit, processor and the speed of every recogniser in one run of the benchmark.

    Args:
      path: bench.json of the suite.
      run_dir: the exported run, which was one of the benchmark's `--runs`.

    Raises:
      UserError: the file cannot be read, is of another suite, or did not measure the run.
    """
    advice = "Give the bench.json that launch.bench --suite=recognisers wrote."
    with fitting_values(f"--bench={path}", advice):
        report = read_json_object(path, advice)
        rows = [
            {
                # Paths of this machine are private: only the last part is kept.
                "recogniser": Path(row["name"]).name,
                "preprocessing": str(row["preprocessing"]),
                "faces_per_core_second": round(row["faces_per_core_second"]),
                "milliseconds_for_one": round(row["milliseconds"], 2),
            }
            for row in report["recognisers"]
        ]
        environment = {k: v for k, v in report["environment"].items() if k != "command line"}
    names = [row["recogniser"] for row in rows]
    own = run_dir.resolve().name
    if own not in names:
        raise UserError(
            f"--bench={path} measured {', '.join(names)}, not {run_dir}. Measure it with"
            f" launch.bench --suite=recognisers --runs={run_dir}."
        )
    for row in rows:
        if row["recogniser"] == own:
            row["recogniser"] = "this network"
    return {"environment": environment, "rows": rows}
