"""Reproduce a paper, claim by claim: python -m launch.reproduce --paper=yang --data_dir=..."""

import sys
from pathlib import Path

from ferjax.config.reproduce_config import ReproduceConfig
from launch.command.app import interrupt_status, refuse_arguments, run
from launch.command.flags import define_flags, given_flags

define_flags(ReproduceConfig)


def main(arguments: list[str]) -> None:
    """Reproduces a paper or a study, or checks a report; prints the summary and the page's path."""
    refuse_arguments(arguments)
    config = ReproduceConfig(**given_flags(ReproduceConfig))
    if config.verify:
        from ferjax.reproduce.command.verify_report import verify_report

        differences, count = verify_report(Path(config.verify))
        for line in differences:
            print(line)
        print(f"{count} cells compared, {len(differences)} differences")
        sys.exit(bool(differences))
    from ferjax.reproduce.command.run_reproduce import run_reproduce
    from ferjax.reproduce.command.run_study import run_study

    try:
        report = run_study(config) if config.study else run_reproduce(config)
    except KeyboardInterrupt as error:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(interrupt_status(error))
    for sentence in report["summary"]["sentences"]:
        print(sentence)
    print(report["path"])


if __name__ == "__main__":
    run(main)
