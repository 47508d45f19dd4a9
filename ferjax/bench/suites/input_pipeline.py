"""Suite `input`: the input pipeline against a bare loop and PyTorch's DataLoader."""

import atexit
import functools
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.bench.measuring.case import BARE, OURS, Case, Peer, Run
from ferjax.bench.pytorch.data_loaders import (
    decode_file,
    decode_files,
    file_loader,
    gather_loader,
    item_loader,
)
from ferjax.data.decoding.image_file import decode_threads
from ferjax.data.decoding.image_split import image_split
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.data.pipeline.grain_batches import TrainBatches, iterate
from ferjax.data.splits.split import Split
from ferjax.data.storage.image_store import build_store, open_store, stored_split
from ferjax.data.synthetic.load_synthetic import render_faces

_BATCH, _CACHED, _FILES = 128, 30_000, 2048
# Epochs of a run over cached images: half the time of a single epoch would be start-up.
_EPOCHS = 4
_FACE = (48, 48, 1)


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    return (
        _cached_case("cached faces, store to batch", _epochs_of_open_store, quick=True),
        _cached_case(
            "cached faces, opening and an epoch", lambda: _open_and_read(None), memory=True
        ),
        _cached_case("cached faces, opening and the first batch", lambda: _open_and_read(1)),
        _decoding_case("png", 48, 1, quick=True),
        _decoding_case("jpeg", 100, 3),
        _decoding_case("jpeg", 224, 3),
        _first_batch_case("jpeg", 224, 3),
    )


def _cached_case(
    name: str, ours: Callable[[], Run], quick: bool = False, memory: bool = False
) -> Case:
    first_batch = "first" in name
    store_is_open = not first_batch and not memory
    epochs = _EPOCHS if store_is_open else 1
    count = _BATCH if first_batch else _CACHED // _BATCH * _BATCH * epochs
    peers = (
        Peer("an image an item, 0 workers", lambda: _epochs(item_loader(_pixels(), _BATCH, 0))),
        Peer("an image an item, 2 workers", lambda: _epochs(item_loader(_pixels(), _BATCH, 2))),
        Peer("a batch an item, 0 workers", lambda: _epochs(gather_loader(_pixels(), _BATCH, 0))),
        Peer("a batch an item, 2 workers", lambda: _epochs(gather_loader(_pixels(), _BATCH, 2))),
    )
    return Case(
        name=name,
        shape=f"{_CACHED:,} of {_FACE[0]}x{_FACE[1]}x{_FACE[2]}, batches of {_BATCH}",
        function=None,
        arguments=tuple,
        sides={OURS: ours, BARE: _bare_gathers} if store_is_open else {OURS: ours},
        peers=peers if store_is_open else (),
        bytes=2 * count * int(np.prod(_FACE)),
        images=count,
        memory=memory,
        quick=quick,
    )


def _decoding_case(kind: str, side: int, channels: int, quick: bool = False) -> Case:
    mode, workers = "L" if channels == 1 else "RGB", usable_cores()

    def ours() -> Run:
        batches = _file_batches(image_folder(kind, side, channels, _FILES), side)

        def run() -> None:
            _consume(iterate(batches))

        # ferjax's processes start after some batches, PyTorch's processes during its warm-up.
        for _ in range(3):
            run()
        return run

    def bare() -> Run:
        paths = image_folder(kind, side, channels, _FILES)
        return lambda: decode_loop(paths, mode, workers)

    def in_processes() -> Run:
        paths = image_folder(kind, side, channels, _FILES)
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(workers, context)
        parts = [(paths[k::workers], mode) for k in range(workers)]
        return lambda: list(executor.map(decode_files, *zip(*parts, strict=True)))

    def peer(workers: int, whole: bool) -> Run:
        paths = image_folder(kind, side, channels, _FILES)
        return file_loader(paths, mode, _BATCH, workers, whole)

    settings = {
        f"{size} an item, {count} workers": functools.partial(peer, count, size == "a batch")
        for count in (0, workers)
        for size in ("an image", "a batch")
    }
    return Case(
        name=f"{kind.upper()} files {side}x{side}, decoded",
        shape=f"{_FILES:,} files of {side}x{side}x{channels}, batches of {_BATCH}",
        function=None,
        arguments=tuple,
        sides={OURS: ours, BARE: bare, f"{BARE} in processes": in_processes},
        peers=tuple(Peer(setting, build) for setting, build in settings.items()),
        bytes=_FILES * side * side * channels,
        images=_FILES,
        quick=quick,
    )


