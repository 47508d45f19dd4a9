"""Benchmarks beside plain XLA, PyTorch and other recognisers: python -m launch.bench --quick."""

from absl import flags

from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.config.tool_configs import GpuBenchConfig, PredictBenchConfig, RecognisersConfig
from launch.command.app import refuse_arguments, run
from launch.command.flags import define_flags, given_flags

flags.DEFINE_string(
    "suite",
    None,
    "One of: exports, forward, gpu, growth, guide, input, jumper, loop, ops, predict, recognisers,"
    " scaling, speedrun, train. Default: guide, input, jumper, loop, ops and train.",
)
flags.DEFINE_string(
    "cases",
    None,
    "Regular expression: only cases (scaling: networks; recognisers: theirs; predict and growth:"
    " parts; speedrun: sides) whose names contain it.",
)
flags.DEFINE_boolean("quick", False, "The main cases only, fewer rounds: 4 minutes on 2 cores.")
flags.DEFINE_string("out", None, "New folder for the report. Default: bench/<suite>-<date>-<time>.")
_SUITE_CONFIGS = (GpuBenchConfig, PredictBenchConfig, RecognisersConfig, SpeedrunConfig)
for _config in _SUITE_CONFIGS:
    # The suites recognisers and speedrun share the flag of the data.
    define_flags(_config, shared=("data_dir",) if _config is SpeedrunConfig else ())


def main(arguments: list[str]) -> None:
    """Measures, and prints the table and the path of the report."""
    refuse_arguments(arguments)
    from ferjax.bench.command.run_suite import run_suite

    values, given = flags.FLAGS, {}
    for config in _SUITE_CONFIGS:
        given |= given_flags(config)
    table, folder = run_suite(values.suite, values.cases, values.quick, values.out, given)
    print(table)
    print(folder / "bench.md")


if __name__ == "__main__":
    run(main)
