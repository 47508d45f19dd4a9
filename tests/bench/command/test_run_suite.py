"""Flags of single suites belong to them; parts that do not exist are named; a signal ends all."""

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ferjax.bench.command.run_suite import run_suite
from ferjax.bench.growth import run_growth
from ferjax.errors import Terminated, UserError


@pytest.mark.parametrize(
    ("suite", "cases", "given", "words"),
    [
        ("ops", None, {"photos": "x"}, r"--photos belongs to --suite=predict; leave it out"),
        (None, None, {"photos": "x"}, r"--photos belongs to --suite=predict"),
        ("predict", None, {"peers": "x"}, r"--peers belongs to --suite=recognisers; leave it out"),
        ("predict", "faces", {}, r"--cases=faces matches no part\. Parts: crops, single face"),
        ("growth", "pixels", {}, r"--cases=pixels matches no part\. Parts: open the store, load"),
        ("scaling", None, {"split": "val"}, r"--split belongs to --suite=recognisers"),
    ],
)
def test_wrong_flags(
    suite: str | None, cases: str | None, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        run_suite(suite, cases, True, None, given)


def test_a_suite_that_a_scheduler_ends_leaves_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any) -> list[Any]:
        assert len(os.listdir(tmp_path)) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        return []

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(run_growth, "measure_parts", ended)
    with pytest.raises(Terminated):
        run_suite("growth", None, True, str(tmp_path / "out"), {})
    assert os.listdir(tmp_path) == []
