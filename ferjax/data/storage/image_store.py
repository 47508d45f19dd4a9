"""Image store on disk: decoded images in one raw uint8 file that processes map and share.

A store is a folder with two files: `images.u8` is uint8 [N, H, W, C], row after row; `store.json`
states its shape, its key and the CRC-32 of every block. The folder appears only when it is
complete, and a sample of its blocks is verified when it is opened.
"""

import contextlib
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import read_json_object
from ferjax.data.decoding.image_file import resize_image
from ferjax.data.splits.bad_images import BadImage, read_blocks, without_bad
from ferjax.data.splits.split import Split
from ferjax.data.storage.locks_and_writes import folder_lock, reserve_disk_space, sampled_blocks
from ferjax.errors import DiskError, UserError

_VERSION = 1
_PIXELS, _RECORD = "images.u8", "store.json"
_FIELDS = {"version", "key", "shape", "rows per block", "crc32", "bad"}


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
      images: uint8 [N, H, W, C], mapped from the file, read-only.
      bad: position → an image that could not be read when the store was built; black in `images`.
      record: the contents of store.json.
    """

    images: np.ndarray
    bad: dict[int, BadImage]
    record: dict[str, Any]


def tree_signature(root: Path) -> str:
    """Returns the sha256 of the relative paths, sizes and modification times of all files.

    Args:
      root: a folder, or a single file. Hidden entries are ignored, links are followed.

    Raises:
      UserError: `root` does not exist.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(f"{root}: no such file or folder")
    digest = hashlib.sha256()
    for path, status in sorted(
        _visible_files(root) if root.is_dir() else [(root.name, root.stat())]
    ):
        line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _visible_files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yields relative path and status of each visible file below a folder."""
    visited: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:  # a link to a folder visited before
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):  # a broken link
                if not name.startswith("."):
                    yield os.path.relpath(path, root), os.stat(path)


def store_key(
    split: Split, signature: str, size: int | None = None, options: Mapping[str, Any] | None = None
) -> str:
    """Returns the sha256 of all that decides a store's pixels.

    Args:
      split: the split to store; its ids and shape are part of the key.
      signature: `tree_signature` of the files that it is read from.
      size: the side of the stored images, None for the split's own size.
      options: further options such as crops, as JSON values.
    """
    facts = [_VERSION, list(split.ids), split.shape, signature, size, dict(options or {})]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def build_store(
    split: Split,
    folder: Path,
    key: str,
    *,
    size: int | None = None,
    on_bad_image: str = "error",
    rebuild: bool = False,
) -> Store:
    """Returns the store in `folder`; builds it if it does not exist, decoding every image once.

    If several processes call this, one builds and the others wait. A killed build leaves no store.

    Args:
      split: the split to decode; its `read` uses its own threads.
      folder: the folder of this store only; only a store is replaced, and only with `rebuild`.
      key: hash of all that decides the pixels (`store_key`).
      size: the side that images are resized to, None for the split's own size.
      on_bad_image: `error`, or `skip` to list unreadable images in `Store.bad`.
      rebuild: whether to replace a damaged store or one with another key.

    Raises:
      UserError: an empty split, an image that cannot be read, a folder that is not a store or has
        another key, a full disk, or no permission to write.
    """
    folder = Path(folder)
    if not len(split):
        raise UserError(f"{folder}: the {split.name} split has no images to store")
    try:
        with folder_lock(folder):
            if folder.exists():
                try:
                    return open_store(folder, key)
                except UserError:
                    if not rebuild or not (folder / _RECORD).is_file():
                        raise
            temporary = folder.parent / f".{folder.name}.building"
            shutil.rmtree(temporary, ignore_errors=True)  # left by a process that held this lock
            try:
                _write_store(split, temporary / "new", key, size, on_bad_image)
                if folder.exists():
                    folder.rename(temporary / "old")
                (temporary / "new").rename(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DiskError(
            f"{folder}: the store cannot be written ({error.strerror or error}); make room, or name"
            " a folder that can be written"
        ) from error
    return open_store(folder, key)


def open_store(folder: Path, key: str) -> Store:
    """Returns the store in `folder` after checking version, key, size and a sample of its blocks.

    Raises:
      UserError: there is no store, it is damaged, or it was built from other files or options.
    """
    folder = Path(folder)
    record = _read_record(folder)
    if record["key"] != key:
        raise UserError(
            f"{folder}: this store was built from other files or options (key "
            f"{record['key'][:12]}, wanted {key[:12]}); remove this folder, or name another"
        )
    path, shape = folder / _PIXELS, tuple(record["shape"])
    file_bytes = path.stat().st_size if path.is_file() else 0
    if file_bytes != math.prod(shape):
        raise UserError(
            f"{path}: {file_bytes:,} bytes, expected {math.prod(shape):,}; remove its folder: it is"
            " built again"
        )
    # A plain array on the mapping: numpy's memmap class makes every gather slower.
    images = np.asarray(np.memmap(path, np.uint8, "r", shape=shape))
    checksums, rows_per_block = record["crc32"], record["rows per block"]
    for block in sampled_blocks(len(checksums)):
        if (
            zlib.crc32(images[block * rows_per_block : (block + 1) * rows_per_block].data)
            != checksums[block]
        ):
            raise UserError(
                f"{path}: damaged (checksum of block {block}); remove its folder: it is built again"
            )
    bad = {int(position): BadImage(**fields) for position, fields in record["bad"].items()}
    return Store(images, bad, record)


def stored_split(split: Split, store: Store) -> Split:
    """Returns `split` with its images read from the store, without the unreadable images."""
    images = store.images
    shape = (images.shape[1], images.shape[2], images.shape[3])
    return without_bad(
        replace(split, shape=shape, read=lambda rows: images.take(rows, axis=0)), store.bad
    )


def _read_record(folder: Path) -> dict[str, Any]:
    """Returns the record of a store after checking its version and its fields."""
    try:
        record = read_json_object(folder / _RECORD, "")
    except UserError:
        record = {}
    version = record.get("version", _VERSION)
    if version != _VERSION:
        raise UserError(f"{folder}: a store of version {version}, expected {_VERSION}; remove it")
    if not record.keys() >= _FIELDS:
        raise UserError(
            f"{folder}: no image store, {_RECORD} is missing or broken; name another folder, or "
            "remove this one and build it anew"
        )
    return record


def _write_store(
    split: Split, temporary: Path, key: str, size: int | None, on_bad_image: str
) -> None:
    """Writes pixels and record of a store into a new folder."""
    shape = (size, size, split.shape[2]) if size else split.shape
    temporary.mkdir(parents=True)
    bad_images: dict[int, BadImage] = {}
    checksums, block_rows = [], []
    with open(temporary / _PIXELS, "wb") as file:
        reserve_disk_space(file.fileno(), len(split) * math.prod(shape))
        for positions, images, bad in read_blocks(split, on_bad_image):
            if images.shape[1:] != shape:
                images = np.stack([resize_image(image, shape[:2]) for image in images])
            bad_images |= bad
            checksums.append(zlib.crc32(images.data))
            block_rows.append(len(positions))
            file.write(images.data)
        file.flush()
        os.fsync(file.fileno())
    record = {
        "version": _VERSION,
        "key": key,
        "shape": [len(split), *shape],
        "dtype": "uint8",
        "rows per block": block_rows[0],
        "crc32": checksums,
        "bad": {position: vars(bad_image) for position, bad_image in bad_images.items()},
    }
    (temporary / _RECORD).write_text(json.dumps(record) + "\n", "utf-8")
