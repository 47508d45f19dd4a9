"""Compiler options that a jaxlib knows or does not know, and functions compiled with them."""

import logging
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.runtime.programs import compiler_options as options_module
from ferjax.runtime.programs.compiler_options import compiled, compiler_options, dropped_options
from ferjax.runtime.sharding import data_mesh, put_batch, replicated


@pytest.fixture
def no_options_known() -> Iterator[None]:
    """Forgets which options this jaxlib knows, before and after."""
    caches = (options_module._known_options, options_module._warn_of_dropped_options)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_compiled_functions_reduce_over_the_whole_batch() -> None:
    mesh = data_mesh(jax.devices()[:4])
    total = compiled(lambda x: x.sum(), mesh, out_shardings=replicated(mesh))
    assert int(total(put_batch({"x": np.arange(8)}, mesh)["x"])) == 28


def test_options_that_this_jaxlib_does_not_know_are_dropped_and_listed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, no_options_known: None
) -> None:
    monkeypatch.setattr(options_module, "_CPU_OPTIONS", {"xla_cpu_of_no_version": "yes"})
    monkeypatch.setattr(options_module, "_CPU_FORWARD_OPTIONS", {"xla_cpu_of_no_version": "no"})
    assert compiler_options("cpu") == {}
    assert compiler_options("cpu", forward=False) == {}
    assert dropped_options("cpu") == [
        "gradients: xla_cpu_of_no_version='yes'",
        "forward passes: xla_cpu_of_no_version='no'",
    ]
    assert dropped_options("gpu") == []
    # One compilation for each purpose, and one line for both.
    assert options_module._known_options.cache_info().misses == 2
    (line,) = [record for record in caplog.records if record.name == options_module.__name__]
    assert line.levelno == logging.WARNING
    assert "'xla_cpu_of_no_version'" in line.getMessage()


def test_a_value_that_this_jaxlib_does_not_know_is_dropped(
    monkeypatch: pytest.MonkeyPatch, no_options_known: None
) -> None:
    monkeypatch.setattr(options_module, "_CPU_OPTIONS", {"xla_cpu_use_onednn": "perhaps"})
    assert compiler_options("cpu") == {}


def test_an_error_of_another_kind_says_nothing_about_the_options(
    monkeypatch: pytest.MonkeyPatch, no_options_known: None
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(options_module, "_CPU_OPTIONS", {"xla_cpu_use_onednn": "true"})
    monkeypatch.setattr(options_module.jax, "jit", refuse)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        compiler_options("cpu")
