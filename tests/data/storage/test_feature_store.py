"""The feature store: after any kill or damage it returns what a new computation returns."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.splits.split import Split, subset
from ferjax.data.storage.feature_store import (
    content_digest,
    feature_key,
    fill_store,
    free_bytes,
    stored_bytes,
)
from ferjax.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
FEATURES = np.random.default_rng(0).standard_normal((50, 2, 3), np.float32)
BLOCK_BYTES = 4 * 6  # of one row
FILES = ["features.f32", "journal"]


def computed_into(log: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    def compute(positions: np.ndarray) -> np.ndarray:
        assert positions.dtype == np.int64
        log.extend(positions.tolist())
        return FEATURES[positions]

    return compute


def fill(folder: Path, log: list[int] | None = None, *, block: int = 7, key: str = "k") -> None:
    """Fills the store and asserts that it holds `FEATURES`."""
    compute = computed_into([] if log is None else log)
    features = fill_store(folder, key, FEATURES.shape, compute, block=block)
    np.testing.assert_array_equal(features, FEATURES)
    assert (type(features), features.dtype) == (np.ndarray, np.float32)
    assert not features.flags.writeable


def uncomputed(positions: np.ndarray) -> np.ndarray:
    raise AssertionError("computed twice")


def test_features_are_computed_once_and_then_mapped(tmp_path: Path) -> None:
    log: list[int] = []
    fill(tmp_path / "a" / "s", log)
    assert log == [*range(50)]
    fill(tmp_path / "a" / "s", log, block=50)
    assert log == [*range(50)]
    assert sorted(p.name for p in (tmp_path / "a" / "s").iterdir()) == [
        "features.f32",
        "features.json",
        "journal",
    ]
    assert (tmp_path / "a" / "s" / "features.f32").read_bytes() == FEATURES.tobytes()


def interrupted(folder: Path, after: int, block: int) -> None:
    """Fills the store until `compute` fails on block number `after`."""
    calls = 0

    def compute(positions: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return FEATURES[positions]

    with pytest.raises(KeyboardInterrupt):
        fill_store(folder, "k", FEATURES.shape, compute, block=block)


def test_what_was_complete_stays_when_compute_fails(tmp_path: Path) -> None:
    interrupted(tmp_path / "s", 3, 7)
    log: list[int] = []
    fill(tmp_path / "s", log, block=20)
    assert log == [*range(21, 50)]


def test_a_cache_that_is_cleared_meanwhile_costs_nothing_but_itself(tmp_path: Path) -> None:
    def compute(positions: np.ndarray) -> np.ndarray:
        if positions[0] == 21:
            shutil.rmtree(tmp_path / "s")
        return FEATURES[positions]

    features = fill_store(tmp_path / "s", "k", FEATURES.shape, compute, block=7)
    np.testing.assert_array_equal(features, FEATURES)
    fill(tmp_path / "s")


def held_rows(folder: Path) -> set[int]:
    """Returns the rows of all whole lines of the journal whose bytes have the line's checksum."""
    data, rows = (folder / "features.f32").read_bytes(), set()
    for line in (folder / "journal").read_bytes().split(b"\n")[:-1]:
        words = line.split(b" ")
        if len(words) == 3 and all(word.isdigit() for word in words[:2]) and len(words[2]) == 8:
            first, count = int(words[0]), int(words[1])
            piece = data[first * BLOCK_BYTES : (first + count) * BLOCK_BYTES]
            if (
                count
                and len(piece) == count * BLOCK_BYTES
                and words[2] == b"%08x" % zlib.crc32(piece)
            ):
                rows |= {*range(first, first + count)}
    return rows


def damage(path: Path, how: str, where: float, mask: int) -> None:
    content = bytearray(path.read_bytes())
    at = int(where * len(content))
    if how == "cut":
        del content[at:]
    elif how == "flip" and content:
        content[at] ^= mask
    elif how == "insert":
        content[at:at] = bytes([mask, 10, mask])
    elif how == "zeros":
        content[at:] = bytes(len(content) - at)
    path.write_bytes(content)


