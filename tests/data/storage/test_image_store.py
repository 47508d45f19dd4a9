"""The image store: its pixels, its errors, and several processes that build one store."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.decoding.image_file import resize_image
from ferjax.data.splits.split import Split
from ferjax.data.storage.image_store import (
    build_store,
    open_store,
    store_key,
    stored_split,
    tree_signature,
)
from ferjax.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
IMAGES = np.random.default_rng(0).integers(0, 256, (600, 6, 5, 3), np.uint8)


def make(count: int = 600, broken: tuple[int, ...] = ()) -> Split:
    def read(rows: np.ndarray) -> np.ndarray:
        for row in rows:
            if row in broken:
                raise UserError(f"faces/{row}.png: not an image; copy it again")
        return IMAGES[rows]

    ids = tuple(f"{i}.png" for i in range(count))
    return Split("train", np.arange(count, dtype=np.int32) % 7, ids, (6, 5, 3), read)


def unread(rows: np.ndarray) -> np.ndarray:
    raise AssertionError("decoded twice")


@settings(max_examples=20)
@given(st.lists(st.integers(0, 599), max_size=30))
def test_a_store_returns_what_the_split_returns(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "shared-store"
    split = make()
    store = build_store(split, folder, "k")
    again = stored_split(replace(split, read=unread), open_store(folder, "k"))
    np.testing.assert_array_equal(again.read(np.array(rows, int)), IMAGES[rows])
    np.testing.assert_array_equal(store.images, IMAGES)
    assert (again.ids, again.shape, len(again)) == (split.ids, split.shape, 600)
    assert not store.images.flags.writeable


def test_resized_once_when_built(tmp_path: Path) -> None:
    store = build_store(make(3), tmp_path / "s", "k", size=4)
    expected = np.stack([resize_image(image, (4, 4)) for image in IMAGES[:3]])
    np.testing.assert_array_equal(store.images, expected)
    assert stored_split(make(3), store).shape == (4, 4, 3)


def test_bad_images_end_it_or_are_left_out(tmp_path: Path) -> None:
    split = make(300, broken=(2, 270))
    with pytest.raises(UserError, match=r"faces/2\.png"):
        build_store(split, tmp_path / "s", "k")
    assert [p.name for p in tmp_path.iterdir()] == [".s.lock"]
    store = build_store(split, tmp_path / "s", "k", on_bad_image="skip")
    assert {p: one.name for p, one in store.bad.items()} == {2: "2.png", 270: "270.png"}
    rest = stored_split(split, open_store(tmp_path / "s", "k"))
    good = [i for i in range(300) if i not in (2, 270)]
    np.testing.assert_array_equal(rest.read(np.arange(298)), IMAGES[good])
    np.testing.assert_array_equal(rest.labels, np.array(good) % 7)


def test_another_key_is_refused_and_replaced_on_request(tmp_path: Path) -> None:
    build_store(make(9), tmp_path / "s", "old")
    for ask in (
        lambda: open_store(tmp_path / "s", "new"),
        lambda: build_store(make(9), tmp_path / "s", "new"),
    ):
        with pytest.raises(UserError, match=r"other files or options \(key old, wanted new\)"):
            ask()
    store = build_store(make(8), tmp_path / "s", "new", rebuild=True)
    assert len(store.images) == 8
    # The one that is right already is not built again.
    build_store(replace(make(8), read=unread), tmp_path / "s", "new", rebuild=True)
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == ["s"]


@pytest.mark.parametrize("rebuild", [False, True])
def test_what_is_no_store_is_never_touched(tmp_path: Path, rebuild: bool) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"no image store"):
        build_store(make(9), tmp_path / "s", "k", rebuild=rebuild)
    assert (tmp_path / "s" / "mine.txt").read_text() == "x"


def test_damage_is_found(tmp_path: Path) -> None:
    build_store(make(), tmp_path / "s", "k")
    pixels = tmp_path / "s" / "images.u8"
    whole = pixels.read_bytes()
    pixels.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"53,999 bytes, expected 54,000"):
        open_store(tmp_path / "s", "k")
    pixels.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"damaged \(checksum of block 2\)"):
        open_store(tmp_path / "s", "k")
    build_store(make(), tmp_path / "s", "k", rebuild=True)
    assert pixels.read_bytes() == whole
    (tmp_path / "s" / "store.json").write_text('{"version": 0}')
    with pytest.raises(UserError, match="version 0, expected 1"):
        open_store(tmp_path / "s", "k")
    (tmp_path / "s" / "store.json").write_text('{"version": 1, "key": "k"}')
    with pytest.raises(UserError, match=r"store\.json is missing or broken"):
        open_store(tmp_path / "s", "k")


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        build_store(make(9), tmp_path / "file" / "s", "k")
    with pytest.raises(UserError, match="no images to store"):
        build_store(make(0), tmp_path / "s", "k")


BUILDER = """
import sys
from pathlib import Path
import numpy as np
from ferjax.data.splits.split import Split
from ferjax.data.storage.image_store import build_store
folder, log = sys.argv[1:]
def read(rows):
    with open(log, "a") as file:
        file.write("x" * len(rows))
    return np.zeros((len(rows), 6, 5, 3), np.uint8)
split = Split("train", np.zeros(300, np.int32), tuple(map(str, range(300))), (6, 5, 3), read)
build_store(split, Path(folder), "k")
"""


def test_one_of_several_processes_builds(tmp_path: Path) -> None:
    # What a killed process leaves behind is removed by the next.
    (tmp_path / ".s.building").mkdir()
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "s"), str(tmp_path / "log")]
    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert len((tmp_path / "log").read_text()) == 300
    assert not (tmp_path / ".s.building").exists()


def test_the_signature_follows_the_files(tmp_path: Path) -> None:
    tree = tmp_path / "a"
    (tree / "b").mkdir(parents=True)
    (tree / "b" / "x.png").write_bytes(b"12")
    (tree / "y.png").write_bytes(b"3")
    first = tree_signature(tree)
    assert tree_signature(tree) == first
    (tree / ".DS_Store").write_bytes(b"4")
    assert tree_signature(tree) == first
    copy = shutil.copytree(tree, tmp_path / "copy")
    assert tree_signature(copy) == first
    os.utime(tree / "y.png", ns=(1, 1))
    second = tree_signature(tree)
    (tree / "b" / "x.png").rename(tree / "b" / "z.png")
    assert len({first, second, tree_signature(tree)}) == 3
    assert tree_signature(tree / "y.png")
    with pytest.raises(UserError, match="no such"):
        tree_signature(tmp_path / "none")


def test_the_key_follows_all_that_decides_the_pixels() -> None:
    split = make(9)
    keys = [
        store_key(split, "s"),
        store_key(split, "t"),
        store_key(split, "s", 4),
        store_key(split, "s", options={"crop": "haar"}),
        store_key(make(8), "s"),
        store_key(replace(split, shape=(6, 5, 1)), "s"),
    ]
    assert len(set(keys)) == len(keys)
    assert store_key(replace(split, labels=split.labels + 1), "s") == keys[0]
    assert store_key(replace(split, ids=("\udcff.png", *split.ids[1:])), "s") != keys[0]
