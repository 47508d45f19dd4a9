"""Benchmarks beside plain XLA, PyTorch and other recognisers: python -m launch.bench --quick."""

from absl import flags

from ferjax.config.tool_configs import RecognisersConfig
from ferjax.errors import UserError
from launch.app import refuse_arguments, run
from launch.flags import define_flags, given_flags

flags.DEFINE_string(
    "suite",
    None,
    "One of: guide, input, jumper, loop, ops, recognisers, scaling, train. Default: all but"
    " recognisers and scaling.",
)
flags.DEFINE_string(
    "cases",
    None,
    "Regular expression: only cases (scaling: networks; recognisers: theirs) whose names contain"
    " it.",
)
flags.DEFINE_boolean("quick", False, "The main cases only, fewer rounds: 4 minutes on 2 cores.")
flags.DEFINE_string("out", None, "New folder for the report. Default: bench/<suite>-<date>-<time>.")
define_flags(RecognisersConfig)


def main(arguments: list[str]) -> None:
    """Measures, and prints the table and the path of the report."""
    refuse_arguments(arguments)
    from ferjax.bench.suite_registry import RECOGNISERS, SCALING

    values, given = flags.FLAGS, given_flags(RecognisersConfig)
    options = values.cases, values.quick, values.out
    if values.suite == RECOGNISERS:
        from ferjax.bench.recognisers.report_files import recognisers_table
        from ferjax.bench.recognisers.run_recognisers import run_recognisers

        result, folder = run_recognisers(RecognisersConfig(**given), *options)
        table = recognisers_table(result)
    elif given:
        raise UserError(f"--{min(given)} belongs to --suite={RECOGNISERS}; leave it out.")
    elif values.suite == SCALING:
        from ferjax.bench.scaling.report_files import scaling_table
        from ferjax.bench.scaling.run_scaling import run_scaling

        result, folder = run_scaling(*options)
        table = scaling_table(result)
    else:
        from ferjax.bench.measure_suites import run_bench
        from ferjax.bench.reporting.report_files import terminal_table

        results, folder = run_bench(values.suite, *options)
        table = terminal_table(results)
    print(table)
    print(folder / "bench.md")


if __name__ == "__main__":
    run(main)
