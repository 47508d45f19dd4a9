"""Classical baselines: python -m launch.baseline --features=lpq --dataset=sfew --data_dir=..."""

import sys

from ferjax.config.baseline_config import BaselineConfig
from launch.command.app import interrupt_status, refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.user_modules import import_user_modules

define_flags(BaselineConfig)


def main(arguments: list[str]) -> None:
    """Trains and judges a baseline; prints its warnings, the summary and the report's path."""
    refuse_arguments(arguments)
    import_user_modules()
    from ferjax.baselines.run_baseline import run_baseline

    try:
        report = run_baseline(BaselineConfig(**given_flags(BaselineConfig)))
    except KeyboardInterrupt as error:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(interrupt_status(error))
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    print(report["summary"])
    print(report["path"])


if __name__ == "__main__":
    run(main)
