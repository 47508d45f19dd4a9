"""What a stored program depends on besides its step: each part of it changes the surroundings."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.runtime.programs import surroundings as module
from ferjax.runtime.programs.surroundings import surroundings as cached_surroundings

# Without the cache of the process.
surroundings = cached_surroundings.__wrapped__


def other_sources(patch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes
    patch.setattr(Path, "read_bytes", lambda path: read(path) + b"# a changed line\n")


@pytest.mark.parametrize(
    "change",
    [
        other_sources,
        lambda patch: patch.setattr(importlib.metadata, "version", lambda name: "99.0"),
        lambda patch: patch.setenv("XLA_FLAGS", "--xla_of_another_machine"),
        lambda patch: patch.setattr(module, "_processor", lambda: ["model name:another"]),
        lambda patch: patch.setattr(module.os, "cpu_count", lambda: 1234),
        lambda patch: patch.setattr(jax, "devices", lambda: []),
    ],
    ids=["sources", "versions", "variables", "processor", "cores", "devices"],
)
def test_each_part_changes_them(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]
) -> None:
    before = surroundings()
    with monkeypatch.context() as patch:
        change(patch)
        assert surroundings() != before
    assert surroundings() == before