def _first_batch_case(kind: str, side: int, channels: int) -> Case:
    mode = "L" if channels == 1 else "RGB"

    def paths() -> Sequence[Path]:
        return image_folder(kind, side, channels, _FILES)[:_BATCH]

    def ours() -> Run:
        batches = _file_batches(paths(), side, decode_threads(side * side))
        return lambda: _consume(iterate(batches))

    def peer() -> Run:
        return file_loader(paths(), mode, _BATCH, workers=0, whole=True)

    return Case(
        name=f"{kind.upper()} files {side}x{side}, the first batch",
        shape=f"{_BATCH} files of {side}x{side}x{channels}, before any process has started",
        function=None,
        arguments=tuple,
        sides={OURS: ours, BARE: lambda: lambda: decode_loop(paths(), mode, usable_cores())},
        peers=(Peer("a batch an item, 0 workers", peer),),
        bytes=_BATCH * side * side * channels,
        images=_BATCH,
    )


def _file_batches(paths: Sequence[Path], side: int, threads: int | None = None) -> TrainBatches:
    ids = [path.name for path in paths]
    split = image_split("train", paths, np.zeros(len(paths)), ids, side, threads=threads)
    return TrainBatches(split, _BATCH, 0, epochs=1)


def decode_loop(paths: Sequence[Path], mode: str, threads: int) -> list[list[np.ndarray]]:
    """Decodes files with Pillow and nothing else; returns uint8 arrays, a list per thread."""

    def decode(part: Sequence[Path]) -> list[np.ndarray]:
        return [decode_file(path, mode) for path in part]

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(decode, [paths[k::threads] for k in range(threads)]))


@functools.cache
def image_folder(kind: str, side: int, channels: int, count: int) -> tuple[Path, ...]:
    """Returns files of synthetic faces, in a folder that is deleted when the process ends."""
    folder = _temporary_folder()
    drawn = np.arange(min(64, count))
    faces = render_faces(drawn % 7, drawn, size=side)
    faces = faces if channels == 3 else faces[..., 1]
    paths = tuple(folder / f"{number}.{kind}" for number in range(count))
    for number, path in enumerate(paths):
        Image.fromarray(faces[number % len(faces)]).save(path)
    return paths


@functools.cache
def _pixels() -> np.ndarray:
    shape = (_CACHED, *_FACE)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@functools.cache
def _store_folder() -> Path:
    """Returns the folder of a store of random pixels; it is deleted when the process ends."""
    folder = _temporary_folder() / "store"
    pixels = _pixels()
    build_store(_split(lambda rows: pixels[rows]), folder, "bench")
    return folder


def _split(read: Callable[[np.ndarray], np.ndarray]) -> Split:
    labels = np.zeros(_CACHED, np.int32)
    return Split("train", labels, tuple(map(str, range(_CACHED))), _FACE, read)


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ferjax-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _store_batches(epochs: int = 1) -> TrainBatches:
    split = stored_split(_split(lambda rows: rows), open_store(_store_folder(), "bench"))
    return TrainBatches(split, _BATCH, 0, epochs)


def _epochs_of_open_store() -> Run:
    batches = _store_batches(_EPOCHS)
    return lambda: _consume(iterate(batches))


def _open_and_read(batch_count: int | None) -> Run:
    """Returns a run that opens the store and reads `batch_count` batches; None for all."""
    _store_folder()
    # The pixels from which the store was built would count as memory before the run.
    _pixels.cache_clear()

    def run() -> None:
        batches = iterate(_store_batches())
        for number, _ in enumerate(batches, start=1):
            if number == batch_count:
                break

    return run


def _bare_gathers() -> Run:
    pixels = _pixels()

    def run() -> None:
        order = np.random.default_rng(0).permutation(_CACHED)
        for start in range(0, _CACHED - _BATCH + 1, _BATCH):
            pixels[order[start : start + _BATCH]]

    return _epochs(run)


def _epochs(run: Run) -> Run:
    return lambda: [run() for _ in range(_EPOCHS)]


def _consume(batches: Iterable[Any]) -> None:
    for _ in batches:
        pass
