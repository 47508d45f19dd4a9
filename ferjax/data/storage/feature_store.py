"""Frozen features on disk: computed once an image, continued after a kill, mapped and shared.

A store is a folder with `features.f32` (little-endian float32 [N, V, ...], reserved whole),
`features.json`, which says what it holds and under which key, and `journal`, a line for each block
of rows that is complete. A line follows its rows onto the disk, so whatever stops the filling, the
journal never promises what is not there.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.bad_images import read_blocks
from ferjax.data.splits.split import Split
from ferjax.data.storage.block_journal import Block, missing_rows, read_journal, write_journal
from ferjax.data.storage.locks_and_writes import (
    locked,
    reserve,
    sampled_blocks,
    sync_folder,
    write_lasting,
)
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

_VERSION = 1
_DATA, _RECORD, _JOURNAL = "features.f32", "features.json", "journal"


def content_digest(split: Split) -> str:
    """Returns the sha256 of a split's number of images, their shape and all pixels, in order.

    Raises:
      UserError: an image that cannot be read.
    """
    digest = hashlib.sha256(repr((len(split), *split.shape)).encode())
    for _, images, _ in read_blocks(split):
        digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def feature_key(parts: Mapping[str, Any]) -> str:
    """Returns the sha256 of all that decides a store's features, and of this format's version.

    Args:
      parts: by name, as JSON values: weights, network, input, variants, images (`content_digest`).
    """
    facts = json.dumps([_VERSION, dict(parts)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def stored_bytes(shape: tuple[int, ...]) -> int:
    """Returns the bytes that float32 features of this shape take on disk."""
    return 4 * math.prod(shape)


def free_bytes(*folders: Path) -> int:
    """Returns the bytes stores may take in `folders`, on one disk: its free ones and theirs."""
    data = [Path(folder).absolute() / _DATA for folder in folders]
    # Unlike Path's, these say no of what may not be looked at.
    nearest = next(path for path in data[0].parents if os.path.exists(path))
    taken = sum(path.stat().st_blocks * 512 for path in data if os.path.isfile(path))
    return shutil.disk_usage(nearest).free + taken


def fill_store(
    folder: Path,
    key: str,
    shape: tuple[int, ...],
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    block: int,
    progress: str | None = None,
) -> np.ndarray:
    """Returns the features in `folder`, computing those that are not there yet.

    Of several processes one computes and the others wait, so `compute` must not wait for them. A
    killed one is continued: blocks whose checksum holds are kept, whatever `block` was then.
    Of a complete store up to 16 blocks are verified; where one is damaged, or rows are missing, all
    are, and only what does not hold is computed again.

    Args:
      folder: the store's own folder, named by `key`; what else may be there is never touched.
      key: what the features follow from (`feature_key`).
      shape: (N, V, ...) of them all.
      compute: int64 [B] consecutive positions in the split, B at most `block` → float32
        [B, V, ...].
      block: rows computed at once, which a kill can cost; each block waits for the disk twice.
      progress: what the progress bar says, None for no bar.

    Returns:
      float32 [N, V, ...], mapped from the file, read-only.

    Raises:
      UserError: no rows, a folder that is no store or has another key, no room or no right to
        write. Whatever `compute` raises. Complete blocks stay in either case.
    """
    folder, shape = Path(folder), tuple(map(int, shape))
    record = {"version": _VERSION, "key": key, "shape": [*shape]}
    if not math.prod(shape):
        raise UserError(f"{folder}: there are no features to store, their shape is {shape}")
    with contextlib.ExitStack() as held:
        with _user_errors(folder, shape):
            # A complete store is opened without the lock: its folder may be read-only.
            if (features := _complete(folder, record, shape)) is not None:
                return features
            held.enter_context(locked(folder))
            if (features := _complete(folder, record, shape)) is not None:
                return features  # filled while this process waited
            if not folder.exists():
                _create(folder, record)
            (folder / _DATA).touch()
            data = held.enter_context(open(folder / _DATA, "r+b", buffering=0))
            blocks = _kept(folder, data, shape)
            journal = held.enter_context(open(folder / _JOURNAL, "ab", buffering=0))
        missing = missing_rows(blocks, shape[0], block)
        bar = tqdm(
            total=shape[0],
            initial=shape[0] - sum(count for _, count in missing),
            desc=progress,
            unit="image",
            disable=True if progress is None else None,
            leave=False,
        )
        held.enter_context(bar)
        for first, count in missing:
            rows = np.ascontiguousarray(compute(np.arange(first, first + count)), "<f4")
            if rows.shape != (count, *shape[1:]):
                raise ValueError(f"features of shape {rows.shape}, not {(count, *shape[1:])}")
            with _user_errors(folder, shape):
                data.seek(first * stored_bytes(shape[1:]))
                write_lasting(data, rows.data)
                write_lasting(journal, Block(first, count, zlib.crc32(rows.data)).line)
            bar.update(count)
    return _mapped(folder, shape)


def _complete(folder: Path, record: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns the features of a store that lacks none and holds wherever it is sampled."""
    if not folder.exists():
        return None
    _check_record(folder, record)
    blocks = read_journal(folder / _JOURNAL, shape[0])
    whole = sum(one.count for one in blocks) == shape[0]  # and so none overlap, where none miss
    if not whole or missing_rows(blocks, shape[0], shape[0]) or not _has_size(folder, shape):
        return None
    features = _mapped(folder, shape)
    sample = (blocks[number] for number in sampled_blocks(len(blocks)))
    return features if all(_holds(features, one) for one in sample) else None