DAMAGE = st.tuples(
    st.sampled_from(FILES),
    st.sampled_from(["cut", "flip", "insert", "zeros"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 255),
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(4, 20),
    st.integers(0, 13),
    st.lists(DAMAGE, max_size=3),
    st.integers(1, 60),
)
def test_damage_at_any_point_costs_the_damaged_blocks_alone(
    tmp_path_factory: pytest.TempPathFactory,
    block: int,
    after: int,
    damages: list[tuple[str, str, float, int]],
    then: int,
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # here nothing cuts the power
        if after * block < len(FEATURES):
            interrupted(folder, after, block)
        else:
            fill(folder, block=block)
        for name, how, where, mask in damages:
            damage(folder / name, how, where, mask)
        held, log = held_rows(folder), []
        fill(folder, log, block=then)
        assert sorted(log) == sorted({*range(50)} - held)
        fill_store(folder, "k", FEATURES.shape, uncomputed, block=then)
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize("name", FILES)
def test_a_lost_file_is_made_again(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "s")
    (tmp_path / "s" / name).unlink()
    fill(tmp_path / "s")


@pytest.mark.parametrize(("number", "line"), [(1, b"1 49 00000000"), (48, b"48 9 %08x")])
def test_a_journal_line_with_a_wrong_range_is_ignored(
    tmp_path: Path, number: int, line: bytes
) -> None:
    fill(tmp_path / "s", block=1)
    path = tmp_path / "s" / "journal"
    lines = path.read_bytes().splitlines()
    lines[number] = line % zlib.crc32(FEATURES[48:].tobytes()) if b"%" in line else line
    path.write_bytes(b"\n".join(lines[:-1]) + b"\n")
    log: list[int] = []
    fill(tmp_path / "s", log)
    assert log == [number, 49]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from ferjax.data.storage import block_journal, feature_store, locks_and_writes

folder, rows = Path(sys.argv[1]), np.arange(120, dtype=np.float32).reshape(20, 1, 6)
log = []
os.fsync = lambda descriptor: None  # a kill is no power cut

def compute(positions):
    log.extend(positions.tolist())
    return rows[positions]

def fill():
    found = feature_store.fill_store(folder, "k", rows.shape, compute, block=8)
    assert (found == rows).all()

def dying(deadline):
    "Every step to the disk counts, before and after; a write also in its middle."
    left = [deadline]
    def step():
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def around(call):
        def counted(*args, **options):
            step()
            result = call(*args, **options)
            step()
            return result
        return counted
    def halves(file, content):
        whole = memoryview(content).cast("B")
        locks_and_writes.write_durably(file, whole[: len(whole) // 2])
        step()
        locks_and_writes.write_durably(file, whole[len(whole) // 2 :])
    for name in ("fsync", "ftruncate", "posix_fallocate", "mkdir", "rename", "replace"):
        setattr(os, name, around(getattr(os, name)))
    feature_store.write_durably = block_journal.write_durably = halves

deadline, status = 0, 1
while status:
    child = os.fork()
    if not child:
        dying(deadline)
        fill()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    journal = folder / "journal"
    lines = journal.read_text().splitlines(True) if journal.exists() else []
    kept = {r for a, b, _ in (l.split() for l in lines if l.endswith("\\n"))
            for r in range(int(a), int(a) + int(b))}
    log.clear()
    fill()
    assert not kept & set(log) and len(kept | set(log)) == 20, (deadline, kept, log)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert [p.name for p in folder.parent.iterdir()] == [".s.lock"]
    deadline += 1
print(deadline)
"""


def test_a_kill_at_any_step_to_the_disk_is_survived(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "s")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 40


FILLER = """
import sys
from pathlib import Path
import numpy as np
from ferjax.data.storage.feature_store import fill_store
folder, log = sys.argv[1:]
def compute(positions):
    with open(log, "a") as file:
        file.write("x" * len(positions))
    return positions[:, None, None] * np.ones((1, 2, 3), np.float32)
features = fill_store(Path(folder), "k", (300, 2, 3), compute, block=8)
assert (features == np.arange(300)[:, None, None]).all()
"""


def test_one_of_several_processes_computes(tmp_path: Path) -> None:
    (tmp_path / ".s.building").mkdir()  # what a killed process left behind
    command = [sys.executable, "-c", FILLER, str(tmp_path / "s"), str(tmp_path / "log")]
    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len((tmp_path / "log").read_text()) == 300
    assert not (tmp_path / ".s.building").exists()


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_other_features_are_neither_read_nor_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    fill(folder, key="old")
    before = everything(folder)
    with pytest.raises(UserError, match=r"/s: holds other features \(key old, wanted new\)"):
        fill_store(folder, "new", FEATURES.shape, uncomputed, block=7)
    with pytest.raises(UserError, match=r"shape \[50, 2, 3\], wanted \[50, 1, 6\]"):
        fill_store(folder, "old", (50, 1, 6), uncomputed, block=7)
    assert everything(folder) == before
    record = json.loads(before["features.json"])
    (folder / "features.json").write_text(json.dumps({**record, "version": 0}))
    with pytest.raises(UserError, match=r"version 0, wanted 1"):
        fill_store(folder, "old", FEATURES.shape, uncomputed, block=7)
    (folder / "features.json").write_text("{")
    with pytest.raises(UserError, match=r"features\.json is missing or broken"):
        fill_store(folder, "old", FEATURES.shape, uncomputed, block=7)


def test_what_is_no_store_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "s", tmp_path / "file"):
        with pytest.raises(UserError, match=r"no feature store"):
            fill_store(path, "k", FEATURES.shape, uncomputed, block=7)
    assert everything(tmp_path / "s") == {"mine.txt": b"x"}
    with pytest.raises(UserError, match=r"cannot be read or written \(File exists\)"):
        fill_store(tmp_path / "file" / "s", "k", FEATURES.shape, uncomputed, block=7)
    with pytest.raises(UserError, match=r"no features to store"):
        fill_store(tmp_path / "t", "k", (0, 2, 3), uncomputed, block=7)


def test_a_full_disk_is_reported_before_the_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(code: int) -> None:
        def full(file: int, start: int, nbytes: int) -> None:
            os.ftruncate(file, nbytes // 2)  # the C library's fallback may have written this much
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "posix_fallocate", full)

    refuse(errno.ENOSPC)
    with pytest.raises(UserError, match=r"\(No space left on device\); they take 1,200 bytes"):
        fill_store(tmp_path / "s", "k", FEATURES.shape, uncomputed, block=7)
    assert (tmp_path / "s" / "features.f32").stat().st_size == 0
    # A file system that cannot reserve space is filled without a reservation.
    refuse(errno.EOPNOTSUPP)
    fill(tmp_path / "s")


SMALL_DISK = """
import errno, os, subprocess, sys
from pathlib import Path
import numpy as np
from ferjax.data.storage.feature_store import fill_store, free_bytes, stored_bytes
from ferjax.errors import UserError

disk = Path(sys.argv[1])
mount = lambda options: subprocess.run(
    ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
mount("size=1m")
shape, log = (256, 2, 1024), []  # 2 MiB

def compute(positions):
    log.extend(positions.tolist())
    return positions[:, None, None] * np.ones((1, *shape[1:]), np.float32)

def fill(folder):
    found = fill_store(folder, "k", shape, compute, block=32)
    assert (found == np.arange(256)[:, None, None]).all()

def refused(folder, why):
    try:
        fill(folder)
    except UserError as error:
        assert why in str(error) and "\\n" not in str(error), error
    else:
        raise AssertionError("not refused")

refused(disk / "s", "No space left on device")
assert not log and free_bytes(disk / "s") > 900_000 < stored_bytes(shape), free_bytes(disk / "s")
# Where nothing can be reserved it fills up on the way.
reserve = os.posix_fallocate
def unsupported(*_):
    raise OSError(errno.EOPNOTSUPP, "")
os.posix_fallocate = unsupported
refused(disk / "s", "No space left on device")
os.posix_fallocate = reserve
done = len(log) // 32 - 1
assert 2 <= done <= 4, log
mount("remount,size=8m")
fill(disk / "s")
assert sorted(log) == sorted([*range(256), *range(done * 32, done * 32 + 32)])
assert free_bytes(disk / "s") > 7_900_000
# A complete store is opened where nothing can be written; nothing else is.
mount("remount,ro")
fill(disk / "s")
refused(disk / "t", "Read-only file system")
assert len(log) == 256 + 32
"""


def test_a_small_disk_and_a_read_only_one(tmp_path: Path) -> None:
    alone = ["unshare", "--user", "--mount", "--map-root-user"]
    try:
        subprocess.run([*alone, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system does not let a user mount a file system")
    command = [*alone, sys.executable, "-c", SMALL_DISK, str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


def test_features_of_another_shape_are_no_features(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(7, 3\), not \(7, 2, 3\)"):
        fill_store(tmp_path / "s", "k", FEATURES.shape, lambda p: FEATURES[p, 0], block=7)
    # Other layouts and types of the right one are.
    transposed = np.asfortranarray(FEATURES.astype(np.float64))
    found = fill_store(tmp_path / "s", "k", FEATURES.shape, lambda p: transposed[p], block=7)
    np.testing.assert_array_equal(found, FEATURES)


def test_bytes(tmp_path: Path) -> None:
    assert stored_bytes((12_271, 2, 7, 7, 512)) == 2_462_838_784
    free = shutil.disk_usage(tmp_path).free
    assert abs(free_bytes(tmp_path / "a" / "b") - free) < 1 << 30
    assert free_bytes(Path("somewhere")) > 0


IMAGES = np.random.default_rng(1).integers(0, 256, (600, 4, 3, 1), np.uint8)


def images_split(images: np.ndarray) -> Split:
    labels = np.zeros(len(images), np.int32)
    ids = tuple(map(str, range(len(images))))
    return Split("train", labels, ids, images.shape[1:], lambda rows: images[rows])


def test_the_digest_follows_the_pixels_their_shape_and_order() -> None:
    split, changed = images_split(IMAGES), IMAGES.copy()
    changed[599, 3, 2, 0] ^= 1
    expected = hashlib.sha256(b"(600, 4, 3, 1)" + IMAGES.tobytes()).hexdigest()
    assert content_digest(split) == expected
    others = [
        images_split(changed),
        images_split(IMAGES.reshape(600, 3, 4, 1)),
        images_split(IMAGES.reshape(1200, 2, 3, 1)),
        images_split(IMAGES[:599]),
        images_split(IMAGES[::-1]),
        subset(split, np.roll(np.arange(600), 1)),
    ]
    assert len({expected, *map(content_digest, others)}) == 7
    # Labels and names do not matter, nor how the pixels lie in memory.
    renamed = replace(split, labels=split.labels + 1, ids=("x",) * 600, name="test")
    transposed = np.ascontiguousarray(IMAGES.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    assert content_digest(renamed) == content_digest(images_split(transposed)) == expected


def test_the_key_follows_every_part_and_no_order() -> None:
    parts = {"weights": "ab", "model": {"name": "vgg16", "stages": (1, 2)}, "variants": 2}
    key = feature_key(parts)
    assert feature_key(dict(reversed(parts.items()))) == key
    changed = [{**parts, "weights": "ac"}, {**parts, "variants": 1}, {**parts, "more": None}]
    assert len({key, *map(feature_key, changed)}) == 4
