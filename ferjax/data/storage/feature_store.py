"""Feature store on disk: features of a frozen network, computed once per image, memory-mapped.

A store is a folder with three files. `features.f32` is little-endian float32 [N, V, ...], allocated
at full length. `features.json` states its version, key and shape. `journal` has a line for each
complete block of rows. A line is written after its rows are on disk, so the journal never lists
rows that are not there, whatever stops the process. A store that was interrupted is continued.
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

from ferjax.config.given_files import read_json_object
from ferjax.data.splits.bad_images import read_blocks
from ferjax.data.splits.split import Split
from ferjax.data.storage.block_journal import Block, missing_rows, read_journal, write_journal
from ferjax.data.storage.locks_and_writes import (
    folder_lock,
    reserve_disk_space,
    sampled_blocks,
    sync_folder,
    write_durably,
)
from ferjax.errors import DiskError, UserError
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
    """Returns the sha256 of all that decides the features, and of the version of this format.

    Args:
      parts: JSON values by name: weights, network, input, variants, images (`content_digest`).
    """
    facts = json.dumps([_VERSION, dict(parts)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def stored_bytes(shape: tuple[int, ...]) -> int:
    """Returns the number of bytes that float32 features of this shape take on disk."""
    return 4 * math.prod(shape)


def free_bytes(*folders: Path) -> int:
    """Returns the bytes that stores in `folders`, on one disk, may use: free and already used."""
    data = [Path(folder).absolute() / _DATA for folder in folders]
    # Unlike the methods of Path, these return False for paths that may not be accessed.
    nearest = next(path for path in data[0].parents if os.path.exists(path))
    used_bytes = sum(path.stat().st_blocks * 512 for path in data if os.path.isfile(path))
    return shutil.disk_usage(nearest).free + used_bytes


def fill_store(
    folder: Path,
    key: str,
    shape: tuple[int, ...],
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    block: int,
    progress: str | None = None,
) -> np.ndarray:
    """Returns the features in `folder` after computing those that are missing.

    If several processes call this, one computes and the others wait, so `compute` must not wait for
    them. A store of a killed process is continued: blocks with a correct checksum are kept, with
    any `block`. Up to 16 blocks of a complete store are verified. If one of them is damaged or rows
    are missing, all blocks are verified and only the damaged or missing rows are computed again.

    Args:
      folder: the folder of this store only, named by `key`; other files in it are never touched.
      key: hash of all that decides the features (`feature_key`).
      shape: (N, V, ...) of all features.
      compute: int64 [B] consecutive positions in the split, B at most `block` → float32
        [B, V, ...].
      block: rows that are computed at once. A kill loses at most one block; each block calls
        fsync twice.
      progress: text of the progress bar, None for no bar.

    Returns:
      float32 [N, V, ...], mapped from the file, read-only.

    Raises:
      UserError: no rows, a folder that is not a store or has another key, a full disk, or no
        permission to write. Exceptions of `compute` pass through. Complete blocks are kept in
        both cases.
    """
    folder, shape = Path(folder), tuple(map(int, shape))
    record = {"version": _VERSION, "key": key, "shape": [*shape]}
    if not math.prod(shape):
        raise UserError(f"{folder}: there are no features to store, their shape is {shape}")
    with contextlib.ExitStack() as resources:
        with _user_errors(folder, shape):
            # A complete store is opened without the lock, because its folder may be read-only.
            if (features := _open_complete(folder, record, shape)) is not None:
                return features
            resources.enter_context(folder_lock(folder))
            if (features := _open_complete(folder, record, shape)) is not None:
                return features  # another process filled it
            if not folder.exists():
                _create_store(folder, record)
            (folder / _DATA).touch()
            data = resources.enter_context(open(folder / _DATA, "r+b", buffering=0))
            blocks = _verify_blocks(folder, data, shape)
            journal = resources.enter_context(open(folder / _JOURNAL, "ab", buffering=0))
        missing = missing_rows(blocks, shape[0], block)
        bar = tqdm(
            total=shape[0],
            initial=shape[0] - sum(count for _, count in missing),
            desc=progress,
            unit="image",
            disable=True if progress is None else None,
            leave=False,
        )
        resources.enter_context(bar)
        for first, count in missing:
            rows = np.ascontiguousarray(compute(np.arange(first, first + count)), "<f4")
            if rows.shape != (count, *shape[1:]):
                raise ValueError(f"features of shape {rows.shape}, not {(count, *shape[1:])}")
            with _user_errors(folder, shape):
                data.seek(first * stored_bytes(shape[1:]))
                write_durably(data, rows.data)
                write_durably(journal, Block(first, count, zlib.crc32(rows.data)).line)
            bar.update(count)
        # Maps the open file, because the cache may have been deleted meanwhile.
        return _map_features(data, shape)


def _open_complete(
    folder: Path, record: Mapping[str, Any], shape: tuple[int, ...]
) -> np.ndarray | None:
    """Returns the features of a complete store whose sampled blocks are undamaged, else None."""
    if not folder.exists():
        return None
    _check_record(folder, record)
    blocks = read_journal(folder / _JOURNAL, shape[0])
    # With this sum and no missing row, no two blocks overlap.
    all_listed = sum(block.count for block in blocks) == shape[0]
    if not all_listed or missing_rows(blocks, shape[0], shape[0]) or not _has_size(folder, shape):
        return None
    features = _map_features(folder / _DATA, shape)
    sample = (blocks[number] for number in sampled_blocks(len(blocks)))
    return features if all(_checksum_matches(features, block) for block in sample) else None


def _verify_blocks(folder: Path, data: FileIO, shape: tuple[int, ...]) -> list[Block]:
    """Gives the data file its full length; returns the blocks whose checksums are correct."""
    if not _has_size(folder, shape):
        reserve_disk_space(data.fileno(), stored_bytes(shape))
        os.ftruncate(data.fileno(), stored_bytes(shape))
    features = _map_features(data, shape)
    listed_blocks = read_journal(folder / _JOURNAL, shape[0])
    blocks = [block for block in listed_blocks if _checksum_matches(features, block)]
    # Damaged blocks are removed from the journal before they are computed again.
    write_journal(folder / _JOURNAL, blocks)
    return blocks


def _map_features(data: Path | FileIO, shape: tuple[int, ...]) -> np.ndarray:
    # A plain array on the mapping: numpy's memmap class makes every gather slower.
    return np.asarray(np.memmap(data, "<f4", "r", shape=shape))


def _has_size(folder: Path, shape: tuple[int, ...]) -> bool:
    path = folder / _DATA
    return path.is_file() and path.stat().st_size == stored_bytes(shape)


def _checksum_matches(features: np.ndarray, block: Block) -> bool:
    return zlib.crc32(features[block.rows].data) == block.crc32


def _check_record(folder: Path, expected: Mapping[str, Any]) -> None:
    """Raises `UserError` unless the folder is a store with the expected record."""
    try:
        stored_record = read_json_object(folder / _RECORD, "")
        different = [name for name in expected if stored_record[name] != expected[name]]
    except (UserError, KeyError):
        raise UserError(
            f"{folder}: no feature store, {_RECORD} is missing or broken; move the folder away, or"
            " name another"
        ) from None
    if different:
        facts = ", ".join(
            f"{name} {stored_record[name]}, wanted {expected[name]}" for name in different
        )
        raise UserError(
            f"{folder}: holds other features ({facts}); move the folder away, or name another"
        )


def _create_store(folder: Path, record: Mapping[str, Any]) -> None:
    """Creates the folder of a store without rows; the folder appears together with its record."""
    temporary = folder.parent / f".{folder.name}.building"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that held this lock
    try:
        temporary.mkdir()
        with open(temporary / _RECORD, "wb", buffering=0) as file:
            write_durably(file, json.dumps(record).encode() + b"\n")
        sync_folder(temporary)
        temporary.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _user_errors(folder: Path, shape: tuple[int, ...]) -> Iterator[None]:
    """Raises `DiskError` for every `OSError` inside the block."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{folder}: the features cannot be read or written ({error.strerror or error}); they "
            f"take {stored_bytes(shape):,} bytes of {free_bytes(folder):,} free ones; make room, or"
            " name a folder that can be written"
        ) from error
