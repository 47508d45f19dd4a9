"""Device mesh: sharding of a batch, compiled functions, batch sizes that it divides."""

import logging
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.runtime import sharding
from ferjax.runtime.sharding import (
    check_batch_size,
    compiled,
    compiler_options,
    data_mesh,
    dropped_options,
    put_batch,
    replicated,
)


@pytest.fixture
def no_options_known() -> Iterator[None]:
    """Forgets which options this jaxlib knows, before and after."""
    caches = (sharding._known_options, sharding._warn_of_dropped_options)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_a_batch_is_split_over_the_devices_in_order() -> None:
    mesh = data_mesh(jax.devices()[:4])
    rows = np.arange(8)
    array = put_batch({"label": rows}, mesh)["label"]
    np.testing.assert_array_equal(array, rows)
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[0].start)
    assert [shard.data.tolist() for shard in shards] == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_compiled_functions_reduce_over_the_whole_batch() -> None:
    mesh = data_mesh(jax.devices()[:4])
    total = compiled(lambda x: x.sum(), mesh, out_shardings=replicated(mesh))
    assert int(total(put_batch({"x": np.arange(8)}, mesh)["x"])) == 28


@pytest.mark.parametrize(("size", "near"), [(6, "4 or 8"), (2, "4"), (13, "12 or 16")])
def test_a_batch_size_that_the_devices_do_not_divide_is_refused(size: int, near: str) -> None:
    mesh = data_mesh(jax.devices()[:4])
    with pytest.raises(UserError, match=rf"--batch_size={size} .*4 devices.* work: {near}\.$"):
        check_batch_size(size, mesh)
    for good in map(int, near.split(" or ")):
        check_batch_size(good, mesh)


@pytest.mark.parametrize("size", [0, -8])
def test_a_batch_of_no_row_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"--batch_size={size}: at least 1 is expected"):
        check_batch_size(size, data_mesh(jax.devices()[:4]))


def test_options_that_this_jaxlib_does_not_know_are_dropped_and_listed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, no_options_known: None
) -> None:
    monkeypatch.setattr(sharding, "_CPU_OPTIONS", {"xla_cpu_of_no_version": "yes"})
    monkeypatch.setattr(sharding, "_CPU_FORWARD_OPTIONS", {"xla_cpu_of_no_version": "no"})
    assert compiler_options("cpu") == {}
    assert compiler_options("cpu", forward=False) == {}
    assert dropped_options("cpu") == [
        "gradients: xla_cpu_of_no_version='yes'",
        "forward passes: xla_cpu_of_no_version='no'",
    ]
    assert dropped_options("gpu") == []
    # One compilation for each purpose, and one line for both.
    assert sharding._known_options.cache_info().misses == 2
    (line,) = [record for record in caplog.records if record.name == sharding.__name__]
    assert line.levelno == logging.WARNING
    assert "'xla_cpu_of_no_version'" in line.getMessage()


def test_a_value_that_this_jaxlib_does_not_know_is_dropped(
    monkeypatch: pytest.MonkeyPatch, no_options_known: None
) -> None:
    monkeypatch.setattr(sharding, "_CPU_OPTIONS", {"xla_cpu_use_onednn": "perhaps"})
    assert compiler_options("cpu") == {}


def test_an_error_of_another_kind_says_nothing_about_the_options(
    monkeypatch: pytest.MonkeyPatch, no_options_known: None
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(sharding, "_CPU_OPTIONS", {"xla_cpu_use_onednn": "true"})
    monkeypatch.setattr(sharding.jax, "jit", refuse)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        compiler_options("cpu")
