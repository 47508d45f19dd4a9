"""Opens a weights file; its content shows the format (PyTorch, safetensors, Keras, ONNX)."""

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.config.given_files import check_no_special_file, read_json
from ferjax.convert.readers.keras_file import open_keras
from ferjax.convert.readers.onnx_file import looks_like_onnx, open_onnx
from ferjax.convert.readers.pytorch_file import open_torch
from ferjax.convert.readers.safetensors_file import open_safetensors
from ferjax.convert.readers.source_file import Source
from ferjax.errors import UserError, one_line

_EXPECTED = "expected weights: PyTorch (.pth, .bin), safetensors, Keras (.h5, .keras), or ONNX"
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickled magic number
# Trained weights hardly compress, so an archive that unpacks to more than 20 times its size is
# refused. Small archives (bytes when unpacked) are not refused, because they may consist of zeros.
_MAX_COMPRESSION_RATIO, _SMALL_ARCHIVE_BYTES = 20, 32 << 20
# The largest supported networks have some 1,500 arrays; averages and an optimizer's state may lie
# beside them.
_MOST_ARRAYS = 10_000
# First bytes of files that are sometimes given instead of weights, and text of the error message.
_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype", "an HTML page; the download led to a web page. Get the file itself"),
    (b"<html", "an HTML page; the download led to a web page. Get the file itself"),
    (b"<?xml", "an XML page; the download led to a message. Get the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file. Fetch it: git lfs pull"),
    (b"\x93numpy", "one numpy array"),
    (b"\x1f\x8b", "a gzip archive. Unpack it first"),
    (b"\x80", "a plain pickle, which is never opened. Save it by torch.save(model.state_dict())"),
)


def open_source(path: Path) -> Source:
    """Opens a weights file; reads its keys and shapes, not its arrays.

    Raises:
      UserError: no such file, no weights, a damaged file, or a missing package that reads it.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected one file of weights. Name the file in it.")
    check_no_special_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Check the path of the weights.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    source = _open_by_content(path, head)
    if (count := len(source.leaves)) > _MOST_ARRAYS:
        raise UserError(
            f"{path} holds {count:,} arrays, expected one network of at most {_MOST_ARRAYS:,}."
            " Save the network alone."
        )
    config = _config(path.with_name("config.json"))
    return dataclasses.replace(source, metadata={**source.metadata, **config})


def _open_by_content(path: Path, head: bytes) -> Source:
    """Opens the file with the reader that its first bytes indicate."""
    if not head:
        raise UserError(f"{path} is empty, {_EXPECTED}. Download or copy it again.")
    if head.startswith(b"PK\x03\x04"):
        return _open_zip(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return open_keras(path)
    if head.startswith(_TORCH_LEGACY):
        return open_torch(path, mapped=False)
    # Safetensors: the length of the header, then the header, which is JSON.
    if head[8:9] == b"{" and head[5:8] == bytes(3):
        return open_safetensors(path)
    if looks_like_onnx(head):
        return open_onnx(path)
    text = head.lstrip().lower()
    other = next((other for prefix, other in _OTHER_FORMATS if text.startswith(prefix)), None)
    raise UserError(f"{path} is {other or 'of no known format'}; {_EXPECTED}.")


def _open_zip(path: Path) -> Source:
    """Opens a zip archive with the reader that the names of its members indicate."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(
            f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated archive of "
            f"PyTorch or Keras ({one_line(error)}). Download or copy it again."
        ) from None
    _check_unpacked_size(path, members)
    names = [member.filename.rpartition("/")[2] for member in members]
    if "model.weights.h5" in names:
        return open_keras(path)
    if "constants.pkl" in names:
        raise UserError(f"{path} is a TorchScript program; save its state_dict() instead.")
    if "data.pkl" in names:
        return open_torch(path, mapped=True)
    is_npz = any(name.endswith(".npy") for name in names)
    raise UserError(f"{path} is {'an npz of numpy' if is_npz else 'a zip archive'}; {_EXPECTED}.")


def _check_unpacked_size(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Raises `UserError` for an archive with an implausible unpacked size (a zip bomb)."""
    stored, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    if unpacked > max(_SMALL_ARCHIVE_BYTES, _MAX_COMPRESSION_RATIO * stored):
        raise UserError(
            f"{path} ({stored:,} bytes) states {unpacked:,} bytes when it is unpacked, more than"
            " weights can be compressed. Get the file again, from its authors."
        )


def _config(path: Path) -> Mapping[str, Any]:
    """Returns metadata from config.json next to the weights, as on the Hugging Face hub."""
    if not path.exists():
        return {}
    config = read_json(path, "It describes the weights beside it: correct it or move it away.")
    return {"config": config} if isinstance(config, dict) else {}
