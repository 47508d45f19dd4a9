"""Registry of benchmark suites, and selection of their cases by name."""

import re
from collections.abc import Callable

from ferjax.bench.measuring.case import Case
from ferjax.bench.suites import (
    awei_jumper,
    exported_networks,
    frozen_guide,
    input_pipeline,
    operations,
    training_loop,
    training_steps,
)
from ferjax.errors import UserError, unknown_name

# It installs a converter, so it is measured only where it is asked for.
EXPORTS = "exports"
SUITES: dict[str, Callable[[], tuple[Case, ...]]] = {
    EXPORTS: exported_networks.cases,
    "guide": frozen_guide.cases,
    "input": input_pipeline.cases,
    "jumper": awei_jumper.cases,
    "loop": training_loop.cases,
    "ops": operations.cases,
    "train": training_steps.cases,
}
# These have reports of their own: ferjax/bench/command/run_suite.py finds who runs them.
PREDICT, RECOGNISERS, SCALING = "predict", "recognisers", "scaling"


def find_case(suite: str, name: str) -> Case:
    """Returns a case by its name; raises `UserError` for an unknown name."""
    cases = {case.name: case for case in _suite(suite)}
    if name not in cases:
        raise unknown_name(f"case of suite {suite}", name, cases)
    return cases[name]


def select(suite: str | None, pattern: str | None, quick: bool) -> list[tuple[str, Case]]:
    """Returns (suite, case) for all cases to measure.

    Args:
      suite: its name, or None for all.
      pattern: a regular expression that matches in names, ignoring case, or None for all.
      quick: only the main cases; ignored where there is a pattern.

    Raises:
      UserError: an unknown suite, an invalid expression, or one that matches no case.
    """
    # A case that two suites have is measured once, in the first of them.
    first: dict[str, tuple[str, Case]] = {}
    for name in [suite] if suite else [name for name in SUITES if name != EXPORTS]:
        for case in _suite(name):
            first.setdefault(case.name, (name, case))
    cases = list(first.values())
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


def _suite(name: str) -> tuple[Case, ...]:
    if name not in SUITES:
        raise unknown_name("--suite", name, (*SUITES, PREDICT, RECOGNISERS, SCALING))
    return SUITES[name]()
