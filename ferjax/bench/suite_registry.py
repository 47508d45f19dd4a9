"""Registry of benchmark suites, and selection of their cases by name."""

import re
from collections.abc import Callable, Sequence

import jax

from ferjax.bench.measuring.case import Case
from ferjax.bench.suites import (
    awei_jumper,
    exported_networks,
    forward_passes,
    frozen_guide,
    gpu_steps,
    input_pipeline,
    operations,
    training_loop,
    training_steps,
)
from ferjax.errors import UserError, unknown_name

EXPORTS, FORWARD, GPU = "exports", "forward", "gpu"
# Suites that compute on the device; the suites `input` and `exports` measure the host.
_ON_DEVICE = (FORWARD, "guide", "jumper", "loop", "ops", "train")


def _gpu_cases() -> tuple[Case, ...]:
    """Returns a GPU's own steps, then all other cases that compute on the device.

    Raises:
      UserError: the device is not a GPU.
    """
    platform = jax.default_backend()
    if platform != "gpu":
        raise UserError(
            f"--suite={GPU}: JAX found no GPU, it computes on {platform} here. Run it on a machine"
            " with an NVIDIA GPU after pip install 'ferjax[cuda12]', or give --predict, or leave"
            " --suite out: the other suites measure what is there."
        )
    return (*gpu_steps.cases(), *(case for _, case in _unique_cases(_ON_DEVICE)))


SUITES: dict[str, Callable[[], tuple[Case, ...]]] = {
    EXPORTS: exported_networks.cases,
    FORWARD: forward_passes.cases,
    GPU: _gpu_cases,
    "guide": frozen_guide.cases,
    "input": input_pipeline.cases,
    "jumper": awei_jumper.cases,
    "loop": training_loop.cases,
    "ops": operations.cases,
    "train": training_steps.cases,
}
# Suites that are measured only when named: the first two install a converter, and the last one
# consists of cases of other suites.
_NOT_IN_ALL = (EXPORTS, FORWARD, GPU)
# Suites with reports of their own; ferjax/bench/command/run_suite.py runs them.
GROWTH, PREDICT, RECOGNISERS, SCALING = "growth", "predict", "recognisers", "scaling"
SPEEDRUN = "speedrun"
_WITH_REPORTS = (GROWTH, PREDICT, RECOGNISERS, SCALING, SPEEDRUN)


def find_case(suite: str, name: str) -> Case:
    """Returns a case by its name; raises `UserError` for an unknown name."""
    cases = {case.name: case for case in _suite(suite)}
    if name not in cases:
        raise unknown_name(f"case of suite {suite}", name, cases)
    return cases[name]


def select(suite: str | None, pattern: str | None, quick: bool) -> list[tuple[str, Case]]:
    """Returns (suite, case) for all cases to measure.

    Args:
      suite: name of the suite, or None for all.
      pattern: a regular expression that matches in names, ignoring case, or None for all.
      quick: only the main cases; ignored if there is a pattern.

    Raises:
      UserError: an unknown suite, an invalid expression, or one that matches no case.
    """
    names = [suite] if suite else [name for name in SUITES if name not in _NOT_IN_ALL]
    cases = _unique_cases(names)
    if pattern is None:
        return [(name, case) for name, case in cases if case.quick or not quick]
    expression = cases_expression(pattern)
    picked = [(name, case) for name, case in cases if expression.search(case.name)]
    if not picked:
        names = "; ".join(case.name for _, case in cases)
        raise UserError(f"--cases={pattern} matches no case. Cases: {names}.")
    return picked


def cases_expression(pattern: str) -> re.Pattern[str]:
    """Returns --cases compiled; raises `UserError` for an invalid regular expression."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise UserError(f"--cases={pattern}: not a regular expression ({error}).") from None


def _unique_cases(names: Sequence[str]) -> list[tuple[str, Case]]:
    """Returns (suite, case) pairs; a case of two suites is listed with the first of them only."""
    pairs: dict[str, tuple[str, Case]] = {}
    for name in names:
        for case in _suite(name):
            pairs.setdefault(case.name, (name, case))
    return list(pairs.values())


def _suite(name: str) -> tuple[Case, ...]:
    if name not in SUITES:
        raise unknown_name("--suite", name, (*SUITES, *_WITH_REPORTS))
    return SUITES[name]()
