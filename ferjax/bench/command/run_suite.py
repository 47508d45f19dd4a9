"""Measures one suite of `launch.bench` by its name, and writes its report."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ferjax.bench.suite_registry import GPU, GROWTH, PREDICT, RECOGNISERS, SCALING, SPEEDRUN
from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.config.tool_configs import GpuBenchConfig, PredictBenchConfig, RecognisersConfig
from ferjax.errors import UserError
from ferjax.training.interrupt_signals import ending_as_ctrl_c

# Suites with flags of their own.
_CONFIGS = {
    GPU: GpuBenchConfig,
    PREDICT: PredictBenchConfig,
    RECOGNISERS: RecognisersConfig,
    SPEEDRUN: SpeedrunConfig,
}


def run_suite(
    suite: str | None,
    cases: str | None,
    quick: bool,
    out: str | None,
    suite_flags: Mapping[str, Any],
) -> tuple[str, Path]:
    """Measures a suite; returns its tables as text and the folder of its report.

    Args:
      suite: name of the suite, or None for all suites that have cases with sides.
      cases: a regular expression that picks cases by name, or None.
      quick: the main cases only, with less effort.
      out: the folder to write, new or empty; None for bench/<suite>-<date>-<time>.
      suite_flags: name → value of those flags on the command line that belong to single suites.

    Raises:
      UserError: an unknown suite, a wrong flag, or a flag of another suite.
      Terminated: the process has received SIGTERM or SIGHUP.
    """
    _check_flags(suite, suite_flags)
    # When a scheduler ends the process, the suite removes its data sets and worker processes.
    with ending_as_ctrl_c():
        return _run_suite(suite, cases, quick, out, suite_flags)


def _run_suite(
    suite: str | None,
    cases: str | None,
    quick: bool,
    out: str | None,
    suite_flags: Mapping[str, Any],
) -> tuple[str, Path]:
    if suite == RECOGNISERS:
        from ferjax.bench.recognisers.report_files import recognisers_table
        from ferjax.bench.recognisers.run_recognisers import run_recognisers

        result, folder = run_recognisers(RecognisersConfig(**suite_flags), cases, quick, out)
        return recognisers_table(result), folder
    if suite == GROWTH:
        from ferjax.bench.growth.report_files import growth_tables
        from ferjax.bench.growth.run_growth import run_growth

        result, folder = run_growth(cases, quick, out)
        return growth_tables(result), folder
    if suite == SCALING:
        from ferjax.bench.scaling.report_files import scaling_table
        from ferjax.bench.scaling.run_scaling import run_scaling

        result, folder = run_scaling(cases, quick, out)
        return scaling_table(result), folder
    if suite == PREDICT:
        from ferjax.bench.prediction.report_files import prediction_tables
        from ferjax.bench.prediction.run_prediction import run_prediction

        result, folder = run_prediction(PredictBenchConfig(**suite_flags), cases, quick, out)
        return prediction_tables(result), folder
    if suite == SPEEDRUN:
        from ferjax.bench.speedrun.report_files import speedrun_table
        from ferjax.bench.speedrun.run_speedrun import run_speedrun

        result, folder = run_speedrun(SpeedrunConfig(**suite_flags), cases, quick, out)
        return speedrun_table(result), folder
    if suite == GPU and GpuBenchConfig(**suite_flags).predict:
        from ferjax.bench.gpu.report_files import prediction_table
        from ferjax.bench.gpu.run_predictions import run_predictions

        predictions, folder = run_predictions(cases, out)
        return prediction_table(predictions), folder
    from ferjax.bench.measure_suites import run_bench
    from ferjax.bench.reporting.report_files import terminal_table

    if suite == GPU:
        from ferjax.bench.gpu.compare_measured import comparison, comparison_table

        results, folder = run_bench(suite, cases, quick, out, section=comparison)
        return f"{terminal_table(results)}\n\n{comparison_table(results)}", folder
    results, folder = run_bench(suite, cases, quick, out)
    return terminal_table(results), folder


def _check_flags(suite: str | None, suite_flags: Mapping[str, Any]) -> None:
    """Raises `UserError` for a flag of another suite; some flags belong to several suites."""
    for name in suite_flags:
        owners = [
            owner
            for owner, config in _CONFIGS.items()
            if name in {field.name for field in fields(config)}
        ]
        if suite not in owners:
            raise UserError(f"--{name} belongs to --suite={' and '.join(owners)}; leave it out.")
