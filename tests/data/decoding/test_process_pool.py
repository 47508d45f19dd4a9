"""Decoding processes: pixels and errors are those of one thread; none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.decoding import worker_handle
from ferjax.data.decoding.image_file import read_images
from ferjax.data.decoding.process_pool import DecodePool, _runs, decode_pool
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.errors import UserError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Returns files of several kinds and sizes."""
    folder = tmp_path_factory.mktemp("files")
    found = []
    for k in range(30):
        height, width = 20 + k, 50 - k
        pixels = RNG.integers(0, 256, (height, width, 3), np.uint8)
        path = folder / f"{k}.{('png', 'jpg', 'bmp')[k % 3]}"
        Image.fromarray(pixels[..., 0] if k % 4 == 0 else pixels).save(path)
        found.append(path)
    return found


@pytest.fixture(scope="module")
def running(paths: list[Path]) -> Iterator[DecodePool]:
    with closing(DecodePool(2, start_after=0)) as pool:
        yield pool


@pytest.fixture
def pool(running: DecodePool, paths: list[Path]) -> DecodePool:
    """Returns a pool of two processes that are up; it may be left with less."""
    wait_for(running, paths)
    return running


def wait_for(pool: DecodePool, paths: list[Path]) -> None:
    images = np.empty((len(paths), 4, 4, 1), np.uint8)
    eventually(lambda: not pool.read(paths, images))


