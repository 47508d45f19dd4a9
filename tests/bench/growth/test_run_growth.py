"""The suite `growth`: its parts do what a run does, wrong choices, no space, a tiny measurement."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ferjax.bench.growth import run_growth, tiled_faces
from ferjax.bench.growth.parts import PARTS, Loaded, load
from ferjax.bench.growth.report_files import growth_tables
from ferjax.bench.growth.tiled_faces import CLASSES, register_faces, write_faces
from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.scaling.scaling_cases import Layout
from ferjax.config.registered_names import _REGISTERED
from ferjax.errors import UserError
from ferjax.training.run_directory.splits_file import read_split_record

COUNT = 1_500


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("growth")
    write_faces(folder / "data", COUNT)
    register_faces()
    yield load(folder)
    _REGISTERED["dataset"].pop(tiled_faces.DATASET)


def test_the_data_set_has_every_face_its_own_name_and_the_drawn_label(loaded: Loaded) -> None:
    splits = loaded.bundle.splits
    assert sum(map(len, splits.values())) == COUNT
    assert len({*splits["train"].ids, *splits["val"].ids}) == COUNT
    assert {*np.unique(splits["train"].labels)} == {*range(len(CLASSES))}
    faces = np.load(loaded.folder / "data" / "faces.npy")
    position = 1_000
    number = int(splits["train"].ids[position].removesuffix(".png"))
    pixels = splits["train"].read(np.array([position]))[0]
    np.testing.assert_array_equal(pixels, faces[number % 64])
    assert splits["train"].labels[position] == number % 64 % 7


@pytest.mark.parametrize("name", PARTS)
def test_parts_run(name: str, loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferjax.report.headline_intervals.DRAWS", 3)
    part = PARTS[name]
    result = part.build(loaded)()
    assert part.images(loaded) == sum(len(loaded.bundle.splits[s]) for s in part.splits)
    out = loaded.folder / "out"
    if name == "an evaluation":
        assert result.probabilities.shape == (len(loaded.bundle.splits["train"]), len(CLASSES))
    elif name == "record the images":
        record = read_split_record(out)
        assert record is not None
        assert record.splits["train"].ids == tuple(loaded.bundle.splits["train"].ids)
    elif name == "scores and predictions":
        rows = (out / "predictions_train.csv").read_text("utf-8").splitlines()
        assert len(rows) == 1 + len(loaded.bundle.splits["train"])


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_no_space_for_the_largest_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 10**9))
    words = r"--suite=growth: data sets of up to 1,000,000 images need 2\.8 GB in .*, and 1\.0 GB"
    with pytest.raises(UserError, match=words):
        run_growth.run_growth(out=str(tmp_path / "out"))
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(folder: Path, count: int) -> None:
        write_faces(folder, count)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(run_growth, "write_faces", full)
    with pytest.raises(UserError, match=r"^--suite=growth: .*No space left on device\. Set TMPDIR"):
        run_growth.run_growth(quick=True, out=str(tmp_path / "out"))
    assert os.listdir(tmp_path) == []


def test_wrong_choices(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--cases=pixels matches no part\. Parts: open the store,"):
        run_growth.run_growth("pixels")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"--out=.* is not empty"):
        run_growth.run_growth(out=str(tmp_path))


@pytest.mark.slow
def test_a_tiny_measurement_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(run_growth, "QUICK_COUNTS", (300, 600))
    monkeypatch.setattr(run_growth, "LAYOUTS", (Layout(1, 1), Layout(1, 2)))
    monkeypatch.setattr(run_growth, "QUICK", Effort(rounds=2, least=2, sample=0))
    out = tmp_path / "out"
    results, folder = run_growth.run_growth("store|epoch", quick=True, out=str(out))
    found = [(each.part, each.devices) for each in results]
    assert found == [("open the store", 1), ("an epoch of batches", 1), ("an epoch of batches", 2)]
    for each in results:
        assert each.data_sets == (300, 600)
        # Of every class a tenth is val, in whole images.
        assert each.images == pytest.approx((270, 540), abs=len(CLASSES))
    assert all(len(values) == 2 for each in results for values in each.seconds)
    record: dict[str, Any] = json.loads((folder / "bench.json").read_text("utf-8"))
    assert [part["part"] for part in record["parts"]] == [part for part, *_ in found]
    assert record["environment"]["processor"]
    page = (folder / "bench.md").read_text("utf-8")
    assert "devices are simulated" in page
    widths = [line.count("|") - line.count("\\|") for line in page.splitlines() if line[:1] == "|"]
    assert min(widths) >= 3
    assert "open the store" in growth_tables(results)
    # The data sets are gone.
    assert os.listdir(tmp_path) == ["out"]
