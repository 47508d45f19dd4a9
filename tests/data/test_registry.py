"""`load_dataset` for every data set: exclude.txt, stores, unreadable images, folds, its folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.registry import data_path, load_dataset
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError

CLASSES = ("anger", "fear", "happiness")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Returns class folders of 12 small images each, every one of its own grey."""
    root = tmp_path / "faces"
    for k, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(12):
            Image.new("L", (8, 8), 20 * i + k).save(root / name / f"im{i}.png")
    return root


def load(tree: Path, **given: object) -> DatasetBundle:
    return load_dataset("folder", tree, image_size=8, **given)  # pyright: ignore[reportArgumentType]


def pixels(bundle: DatasetBundle) -> dict[str, list[int]]:
    """Returns split → the greys of its images, in order."""
    return {
        name: split.read(np.arange(len(split)))[:, 0, 0, 0].tolist()
        for name, split in bundle.splits.items()
    }


def test_what_exclude_txt_lists_is_left_out(tree: Path) -> None:
    (tree / "exclude.txt").write_text("# no faces\nanger/im3.png\n./fear/im0.png\n")
    found = load(tree)
    ids = [name for split in found.splits.values() for name in split.ids]
    assert len(ids) == 34
    assert not {"anger/im3.png", "fear/im0.png"} & set(ids)
    assert "2 images left out by exclude.txt" in found.notes
    (tree / "exclude.txt").write_text("anger/im99.png\n")
    with pytest.raises(UserError, match=r"line 1: no image 'anger/im99\.png'"):
        load(tree)


def test_stores_hold_the_same_pixels_and_are_made_once(tree: Path, tmp_path: Path) -> None:
    plain, cache = load(tree), tmp_path / "cache"
    first = load(tree, cache_dir=cache)
    folders = sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))
    stamps = [path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()]
    again = load(tree, cache_dir=cache)
    assert pixels(first) == pixels(plain) == pixels(again)
    assert [path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()] == stamps
    # Other files, another store: a stale one is never read.
    Image.new("L", (8, 8), 255).save(tree / "anger" / "im0.png")
    assert 255 in sum(pixels(load(tree, cache_dir=cache)).values(), [])  # noqa: RUF017
    later = sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))
    assert set(folders) < set(later)


@pytest.mark.parametrize("cached", [False, True])
def test_bad_images_stop_or_are_counted(tree: Path, tmp_path: Path, cached: bool) -> None:
    (tree / "fear" / "im5.png").write_bytes(b"")
    given = {"cache_dir": tmp_path / "cache"} if cached else {}
    with pytest.raises(UserError, match=r"im5\.png"):
        load(tree, **given)
    found = load(tree, on_bad_image="skip", **given)
    assert sum(len(split) for split in found.splits.values()) == 35
    assert any("1 unreadable image skipped: fear/im5.png" in note for note in found.notes)
    pixels(found)


def test_folds_of_a_folder(tree: Path) -> None:
    tests = [pixels(load(tree, folds=4, fold=k))["test"] for k in range(1, 5)]
    sources = load(tree, folds=4, fold=2).sources
    assert sources["test"] == "train: fold 2 of 4, 25 % of all (stratified, split seed 0)"
    everything = sum(pixels(load(tree)).values(), [])  # noqa: RUF017
    assert sorted(grey for fold in tests for grey in fold) == sorted(everything)


def test_where_a_data_set_lies(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_path("folder", tree) == tree
    assert data_path("synthetic") is None
    monkeypatch.setenv("FERJAX_DATA", str(tree.parent))
    (tree.parent / "sfew").mkdir()
    assert data_path("sfew") == tree.parent / "sfew"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"fold": 3}, "fold=3: `folds`, the number of folds, is missing"),
        ({"folds": 3, "val_fraction": 0}, "folds=3 with val_fraction=0: .* needs a val"),
        ({"folds": 0}, "folds=0: expected 2 or more"),
        ({"folds": 3, "fold": 0}, "fold=0: expected 1 to 3"),
    ],
)
@pytest.mark.parametrize("name", ["folder", "jaffe"])
def test_numbers_of_folds_are_never_ignored(
    name: str, given: dict[str, float], says: str, tmp_path: Path
) -> None:
    if name == "jaffe":
        for person in ("KA", "KL", "KM"):
            Image.new("L", (8, 8)).save(tmp_path / f"{person}.AN1.1.tiff")
    else:
        for k, label in enumerate(("anger", "fear", "fear")):
            (tmp_path / label).mkdir(exist_ok=True)
            Image.new("L", (8, 8)).save(tmp_path / label / f"{k}.png")
            Image.new("L", (8, 8)).save(tmp_path / label / f"{k}again.png")
    with pytest.raises(UserError, match=says):
        load_dataset(name, tmp_path, image_size=8, **given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["fer2013", "folder", "rafdb"])
def test_a_path_that_no_folder_can_have(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 300), tmp_path / "nul\0"):
        with pytest.raises(UserError, match=r"--data_dir=.* cannot be read"):
            load_dataset(name, path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing", tmp_path / "file" / "below", Path("~no_such_user/faces")):
        with pytest.raises(UserError, match=r"--data_dir=.*does not exist"):
            load_dataset(name, path)