def eventually(done: Callable[[], object]) -> None:
    for _ in range(3000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened within 30 seconds")


def pids(pool: DecodePool) -> set[int]:
    return {process._process.pid for process in pool._processes}


def gone(pids: Iterable[int]) -> bool:
    """Returns whether processes have ended and were waited for."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "count"), [((7, 9), 211), ((48, 48), 30), ((700, 701), 8)])
def test_pixels_are_those_of_one_thread(
    pool: DecodePool, paths: list[Path], size: tuple[int, int], count: int, channels: int
) -> None:
    chosen = [paths[k] for k in RNG.integers(0, len(paths), count)]
    images = np.empty((count, *size, channels), np.uint8)
    assert not pool.read(chosen, images)
    np.testing.assert_array_equal(images, read_images(chosen, size, channels, threads=1))


def test_few_files_are_left_to_the_caller(pool: DecodePool, paths: list[Path]) -> None:
    for count in (0, 1, 7):
        images = np.zeros((count, 8, 8, 3), np.uint8)
        assert [*pool.read(paths[:count], images)] == [*range(count)]
        assert not images.any()


def test_any_name_from_any_folder(
    pool: DecodePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [os.fsdecode(b"\xff\xfe.png"), "two\nlines.png", "ü.png", "-x", "'", " ", "%s", "a"]
    for k, name in enumerate(names):
        Image.fromarray(np.full((6, 9), 20 * k, np.uint8)).save(name, "png")
    images = np.empty((8, 6, 9, 1), np.uint8)
    assert not pool.read([Path(name) for name in names], images)
    assert images[:, 3, 3, 0].tolist() == [20 * k for k in range(8)]


def test_errors_are_those_of_one_thread(
    pool: DecodePool, paths: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(paths[0].read_bytes()[:60])
    chosen = [*paths, bad, *paths, tmp_path / "gone.png"]
    messages = []
    for given in (None, pool):
        with pytest.raises(UserError, match=r"bad\.png: cannot be read") as caught:
            read_images(chosen, (20, 20), 3, 1, given)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    # Only the runs that contain a bad file are left to the caller.
    images = np.empty((len(chosen), 20, 20, 3), np.uint8)
    left = set(pool.read(chosen, images))
    assert {30, 61} <= left
    assert len(left) < 20
    wait_for(pool, paths)


def test_a_decoder_that_the_parent_alone_has(
    pool: DecodePool, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = paths[1].with_name("cut.jpg")
    cut.write_bytes(paths[1].read_bytes()[:-40])
    with pytest.raises(UserError, match=r"cut\.jpg"):
        read_images([*paths, cut], (20, 20), 3, 1, pool)
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    assert read_images([*paths, cut], (20, 20), 3, 1, pool)[-1].any()


def test_a_killed_process_is_replaced(pool: DecodePool, paths: list[Path]) -> None:
    expected = read_images(paths, (20, 20), 3, 1)
    killed = pids(pool)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    np.testing.assert_array_equal(read_images(paths, (20, 20), 3, 1, pool), expected)
    wait_for(pool, paths)
    assert len(pids(pool)) == 2
    assert gone(killed)


def test_killed_while_they_decode(pool: DecodePool, paths: list[Path]) -> None:
    many = paths * 10
    expected = read_images(many, (64, 64), 3, 1)
    with ThreadPoolExecutor(1) as executor:
        for count in (1, 2, 1):
            wait_for(pool, paths)
            killed = [*pids(pool)][:count]
            reading = executor.submit(read_images, many, (64, 64), 3, 1, pool)
            time.sleep(0.01)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            np.testing.assert_array_equal(reading.result(timeout=30), expected)
    wait_for(pool, paths)
    assert gone(killed)


def test_a_file_that_kills_is_named(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = worker_handle._BOOT.replace(
        "serve(int(board))",
        "from ferjax.data.decoding import worker_main as worker\n"
        "import os\n"
        "read = worker.read_image\n"
        "worker.read_image = lambda n, *a: os.abort() if 'kill' in n else read(n, *a)\n"
        "serve(int(board))",
    )
    monkeypatch.setattr(worker_handle, "_BOOT", boot)
    killer = tmp_path / "killer.png"
    with closing(DecodePool(3, start_after=0)) as pool:
        wait_for(pool, paths)
        with pytest.raises(UserError, match=r"killer\.png: two processes .* \(exit status -6\)"):
            read_images([*paths, killer, *paths], (8, 8), 3, 1, pool)
        wait_for(pool, paths)


def test_threads_share_a_pool(pool: DecodePool, paths: list[Path]) -> None:
    sizes = [(10, 10), (90, 80), (33, 5)]
    expected = [read_images(paths, size, 3, 1) for size in sizes]

    def work(number: int) -> None:
        for _ in range(10):
            images = read_images(paths, sizes[number], 3, 1, pool)
            np.testing.assert_array_equal(images, expected[number])

    with ThreadPoolExecutor(3) as executor:
        list(executor.map(work, range(3)))


def test_processes_start_when_they_pay(paths: list[Path]) -> None:
    images = np.empty((30, 4, 4, 1), np.uint8)
    with closing(DecodePool(2, start_after=60)) as pool:
        for _ in range(2):
            assert len(pool.read(paths, images)) == 30
            assert not pids(pool)
        wait_for(pool, paths)
        started = pids(pool)
        assert len(started) == 2
    assert gone(started)
    assert len(pool.read(paths, images)) == 30
    assert not pids(pool)


@pytest.mark.parametrize("executable", ["/no/such/python", "/bin/false", ""])
def test_without_processes_the_caller_reads_all(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    images = np.empty((30, 4, 4, 1), np.uint8)
    with closing(DecodePool(2, start_after=0)) as pool:
        assert len(pool.read(paths, images)) == 30
        eventually(lambda: pool.read(paths, images) and not pids(pool))
        assert len(pool.read(paths, images)) == 30


def test_a_frozen_program_and_one_core_start_none(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = [DecodePool(1, start_after=0)]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    pools.append(DecodePool(4, start_after=0))
    for pool in pools:
        assert len(pool.read(paths, np.empty((30, 4, 4, 1), np.uint8))) == 30
        assert not pids(pool)


def test_splits_of_a_process_share_one_pool() -> None:
    assert decode_pool(2) is decode_pool(2)


# No `if __name__ == "__main__"`: what starts processes must not run this file again.
SCRIPT = """
import os, pathlib, signal, sys, threading, time
import numpy as np
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.decoding.process_pool import decode_pool
from ferjax.data.decoding.image_split import image_split
# A program that a script starts in the background ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begins", flush=True)
paths = sorted(pathlib.Path(sys.argv[1]).iterdir()) * 15
split = image_split("train", paths, np.zeros(len(paths)), [str(k) for k in range(len(paths))], 16)
def pids():
    return [process._process.pid for process in decode_pool(usable_cores())._processes]
first = split.read(np.arange(len(paths)))
for turn in range(4000):
    assert (split.read(np.arange(len(paths))) == first).all()
    if turn > 9 and turn % 10 == 0 and len(found := pids()) > 1:
        break
print(*found, flush=True)
"""


two_cores = pytest.mark.skipif(usable_cores() < 2, reason="one core starts no processes")


def start(paths: list[Path], cwd: Path, rest: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Returns a program of an unguarded main module, and the processes that decode for it."""
    (cwd / "script.py").write_text(SCRIPT + rest)
    program = subprocess.Popen(
        [sys.executable, "script.py", str(paths[0].parent)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout
    assert program.stdout.readline() == "begins\n"
    return program, [*map(int, program.stdout.readline().split())]


def ended(program: subprocess.Popen[str]) -> tuple[str, str]:
    """Returns what a program printed; one that does not end is killed."""
    try:
        return program.communicate(timeout=60)
    finally:
        program.kill()


def alive(pids: list[int]) -> set[int]:
    """Returns which of the processes run; one that has ended may wait for its reaper."""
    states = {}
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            states[pid] = stat.read_text("utf-8").rpartition(")")[2].split()[0]
    return {pid for pid, state in states.items() if state != "Z"}


@pytest.fixture
def small(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "faces"
    folder.mkdir()
    for k in range(20):
        Image.fromarray(np.full((8, 8), k, np.uint8)).save(folder / f"{k}.png")
    return sorted(folder.iterdir())


FORK = """
if not os.fork():
    assert (split.read(np.arange(40)) == first[:40]).all()
    sys.exit()
os.wait()
assert (split.read(np.arange(len(paths))) == first).all()
assert pids() == found
"""
THREAD = """
def work():
    while True:
        split.read(np.arange(len(paths)))
threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
"""


@two_cores
@pytest.mark.parametrize("rest", [FORK, THREAD])
def test_a_program_ends_without_noise(small: list[Path], tmp_path: Path, rest: str) -> None:
    program, pids = start(small, tmp_path, rest)
    out, errors = ended(program)
    assert (program.returncode, out, errors) == (0, "", "")
    assert len(pids) >= 2
    assert not alive(pids)


@two_cores
def test_processes_end_with_a_killed_parent(small: list[Path], tmp_path: Path) -> None:
    program, pids = start(small, tmp_path, "while True: split.read(np.arange(len(paths)))")
    assert len(alive(pids)) >= 2
    program.kill()
    _, errors = ended(program)
    assert errors == ""
    eventually(lambda: not alive(pids))


@two_cores
def test_an_interrupt_is_the_parents_alone(small: list[Path], tmp_path: Path) -> None:
    program, pids = start(small, tmp_path, "while True: split.read(np.arange(len(paths)))")
    os.killpg(program.pid, signal.SIGINT)
    _, errors = ended(program)
    assert errors.count("KeyboardInterrupt") == 1
    assert errors.endswith("KeyboardInterrupt\n")
    eventually(lambda: not alive(pids))


@pytest.mark.parametrize("rows", [8, 9, 128, 1024])
@pytest.mark.parametrize("processes", [2, 3, 64])
@pytest.mark.parametrize("most", [1, 6, 5000])
def test_runs_cover_the_rows_and_get_shorter(rows: int, processes: int, most: int) -> None:
    runs = _runs(rows, processes, most)
    assert [row for run in runs for row in run] == [*range(rows)]
    lengths = [len(run) for run in runs]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] <= most
    # No run is a large part of all rows, and there are not too many runs.
    assert lengths[0] <= max(1, rows // (2 * processes))
    assert len(lengths) <= max(16 * processes, rows / most) + 8
