"""Speed on a model card: the rows of a `launch.bench --suite=recognisers` report."""

from pathlib import Path
from typing import Any

from ferjax.config.given_files import read_json_object
from ferjax.errors import UserError


def read_speed(path: Path, run_dir: Path) -> dict[str, Any]:
    """Returns commit, processor and the speed of every recogniser in one run of the benchmark.

    Args:
      path: bench.json of the suite.
      run_dir: the exported run, which was one of the benchmark's `--runs`.

    Raises:
      UserError: the file cannot be read, is of another suite, or did not measure the run.
    """
    try:
        report = read_json_object(path, "Give a bench.json.")
        environment, rows = report["environment"], report["recognisers"]
        measured = [
            {
                "recogniser": row["name"],
                "preprocessing": row["preprocessing"],
                "faces_per_core_second": round(row["faces_per_core_second"]),
                "milliseconds_for_one": round(row["milliseconds"], 2),
            }
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--bench={path} is no report of the suite recognisers ({type(error).__name__}:"
            f" {error}). Give the bench.json that launch.bench --suite=recognisers wrote."
        ) from None
    names = [row["recogniser"] for row in measured]
    if not any(Path(name).name == run_dir.resolve().name for name in names):
        raise UserError(
            f"--bench={path} measured {', '.join(names)}, not {run_dir}. Measure it with"
            f" launch.bench --suite=recognisers --runs={run_dir}."
        )
    for row in measured:
        # Paths of this machine are private: only the last part is kept.
        name = Path(row["recogniser"]).name
        row["recogniser"] = "this network" if name == run_dir.resolve().name else name
    facts = {key: value for key, value in environment.items() if key != "command line"}
    return {"environment": facts, "rows": measured}
