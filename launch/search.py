"""Search hyper-parameters: python -m launch.search --model=cnn4 --dataset=synthetic --trials=20."""

import sys

from absl import flags

from ferjax.config.tool_configs import SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.runtime.child_processes import end_with_parent
from launch.command.app import interrupt_status, refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(SearchConfig)
define_flags(TrainConfig)


def main(arguments: list[str]) -> None:
    """Searches, here or in worker processes; prints the best trial and the path of the report."""
    refuse_arguments(arguments)
    end_with_parent()
    import_user_modules()
    from ferjax.search.run_search import run_search
    from ferjax.search.worker_processes import run_workers

    config, given = SearchConfig(**given_flags(SearchConfig)), given_flags(TrainConfig)
    try:
        if config.workers > 1:
            # If a flag is given twice, the last one counts.
            last = ["--nooverwrite", "--workers=1"]
            command = [sys.executable, "-m", "launch.search", *sys.argv[1:], *last]
            report = run_workers(config, given, command)
        else:
            report = run_search(config, given, imports=flags.FLAGS["import"].value or ())
    except KeyboardInterrupt as error:
        print("stopped; the same command continues the search", file=sys.stderr)
        sys.exit(interrupt_status(error))
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    print(report["summary"])
    if report["command"]:
        print(report["command"])
    print(report["path"])


if __name__ == "__main__":
    run(main)
