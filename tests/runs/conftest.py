"""A network that compiles at once, and two runs held against each other."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.experiment import run_train
from ferjax.models.cnn import DepthCNN
from ferjax.models.registry import MODELS
from ferjax.predict import load_run
from ferjax.recipes.papers import DEFAULTS
from ferjax.training.run_directory.metrics_jsonl import read_lines

# Of a train line: how fast that was here.
SPEED = {"images_per_second", "flop_utilisation", "seconds", "peak_bytes"}


@pytest.fixture(scope="module")
def toy_network() -> Iterator[None]:
    """Registers `toy`: a single small block of cnn3's, which compiles in a third of its time."""
    small = partial(DepthCNN, depth=1, widths=(8,), hidden=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "toy", replace(MODELS["cnn3"], build=small))
        patch.setitem(DEFAULTS, "toy", DEFAULTS["base_cnn"])
        yield


@pytest.fixture(scope="module")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_config: Callable[..., Any],
    toy_network: None,
    without_figures: Callable[[], Any],
) -> Callable[..., Path]:
    """Returns a function (name, **given) → a run of these settings, undisturbed, on one device."""

    def train(name: str, **given: Any) -> Path:
        run_dir = tmp_path_factory.mktemp(name) / "run"
        with without_figures():
            run_train(tiny_config(run_dir, **given), jax.devices()[:1])
        return run_dir

    return train


@pytest.fixture(scope="session")
def timeless_lines() -> Callable[[Path], list[dict[str, Any]]]:
    """Returns a function (run) → lines of metrics.jsonl without what is a matter of time."""

    def lines(run_dir: Path) -> list[dict[str, Any]]:
        found = read_lines(run_dir)
        return [{k: v for k, v in line.items() if k not in SPEED} for line in found]

    return lines


@pytest.fixture(scope="session")
def assert_same_run(
    timeless_lines: Callable[[Path], list[dict[str, Any]]],
) -> Callable[[Path, Path], None]:
    """Returns a function (run, run) that holds one against the other, bit for bit."""

    def check(one: Path, other: Path) -> None:
        assert timeless_lines(one) == timeless_lines(other)
        a, b = (load_run(run, "last") for run in (one, other))
        assert a.meta["averaged"] == b.meta["averaged"]
        for which in ("last", "selected"):
            for raw in (False, True) if a.meta["averaged"] else (False,):
                a, b = (load_run(run, which, raw=raw) for run in (one, other))
                assert a.epoch == b.epoch
                jax.tree.map(np.testing.assert_array_equal, a.variables, b.variables)
        a, b = (json.loads((run / "report.json").read_text("utf-8")) for run in (one, other))
        for part in ("results", "protocol", "summary", "warnings"):
            assert a[part] == b[part]

    return check
