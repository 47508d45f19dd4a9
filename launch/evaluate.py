"""Evaluate a run on any split or data: python -m launch.evaluate --workdir=RUN --split=test."""

from ferjax.config.tool_configs import EvalConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags
from launch.command.join import join_processes
from launch.command.user_modules import import_user_modules

define_flags(EvalConfig)


def main(arguments: list[str]) -> None:
    """Evaluates, and prints the summary and the path of the report."""
    refuse_arguments(arguments)
    join_processes()
    import_user_modules()
    from ferjax.experiment import run_evaluate
    from ferjax.runtime.progress_lines import say

    report = run_evaluate(EvalConfig(**given_flags(EvalConfig)))
    say(report["summary"])
    say(report["path"])


if __name__ == "__main__":
    run(main)
