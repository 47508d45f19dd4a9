"""Evaluate a run on any split or data: python -m launch.evaluate --workdir=RUN --split=test."""

from ferjax.config.tool_configs import EvalConfig
from launch.app import refuse_arguments, run
from launch.flags import define_flags, given_flags
from launch.join import join_processes, say
from launch.user_modules import import_user_modules

define_flags(EvalConfig)


def main(arguments: list[str]) -> None:
    """Evaluates, and prints what was judged, warnings, the summary and the path of the report."""
    refuse_arguments(arguments)
    join_processes()
    import_user_modules()
    from ferjax.experiment import run_evaluate

    report = run_evaluate(EvalConfig(**given_flags(EvalConfig)))
    for judged in report["judged"]:
        say(f"judged: {judged}")
    for note in report["notes"]:
        say(f"note: {note}")
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    if "images trained on" in report["protocol"]:
        say(f"images trained on: {report['protocol']['images trained on']}")
    say(report["summary"])
    say(report["path"])


if __name__ == "__main__":
    run(main)
