"""The suites by name, and how cases are picked from them."""

import re
from collections.abc import Callable

from ferjax.bench.measuring.case import Case
from ferjax.bench.suites import (
    awei_jumper,
    frozen_guide,
    input_pipeline,
    operations,
    training_loop,
    training_steps,
)
from ferjax.errors import UserError, unknown_name

SUITES: dict[str, Callable[[], tuple[Case, ...]]] = {
    "guide": frozen_guide.cases,
    "input": input_pipeline.cases,
    "jumper": awei_jumper.cases,
    "loop": training_loop.cases,
    "ops": operations.cases,
    "train": training_steps.cases,
}
# Has no cases to measure side by side, but an entry of its own: scaling/run.py.
SCALING = "scaling"


def find_case(suite: str, name: str) -> Case:
    """Returns a case by its name; raises `UserError` where there is none."""
    cases = {case.name: case for case in _suite(suite)}
    if name not in cases:
        raise unknown_name(f"case of suite {suite}", name, cases)
    return cases[name]


def select(suite: str | None, pattern: str | None, quick: bool) -> list[tuple[str, Case]]:
    """Returns (suite, case) of all that is to be measured.

    Args:
      suite: its name, or None for all.
      pattern: a regular expression that names must hold, in any case of letters, or None.
      quick: only the main cases, unless a pattern picks others.

    Raises:
      UserError: no such suite, no valid expression, or nothing matches it.
    """
    # A case of two suites is measured once, in the first.
    first: dict[str, tuple[str, Case]] = {}
    for name in [suite] if suite else SUITES:
        for case in _suite(name):
            first.setdefault(case.name, (name, case))
    cases = list(first.values())
    if pattern is None:
        return [(name, case) for name, case in cases if case.quick or not quick]
    expression = cases_expression(pattern)
    picked = [(name, case) for name, case in cases if expression.search(case.name)]
    if not picked:
        known = "; ".join(case.name for _, case in cases)
        raise UserError(f"--cases={pattern} matches no case. Cases: {known}.")
    return picked


def cases_expression(pattern: str) -> re.Pattern[str]:
    """Returns --cases compiled; raises `UserError` where it is no regular expression."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise UserError(f"--cases={pattern}: not a regular expression ({error}).") from None


def _suite(name: str) -> tuple[Case, ...]:
    if name not in SUITES:
        raise unknown_name("--suite", name, (*SUITES, SCALING))
    return SUITES[name]()
