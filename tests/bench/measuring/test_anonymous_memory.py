"""Anonymous memory: an array counts, a mapped file that is read does not."""

from pathlib import Path

import numpy as np
import pytest

from ferjax.bench.measuring import anonymous_memory
from ferjax.bench.measuring.anonymous_memory import anonymous_peak

SIZE = 64 << 20


def test_arrays_count_and_pages_of_mapped_files_do_not(tmp_path: Path) -> None:
    file = tmp_path / "pixels.u8"
    with open(file, "wb") as writer:
        for _ in range(SIZE >> 20):
            writer.write(bytes(1 << 20))
    mapped = np.memmap(file, np.uint8, "r")
    taken = anonymous_peak(lambda: np.ones(SIZE, np.uint8))
    read = anonymous_peak(lambda: int(mapped[:: 1 << 12].sum()))
    if taken is None or read is None:
        pytest.skip("the platform reports no anonymous memory")
    assert SIZE * 0.9 < taken < SIZE * 1.5
    assert read < SIZE / 4


def test_nothing_is_reported_where_the_platform_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous_memory, "_STATM", tmp_path / "statm")
    assert anonymous_peak(lambda: None) is None
