"""Compare runs on the same images: python -m launch.compare [--out=FOLDER] RUN RUN..."""

from ferjax.config.compare_config import CompareConfig
from launch.command.app import run
from launch.command.flags import define_flags, given_flags

define_flags(CompareConfig)


def main(arguments: list[str]) -> None:
    """Writes the report; prints which run is ahead, and the path of the report."""
    from ferjax.evaluation.comparison.compare_runs import compare_runs

    report = compare_runs(CompareConfig(**given_flags(CompareConfig)), arguments)
    print(report["summary"])
    print(report["path"])


if __name__ == "__main__":
    run(main)
