"""Speed and memory beside plain XLA and PyTorch: python -m launch.bench --suite=ops --quick."""

from absl import flags

from launch.app import refuse_arguments, run

flags.DEFINE_string(
    "suite",
    None,
    "One of: guide, input, jumper, loop, ops, scaling, train. Default: all but scaling.",
)
flags.DEFINE_string(
    "cases", None, "Regular expression: only the cases (scaling: networks) whose names hold it."
)
flags.DEFINE_boolean("quick", False, "The main cases, fewer rounds: 4 minutes on 2 cores.")
flags.DEFINE_string("out", None, "New folder for the report. Default: bench/<suite>-<date>-<time>.")


def main(arguments: list[str]) -> None:
    """Measures, prints the table and the report's path."""
    refuse_arguments(arguments)
    from ferjax.bench.reporting.report_files import terminal_table
    from ferjax.bench.run_suites import run_bench
    from ferjax.bench.scaling.report_files import scaling_table
    from ferjax.bench.scaling.run_scaling import run_scaling
    from ferjax.bench.suite_registry import SCALING

    values = flags.FLAGS
    chosen = values.cases, values.quick, values.out
    if values.suite == SCALING:
        outcome, folder = run_scaling(*chosen)
        print(scaling_table(outcome))
    else:
        results, folder = run_bench(values.suite, *chosen)
        print(terminal_table(results))
    print(folder / "bench.md")


if __name__ == "__main__":
    run(main)
