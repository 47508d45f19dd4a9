"""Suite `input`: every side yields the right images; memory of an open store is bounded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferjax.bench.measuring.operation_counts import Work, case_work
from ferjax.bench.pytorch.data_loaders import TorchFiles, TorchItems
from ferjax.bench.suites import input_pipeline as suite
from ferjax.data.decoding.image_file import read_images

ROOT = Path(__file__).resolve().parents[3]
MEMORY = """
from ferjax.bench.measuring.peak_memory import extra_peak
from ferjax.bench.suites import input_pipeline as suite
(case,) = [case for case in suite.cases() if case.memory]
print(extra_peak(case.sides["ferjax"]))
"""


def test_images_and_bytes_of_the_cases() -> None:
    cases = {case.name: case for case in suite.cases()}
    assert len(cases) == 7
    assert all(case.function is None for case in cases.values())
    case = cases["cached faces, store to batch"]
    assert case.images == 4 * 29_952
    assert case_work(case) == Work(0, 8 * 29_952 * 48 * 48)
    assert case_work(cases["PNG files 48x48, decoded"]) == Work(0, 2048 * 48 * 48)


@pytest.mark.parametrize(("kind", "side", "channels"), [("png", 48, 1), ("jpeg", 32, 3)])
def test_all_sides_decode_the_same(kind: str, side: int, channels: int) -> None:
    paths = suite.image_folder(kind, side, channels, 9)
    ours = read_images(paths, (side, side), channels)
    mode = "L" if channels == 1 else "RGB"
    parts = suite.decode_loop(paths, mode, 2)
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(np.stack(part).reshape(ours[k::2].shape), ours[k::2])
    pytest.importorskip("torch")
    pixels, _ = TorchFiles(paths, mode)[4]
    np.testing.assert_array_equal(pixels.numpy().reshape(ours[4].shape), ours[4])
    pixels, _ = TorchFiles(paths, mode)[[4, 0]]
    np.testing.assert_array_equal(pixels.numpy().reshape(ours[:2].shape), ours[[4, 0]])


def test_peers_run(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    images = np.arange(64, dtype=np.uint8)[:, None]
    (pixels, index) = TorchItems(torch.from_numpy(images))[[3, 5]]
    assert pixels.tolist() == [[3], [5]]
    assert index.tolist() == [3, 5]
    monkeypatch.setattr(suite, "_BATCH", 16)
    suite.item_loader(images, 16, 0)()
    suite.gather_loader(images, 16, 0)()
    paths = suite.image_folder("png", 48, 1, 16)
    for whole in (False, True):
        suite.file_loader(paths, "L", 16, 0, whole)()


def test_sides_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_CACHED", 300)
    monkeypatch.setattr(suite, "_FILES", 32)
    monkeypatch.setattr(suite, "_BATCH", 16)
    for cached in (suite._pixels, suite._store_folder):
        cached.cache_clear()
    try:
        for case in (*suite.cases()[:4], suite.cases()[-1]):
            for build in case.sides.values():
                build()()
    finally:
        for cached in (suite._pixels, suite._store_folder):
            cached.cache_clear()


def test_memory_of_an_open_store_is_bounded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().isdigit(), "the platform reports no memory"
    assert int(done.stdout) < 30_000 * 48 * 48 + 100e6
