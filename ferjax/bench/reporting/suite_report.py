"""What the reports of all suites share: bench.json, the frame of bench.md, and the environment."""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from ferjax.report.environment import DROPPED_OPTIONS, describe_environment
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.runtime.atomic_files import write_atomically


def write_suite_report(
    folder: Path,
    environment_values: Mapping[str, Any],
    record: Mapping[str, Any],
    title: str,
    parts: Iterable[str],
) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      environment_values: from `environment`.
      record: JSON values of the suite, written after the environment.
      title: heading of the page.
      parts: Markdown between the command line and the environment.

    Raises:
      UserError: a file cannot be written.
    """
    values = {"environment": environment_values, **record}
    write_atomically(folder / "bench.json", (json.dumps(values, indent=1) + "\n").encode())
    page = [f"# {title}", f"`{environment_values['command line']}`", *parts]
    page += ["## Environment", _environment_table(environment_values)]
    write_markdown_page(folder / "bench.md", "\n\n".join(page) + "\n")


def escaped_table(cells: Sequence[Sequence[str]], numbers_from: int) -> str:
    """Returns header and rows as a Markdown table that shows every cell as it is."""
    header, *rows = ([*map(escape, row)] for row in cells)
    return table(header, rows, numbers_from)


def notes_section(notes: Iterable[str]) -> list[str]:
    """Returns heading and list of the notes; nothing if there are none."""
    lines = [f"- {escape(note)}." for note in notes]
    return ["## Notes", "\n".join(lines)] if lines else []


def environment(seconds: float) -> dict[str, Any]:
    """Returns machine, versions, command line and wall time as JSON values."""
    values = describe_environment(list(jax.devices()[:1]), seconds)
    values["wall time, minutes"] = values.pop("training wall time, minutes")
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        values["versions"]["torch"] = importlib.metadata.version("torch")
    values["processor"] = f"{_processor()}, {os.cpu_count()} cores"
    values.setdefault(DROPPED_OPTIONS, "none")
    return values


def _environment_table(values: Mapping[str, Any]) -> str:
    rows = [[escape(key), escape(_value_text(value))] for key, value in values.items()]
    return table(["what", "value"], rows, 2)


def _processor() -> str:
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def _value_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)
