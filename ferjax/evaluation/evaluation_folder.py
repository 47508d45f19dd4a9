"""The folder of an evaluation, named after the judged data; no evaluation overwrites another."""

import contextlib
import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ferjax.data.splits.split import Split
from ferjax.data.storage.feature_store import content_digest
from ferjax.data.storage.locks_and_writes import folder_lock
from ferjax.errors import DiskError, UserError
from ferjax.runtime.atomic_files import whole_entries, write_atomically

# This file is written first, so that it identifies the folder of a stopped evaluation too.
_INPUTS = ".inputs"


def inputs_digest(facts: Sequence[Any], split: Split | None = None) -> str:
    """Returns the sha256 of all inputs of an evaluation.

    Args:
      facts: JSON values: the run, its checkpoint, the test-time augmentation.
      split: the images. The digest covers their names, labels and pixels, not their path.
    """
    digest = hashlib.sha256(json.dumps(facts).encode())
    if split is not None:
        digest.update(json.dumps([*split.ids]).encode())
        digest.update(split.labels.tobytes() + content_digest(split).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def evaluation_folder(out: Path | None, parent: Path, name: str, inputs: str) -> Iterator[Path]:
    """Yields the folder to write an evaluation to.

    The folder is new, or it holds an earlier evaluation of the same inputs.

    Args:
      out: the folder that the user asks for, or None.
      parent: the folder in which it is created if `out` is None.
      name: name of the new folder; `-2`, `-3` and so on are added while the folder of that name
        holds another evaluation.
      inputs: from `inputs_digest`; a hidden file of the folder holds it.

    Raises:
      UserError: `out` holds something different, or the folder cannot be written.
    """
    if out:
        claim_out(out, inputs)
        yield out
        return
    # The lock gives each of several processes with the same folder name a folder of its own.
    with contextlib.ExitStack() as held:
        # Errors of the caller's own work, such as an unreadable image, are not errors of the disk.
        with _as_disk_error(parent / name):
            held.enter_context(folder_lock(parent / name))
            names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
            folders = map(parent.joinpath, names)
            folder = next(each for each in folders if _inputs_of(each) in (None, inputs))
            folder.mkdir(exist_ok=True)
            write_atomically(folder / _INPUTS, inputs.encode())
        yield folder


@contextlib.contextmanager
def _as_disk_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{folder} cannot be written: {error.strerror or error}. Make room there, or give"
            " another --out."
        ) from error


def check_out(out: Path, inputs: str) -> None:
    """Raises `UserError` unless `--out` is new, is empty, or holds the same evaluation."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out} is a file. Name a new folder; nothing was written.")
    if _inputs_of(out) not in (None, inputs):
        entry_name = next(entry.name for entry in whole_entries(out) if entry.name != _INPUTS)
        raise UserError(
            f"--out={out} holds {entry_name} and is no earlier result of this evaluation. Name a"
            " new folder; nothing was written."
        )


def claim_out(out: Path, inputs: str) -> None:
    """Marks `--out` as the folder of this evaluation; raises as `check_out`."""
    check_out(out, inputs)
    write_atomically(out / _INPUTS, inputs.encode())


def check_writable(folder: Path, advice: str) -> None:
    """Raises `UserError`, which ends with the advice, if a folder cannot be created or written."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}). {advice}") from None


def _inputs_of(folder: Path) -> str | None:
    """Returns the inputs digest in a folder, "" if it holds other files, None if it is empty."""
    content = [entry.name for entry in whole_entries(folder)]
    if set(content) <= {_INPUTS}:
        return None
    return (folder / _INPUTS).read_text("utf-8") if _INPUTS in content else ""
