"""Benchmarks against plain XLA and PyTorch: python -m launch.bench --suite=ops --quick."""

from absl import flags

from launch.app import refuse_arguments, run

flags.DEFINE_string(
    "suite",
    None,
    "One of: guide, input, jumper, loop, ops, scaling, train. Default: all but scaling.",
)
flags.DEFINE_string(
    "cases", None, "Regular expression: only cases (scaling: networks) whose names contain it."
)
flags.DEFINE_boolean("quick", False, "The main cases only, fewer rounds: 4 minutes on 2 cores.")
flags.DEFINE_string("out", None, "New folder for the report. Default: bench/<suite>-<date>-<time>.")


def main(arguments: list[str]) -> None:
    """Measures, and prints the table and the path of the report."""
    refuse_arguments(arguments)
    from ferjax.bench.measure_suites import run_bench
    from ferjax.bench.reporting.report_files import terminal_table
    from ferjax.bench.scaling.report_files import scaling_table
    from ferjax.bench.scaling.run_scaling import run_scaling
    from ferjax.bench.suite_registry import SCALING

    values = flags.FLAGS
    options = values.cases, values.quick, values.out
    if values.suite == SCALING:
        result, folder = run_scaling(*options)
        print(scaling_table(result))
    else:
        results, folder = run_bench(values.suite, *options)
        print(terminal_table(results))
    print(folder / "bench.md")


if __name__ == "__main__":
    run(main)
