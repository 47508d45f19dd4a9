"""The environment in reports: compiler options are named where this jaxlib does not know them."""

import json

import jax
import pytest

from ferjax.report.environment import DROPPED_OPTIONS, describe_environment

_OPTIONS = "ferjax.runtime.programs.compiler_options"


def test_compiler_options_are_stated_only_if_some_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = ["gradients: a='b'", "forward passes: a=''"]
    monkeypatch.setattr(f"{_OPTIONS}.dropped_options", lambda platform: [])
    usual = describe_environment(jax.devices()[:1], 90)
    assert DROPPED_OPTIONS not in usual
    monkeypatch.setattr(f"{_OPTIONS}.dropped_options", lambda platform: dropped)
    found = json.loads(json.dumps(describe_environment(jax.devices()[:1], 90)))
    assert found.pop(DROPPED_OPTIONS) == "; ".join(dropped)
    assert found == usual
    assert found["training wall time, minutes"] == 1.5
