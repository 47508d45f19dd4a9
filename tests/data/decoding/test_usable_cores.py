"""Number of usable cores: CPU affinity and the quota of a container."""

import os
from pathlib import Path

import pytest

from ferjax.data.decoding.usable_cores import usable_cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", 6),
        ("200000 100000\n", 2),
        ("250000 100000\n", 3),
        ("9900000 100000\n", 6),
        ("1000 100000\n", 1),
        ("", 6),
        ("what", 6),
        (None, 6),
    ],
)
def test_the_smaller_of_affinity_and_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_here() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
