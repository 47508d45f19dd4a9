"""Speed and memory beside plain XLA and PyTorch: python -m launch.bench --suite=ops --quick."""

from absl import flags

from launch.app import refuse_arguments, run

flags.DEFINE_string("suite", None, "One of: guide, input, jumper, ops, train. Default: all.")
flags.DEFINE_string("cases", None, "Regular expression: only the cases whose names hold it.")
flags.DEFINE_boolean("quick", False, "The main cases, fewer rounds: under 3 minutes.")
flags.DEFINE_string("out", None, "New folder for the report. Default: bench/<suite>-<date>-<time>.")


def main(arguments: list[str]) -> None:
    """Measures, prints the table and the report's path."""
    refuse_arguments(arguments)
    from ferjax.bench.report import terminal_table
    from ferjax.bench.run import run_bench

    values = flags.FLAGS
    results, folder = run_bench(values.suite, values.cases, values.quick, values.out)
    print(terminal_table(results))
    print(folder / "bench.md")


if __name__ == "__main__":
    run(main)
