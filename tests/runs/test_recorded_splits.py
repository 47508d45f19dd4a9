"""A run is held to the images that it began with, whatever has happened to its data since."""

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from ferjax.config.json_file import config_to_json
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.data.splits.recorded_bundle import as_recorded, recorded_split
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.split_record import (
    SplitRecord,
    count_trained_on,
    differences,
    record_splits,
)
from ferjax.data.splits.stored_contents import fingerprints
from ferjax.errors import UserError
from ferjax.experiment import prepare_run, run_evaluate, run_train
from ferjax.recipes import resolve
from ferjax.runs.recorded_splits import check_splits, keep_splits
from ferjax.runs.task import prepare_task
from ferjax.training.run_directory.splits_file import read_split_record

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Stop = Callable[[int], Any]


def picture(path: Path, seed: int) -> None:
    """Writes a 48x48 image; every seed gives a file of the same size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)
    Image.fromarray(pixels).save(path, "BMP")


def add(root: Path, numbers: range, classes: tuple[str, ...] = ("anger", "fear")) -> None:
    for k, (emotion, number) in enumerate(itertools.product(classes, numbers)):
        picture(root / emotion / f"{number:03}.bmp", 1000 * numbers.start + k)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Returns class folders of 10 images each, with the same file names in both."""
    add(tmp_path / "data", range(10))
    return tmp_path / "data"


@pytest.fixture
def config(data: Path, tmp_path: Path) -> TrainConfig:
    given: dict[str, Any] = dict(model="toy", dataset="folder", data_dir=str(data), image_size=32)
    given |= dict(
        batch_size=4, epochs=2, progress=False, workdir=str(tmp_path / "run"), resume=True
    )
    return resolve({**given, "workdir": str(tmp_path / "run")})


def load(config: TrainConfig) -> DatasetBundle:
    names = ("val_fraction", "split_seed", "folds", "fold", "cache_dir")
    return load_dataset(
        config.dataset, config.data_dir, **{name: getattr(config, name) for name in names}
    )


def begin(config: TrainConfig) -> None:
    """Leaves the files of a run that has begun, without training it."""
    run_dir = Path(config.workdir or "")
    run_dir.mkdir(parents=True)
    (run_dir / "config.json").write_text(config_to_json(config), "utf-8")
    keep_splits(config, load(config), run_dir)


def swap(data: Path) -> None:
    (data / "anger").rename(data / "x")
    (data / "fear").rename(data / "anger")
    (data / "x").rename(data / "fear")


def exclude(data: Path) -> None:
    (data / "exclude.txt").write_text("anger/003.bmp\n")