def _kept(folder: Path, data: FileIO, shape: tuple[int, ...]) -> list[Block]:
    """Makes the data as long as they shall be; returns the blocks that hold, all verified."""
    if not _has_size(folder, shape):
        reserve(data.fileno(), stored_bytes(shape))
        os.ftruncate(data.fileno(), stored_bytes(shape))
    features = _mapped(folder, shape)
    named = read_journal(folder / _JOURNAL, shape[0])
    blocks = [one for one in named if _holds(features, one)]
    # What does not hold is forgotten before it is computed again.
    write_journal(folder / _JOURNAL, blocks)
    return blocks


def _mapped(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    # A plain array on the mapping: numpy's memmap class makes every gather slower.
    return np.asarray(np.memmap(folder / _DATA, "<f4", "r", shape=shape))


def _has_size(folder: Path, shape: tuple[int, ...]) -> bool:
    path = folder / _DATA
    return path.is_file() and path.stat().st_size == stored_bytes(shape)


def _holds(features: np.ndarray, block: Block) -> bool:
    return zlib.crc32(features[block.rows].data) == block.crc32


def _check_record(folder: Path, expected: Mapping[str, Any]) -> None:
    try:
        found = json.loads((folder / _RECORD).read_text("utf-8"))
        different = [name for name in expected if found[name] != expected[name]]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder}: no feature store, {_RECORD} is missing or broken; move the folder away, or"
            " name another"
        ) from None
    if different:
        facts = ", ".join(f"{name} {found[name]}, wanted {expected[name]}" for name in different)
        raise UserError(
            f"{folder}: holds other features ({facts}); move the folder away, or name another"
        )


def _create(folder: Path, record: Mapping[str, Any]) -> None:
    """Makes the folder of a store without rows; it appears with its record or not at all."""
    raw = folder.parent / f".{folder.name}.building"
    shutil.rmtree(raw, ignore_errors=True)  # whoever wrote it held this lock, and died
    try:
        raw.mkdir()
        with open(raw / _RECORD, "wb", buffering=0) as file:
            write_lasting(file, json.dumps(record).encode() + b"\n")
        sync_folder(raw)
        raw.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(raw, ignore_errors=True)


@contextlib.contextmanager
def _user_errors(folder: Path, shape: tuple[int, ...]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder}: the features cannot be read or written ({error.strerror or error}); they "
            f"take {stored_bytes(shape):,} bytes of {free_bytes(folder):,} free ones; make room, or"
            " name a folder that can be written"
        ) from error