def relabel(data: Path) -> None:
    shutil.move(data / "anger" / "003.bmp", data / "fear" / "103.bmp")


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "added": (lambda data: add(data, range(10, 30)), r"40 images added \(anger/010.bmp, "),
    "gone": (lambda data: (data / "fear" / "005.bmp").unlink(), r"1 image gone \(fear/005.bmp\)"),
    "swapped": (swap, "20 images with other content"),
    "moved": (relabel, r"1 image added \(fear/103.bmp\); 1 image gone \(anger/003.bmp\)"),
    "excluded": (exclude, r"1 image gone \(anger/003.bmp\)"),
    "overwritten": (
        lambda data: picture(data / "fear" / "007.bmp", 99_999),
        r"1 image with other content \(fear/007.bmp\)",
    ),
    "a new class": (
        lambda data: add(data, range(10, 15), ("sadness",)),
        "5 images added .* classes anger, fear, sadness instead of anger, fear",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_resume_on_other_images_is_refused(change: str, config: TrainConfig, data: Path) -> None:
    begin(config)
    assert check_splits(config, load(config)).notes == load(config).notes
    alter, says = CHANGES[change]
    alter(data)
    with pytest.raises(UserError, match=f"data have changed since the run began: .*{says}"):
        check_splits(config, load(config))


def test_a_copy_of_the_data_is_the_same(config: TrainConfig, data: Path, tmp_path: Path) -> None:
    begin(config)
    # Neither path nor times are kept by a copy.
    shutil.copytree(data, tmp_path / "copy", copy_function=shutil.copyfile)
    moved = replace(config, data_dir=str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    check_splits(moved, load(moved))
    check_splits(moved, load(moved))  # read from the stores that the line above has built


def test_a_list_whose_paths_have_moved_is_the_same(
    config: TrainConfig, data: Path, tmp_path: Path
) -> None:
    def listing(root: Path) -> str:
        rows = [f"{file},{file.parent.name}" for file in sorted(root.rglob("*.bmp"))]
        (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
        return str(tmp_path / "list.csv")

    config = replace(config, data_dir=listing(data))
    begin(config)
    shutil.move(data, tmp_path / "elsewhere")
    listing(tmp_path / "elsewhere")
    check_splits(config, load(config))
    record = read_split_record(Path(config.workdir or ""))
    assert record is not None
    bundle = load(config)
    now = record_splits("folder", bundle.classes, bundle.splits, bundle.sources)
    assert now.splits["train"].ids != record.splits["train"].ids
    assert differences(record, now, pooled=True) == []
    found = as_recorded(record, bundle)
    assert [note for note in found.notes if "gone" in note or "other" in note] == []


def test_the_own_report_finds_images_by_content_and_counts_the_others(
    config: TrainConfig, data: Path
) -> None:
    begin(config)
    record, before = read_split_record(Path(config.workdir or "")), load(config)
    assert record is not None
    pixels = {name: split.read(np.arange(len(split))) for name, split in before.splits.items()}
    swap(data)
    found = as_recorded(record, load(config))
    for name, split in found.splits.items():
        np.testing.assert_array_equal(split.read(np.arange(len(split))), pixels[name])
        assert split.labels.tolist() == before.splits[name].labels.tolist()
    assert "2 val images have another label now; judged by the run's own" in found.notes
    swap(data)
    image = record.splits["train"].ids[3]
    picture(data / image, 1234)
    (data / record.splits["train"].ids[4]).unlink()
    add(data, range(30, 31), ("anger", "fear", "sadness"))
    found = as_recorded(record, load(config))
    assert found.classes == ("anger", "fear")
    assert "1 train images have other content now than in the run" in found.notes
    assert "1 of the 18 train images of the run are gone" in found.notes
    assert any(note.startswith("3 images of the data are in no split") for note in found.notes)
    for seed, file in enumerate(sorted(data.rglob("0*.bmp")), start=50_000):
        file.unlink()
        picture(file.with_name(f"x{file.name}"), seed)
    with pytest.raises(UserError, match="none of the 18 train images of the run"):
        as_recorded(record, load(config))


def test_val_is_found_again_after_all_files_were_written_anew(
    config: TrainConfig, data: Path
) -> None:
    """Their contents tell nothing then; at the run's own place their names do."""
    begin(config)
    record = read_split_record(Path(config.workdir or ""))
    assert record is not None
    for file in data.rglob("*.bmp"):
        with Image.open(file) as image:
            image.resize((40, 40)).save(file)
    add(data, range(10, 30))
    bundle = load(config)
    assert bundle.splits["val"].ids != record.splits["val"].ids
    found, notes = recorded_split(record, bundle, "val", is_own=True)
    assert tuple(found.splits["val"].ids) == record.splits["val"].ids
    assert notes[0].startswith("judged is the val that the run recorded, 2 images")
    assert notes[1] == "2 val images have other content now than in the run"
    train = bundle.splits["train"]
    assert count_trained_on(record, train, "folder", is_own=True) >= 17
    assert count_trained_on(record, train, "folder") == 0
    # Elsewhere equal names say nothing.
    assert recorded_split(record, bundle, "val", is_own=False) == (bundle, ())
    for file in data.rglob("*.bmp"):
        file.rename(file.with_name(f"x{file.name}"))
    _, notes = recorded_split(record, load(config), "val", is_own=True)
    assert "none of the 2 val images that the run recorded is there any more" in notes[0]


def test_images_that_differ_only_in_the_middle_of_a_large_file(tmp_path: Path) -> None:
    """Faces on one background, uncompressed: both ends of the files are equal."""
    for k, emotion in enumerate(("anger", "fear")):
        for number in range(10):
            pixels = np.full((200, 200, 3), 255, np.uint8)
            pixels[80:120, 80:120] = 10 * number + k
            (tmp_path / emotion).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / emotion / f"{number}.bmp")
    bundle = load_dataset("folder", str(tmp_path))
    contents = np.concatenate([fingerprints(split) for split in bundle.splits.values()])
    assert len(np.unique(contents)) == 20


def test_soft_labels_that_change(config: TrainConfig) -> None:
    splits = load(config).splits
    votes = np.tile(np.float32([0.7, 0.3]), (len(splits["train"]), 1))

    def record(targets: np.ndarray | None) -> SplitRecord:
        train = replace(splits["train"], targets=targets)
        return record_splits("folder", ("anger", "fear"), {**splits, "train": train}, {})

    assert differences(record(votes), record(votes.copy())) == []
    others = votes.copy()
    others[4] = 0.6, 0.4
    [found] = differences(record(votes), record(others))
    assert found == f"1 image with another soft label ({splits['train'].ids[4]})"
    [found] = differences(record(None), record(votes))
    assert found.startswith("18 images with another soft label")


def test_an_unfinished_run_of_few_folds_of_an_earlier_version(config: TrainConfig) -> None:
    """Its val was a whole fold."""
    config = replace(config, folds=5, fold=1)
    begin(config)
    run_dir = Path(config.workdir or "")
    (run_dir / "splits.json").unlink()
    (run_dir / "checkpoints" / "4").mkdir(parents=True)
    with pytest.raises(UserError, match="whose val was a whole fold"):
        check_splits(config, load(config))


def test_names_that_occur_in_every_split(config: TrainConfig) -> None:
    """A reader of the user's own may number the images of each split from 0, and store none."""

    def split(name: str, count: int) -> Split:
        images = np.full((count, 8, 8, 1), len(name), np.uint8)
        labels = np.arange(count, dtype=np.int32) % 2
        return Split(name, labels, [str(k) for k in range(count)], (8, 8, 1), images.__getitem__)

    splits = {"train": split("train", 8), "val": split("val", 4), "test": split("test", 6)}
    bundle = DatasetBundle(splits, ("anger", "fear"), "own", dict.fromkeys(splits, "own"))
    record = record_splits("own", bundle.classes, splits, bundle.sources)
    assert differences(record, record_splits("own", bundle.classes, splits, {})) == []
    assert count_trained_on(record, splits["val"], "own", is_own=True) == 0
    for name in splits:
        assert recorded_split(record, bundle, name, is_own=True) == (bundle, ())
        found = as_recorded(record, bundle).splits[name]
        assert found.read(np.arange(len(found)))[0, 0, 0, 0] == len(name)
        assert len(found) == len(splits[name])


def test_rows_of_a_list_that_are_reordered_or_relabelled(
    config: TrainConfig, data: Path, tmp_path: Path
) -> None:
    files = sorted(data.rglob("*.bmp"))

    def listing(rows: list[str]) -> str:
        path = tmp_path / "list.csv"
        path.write_text("\n".join(["path,label,split", *rows]) + "\n")
        return str(path)

    rows = [f"{f},{f.parent.name},{'val' if k % 5 == 0 else 'train'}" for k, f in enumerate(files)]
    config = replace(config, data_dir=listing(rows))
    begin(config)
    listing(rows[::-1])
    with pytest.raises(UserError, match="the same images in another order"):
        check_splits(config, load(config))
    listing([rows[0].replace(",anger", ",fear"), *rows[1:]])
    with pytest.raises(UserError, match=r"1 image relabelled \(.*000.bmp anger → fear\)"):
        check_splits(config, load(config))
    listing([rows[0].replace(",val", ",train"), *rows[1:]])
    with pytest.raises(UserError, match=r"1 image in another split \(.*000.bmp val → train\)"):
        check_splits(config, load(config))


@pytest.mark.parametrize("given", [{"folds": 4, "fold": 2}, {"limit": 12}, {"folds": 3}])
def test_folds_and_limited_runs(given: dict[str, Any], config: TrainConfig, data: Path) -> None:
    config = replace(config, **given)
    run_dir = Path(config.workdir or "")
    run_dir.mkdir()
    (run_dir / "config.json").write_text(config_to_json(config), "utf-8")
    keep_splits(config, prepare_task(config, jax.devices()[:1]).bundle, run_dir)
    prepare_run(config, jax.devices()[:1])
    add(data, range(10, 20))
    with pytest.raises(UserError, match=r"20 images added|images? gone"):
        prepare_run(config, jax.devices()[:1])


@pytest.mark.parametrize("series", ["seeds", "folds", "trials"])
def test_runs_of_a_series_share_their_images(
    series: str, config: TrainConfig, data: Path, tmp_path: Path
) -> None:
    top = tmp_path / "top"
    if series == "trials":
        one, other = (replace(config, workdir=str(top / f"trial_000{k}")) for k in (0, 1))
    elif series == "seeds":
        one, other = (replace(config, seed=k, workdir=str(top / f"seed_{k}")) for k in (0, 1))
    else:
        folded = replace(config, folds=3)
        one, other = (
            replace(folded, fold=k, workdir=str(top / "seed_0" / f"fold_0{k}")) for k in (1, 2)
        )
    for folder in {top, Path(one.workdir or "").parent}:
        folder.mkdir(parents=True, exist_ok=True)
        name = "study.json" if series == "trials" else "config.json"
        (folder / name).write_text(config_to_json(replace(config, seeds=(0, 1))), "utf-8")
    begin(one)
    check_splits(other, load(other))
    add(data, range(10, 12))
    with pytest.raises(UserError, match=rf"changed since {one.workdir}.*series.*4 images added"):
        check_splits(other, load(other))
    # A run elsewhere is none of this series.
    alone = replace(other, workdir=str(tmp_path / "alone"))
    check_splits(alone, load(alone))


def test_what_is_recorded(config: TrainConfig) -> None:
    begin(config)
    run_dir = Path(config.workdir or "")
    summary = json.loads((run_dir / "splits.json").read_text("utf-8"))
    assert summary["classes"] == ["anger", "fear"]
    assert {name: part["images"] for name, part in summary["splits"].items()} == {
        "train": 18,
        "val": 2,
    }
    record, bundle = read_split_record(run_dir), load(config)
    assert record is not None
    for name, part in record.splits.items():
        assert part.ids == tuple(bundle.splits[name].ids)
        assert part.labels.tolist() == bundle.splits[name].labels.tolist()
    before = (run_dir / "splits.csv.gz").read_bytes()
    (run_dir / "splits.json").unlink()
    keep_splits(config, bundle, run_dir)
    assert (run_dir / "splits.csv.gz").read_bytes() == before
    (run_dir / "splits.csv.gz").write_bytes(before[:-20])
    with pytest.raises(UserError, match=r"splits\.json and splits\.csv\.gz .* damaged"):
        check_splits(config, bundle)


def counts(report: dict[str, Any], split: str) -> list[list[int]]:
    """Returns the confusion matrix of the selected epoch."""
    return report["results"][split]["selected"]["confusion"]


def test_a_run_from_stop_to_evaluation(config: TrainConfig, data: Path, stop_after: Stop) -> None:
    devices, run_dir = jax.devices()[:1], str(config.workdir)
    with stop_after(3), pytest.raises(KeyboardInterrupt):
        run_train(config, devices)
    swap(data)
    with pytest.raises(UserError, match="20 images with other content"):
        run_train(config, devices)
    swap(data)
    own = run_train(config, devices)
    assert np.sum(counts(own, "val")) == 2

    add(data, range(10, 30))
    # 6 images would be cut as val now, 4 of them new or trained on.
    found = run_evaluate(EvalConfig(run_dir, split="val", progress=False))
    assert counts(found, "val") == counts(own, "val")
    assert found["protocol"]["images trained on"] == "0 of the 2 images judged"
    assert any("judged is the val that the run recorded, 2 images" in w for w in found["warnings"])
    found = run_evaluate(EvalConfig(run_dir, split="train", progress=False))
    assert found["protocol"]["images trained on"] == "18 of the 18 images judged"
    again = run_evaluate(EvalConfig(run_dir, progress=False))
    assert counts(again, "val") == counts(own, "val")
    assert any("40 images of the data are in no split of the run" in n for n in again["notes"])

    # Other folders are judged as they are, whatever their names, and what was learned is counted.
    other = data.parent / "other"
    add(other / "test", range(50, 60))
    for number in range(4):
        shutil.copy(
            data / "anger" / f"{number:03}.bmp", other / "test" / "anger" / f"c{number}.bmp"
        )
    add(other / "train", range(70, 75))
    found = run_evaluate(EvalConfig(run_dir, data_dir=str(other), split="test", progress=False))
    recorded = read_split_record(Path(run_dir))
    assert recorded is not None
    copied = sum(f"anger/00{number}.bmp" in recorded.splits["train"].ids for number in range(4))
    assert found["protocol"]["images trained on"] == f"{copied} of the 24 images judged"
    assert any(f"trained on {copied} of the 24" in warning for warning in found["warnings"])

    # Of the run's own images some are gone: the others are still those.
    for image in recorded.splits["val"].ids[:1]:
        (data / image).unlink()
    found = run_evaluate(EvalConfig(run_dir, split="val", progress=False))
    assert np.sum(counts(found, "val")) == 1
    assert "1 of the 2 val images of the run are gone" in found["warnings"]


def test_a_run_of_an_earlier_version(
    config: TrainConfig, data: Path, stop_after: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    devices, run_dir = jax.devices()[:1], Path(config.workdir or "")
    with stop_after(3), pytest.raises(KeyboardInterrupt):
        run_train(config, devices)
    for name in ("splits.json", "splits.csv.gz"):
        (run_dir / name).unlink()
    report = run_train(config, devices)
    assert not (run_dir / "splits.json").exists()
    assert sum("did not record its images" in note for note in report["notes"]) == 1
    assert sum("did not record its images" in line for line in caplog.messages) == 1
    found = run_evaluate(EvalConfig(str(run_dir), split="val", progress=False))
    assert sum("did not record its images" in warning for warning in found["warnings"]) == 1
    assert found["protocol"]["images trained on"] == "not recorded by the run"
    assert any("did not record" in w for w in run_evaluate(EvalConfig(str(run_dir)))["warnings"])


def test_a_run_that_starts_from_a_run_that_saw_its_val(config: TrainConfig, data: Path) -> None:
    run_train(replace(config, epochs=1), jax.devices()[:1])
    add(data, range(10, 30))
    later = replace(
        config, pretrained=config.workdir, workdir=f"{config.workdir}-later", normalization=None
    )
    task = prepare_task(later, jax.devices()[:1])
    record = read_split_record(Path(config.workdir or ""))
    assert record is not None
    seen = len({*record.splits["train"].ids} & {*task.bundle.splits["val"].ids})
    assert seen
    assert any(f"was trained on {seen} of the 6 val images" in note for note in task.bundle.notes)
