"""Reads Keras weights (.h5, .weights.h5, .keras): HDF5 files of Keras 3 and of older versions.

A key is `<layer>/<i>`; i is the position of the array within the layer.
"""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.source_file import Source, dtype_notes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError, one_line
from ferjax.runtime.optional_packages import require_package

# What damaged bytes end in: in the archive, in HDF5, or in values of another type.
_DAMAGED = (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError, EOFError)
_DAMAGED += (MemoryError, OverflowError, zipfile.BadZipFile, zlib.error)
# An array has some four entries around it (groups of its layer), and so has an optimizer's state.
_MOST_LINKS = 15_000
_MOST_CHANNELS = 64
_ARCHIVE_MEMBER = "model.weights.h5"  # of a .keras archive


def open_keras(path: Path) -> Source:
    """Opens `.weights.h5`, `.h5`, or a `.keras` archive that contains the former.

    Raises:
      UserError: h5py is missing, or the file is damaged or has no Keras layers.
    """
    h5py = require_package("h5py", "convert", f"{path} is a Keras file; reading it")
    try:
        content = io.BytesIO(_unpacked(path)) if zipfile.is_zipfile(path) else None
        with h5py.File(content or path, "r") as file:
            _check_links(file, path)
            container = "keras 3 h5" if "layers" in file else "keras legacy h5"
            pairs = [*(_keras3(file) if "layers" in file else _legacy(file))]
            paths = dict(pairs)
            leaves = {key: _leaf(file[inner], path, key) for key, inner in paths.items()}
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    if len(paths) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in keys if keys.count(key) > 1).rpartition("/")[0]
        raise UserError(
            f"{path} has two layers named {duplicate!r}, expected one network with a name for each "
            "layer. Save the inner network, not the network that contains it."
        )
    if not leaves:
        raise UserError(
            f"{path} is HDF5 without weights of Keras layers, expected a file that Keras's "
            "save_weights or save wrote."
        )

    def read(name: str) -> np.ndarray:
        try:
            with h5py.File(content or path, "r") as file:
                dataset: Any = file[paths[name]]
                array = np.asarray(dataset[()])
        except _DAMAGED as error:
            raise _damaged(path, error) from None
        return array.astype(np.float32, copy=False) if "float" in leaves[name].dtype else array

    mean = next((key for key in leaves if re.fullmatch(r"normalization(_\d+)?/0", key)), None)
    metadata = {}
    if mean:
        stored = {"mean": mean, "variance": f"{mean[:-1]}1"}
        if any(math.prod(leaves[k].shape) > _MOST_CHANNELS for k in stored.values() if k in leaves):
            raise UserError(
                f"{path}: the layer {mean[:-2]!r} normalises more than {_MOST_CHANNELS} channels,"
                " expected one value for each channel of an image. Save the network alone."
            )
        if stored["variance"] not in leaves:
            raise _damaged(path, f"the layer {mean[:-2]!r} has a mean and no variance")
        values = {fact: read(key) for fact, key in stored.items()}
        metadata = {"normalization": {k: v.ravel().tolist() for k, v in values.items()}}
    return Source(path, container, leaves, read, dtype_notes(leaves), metadata)


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(
        f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated HDF5 file "
        f"({one_line(reason)}). Download or copy it again."
    )


def _check_links(file: Any, path: Path) -> None:
    """Raises `UserError` for a file that is full of links, or leads to other files.

    No link is followed: what it leads to is not opened.
    """
    budget = iter(range(_MOST_LINKS))

    def wrong(name: str, link: Any) -> str | None:  # a text ends the visit
        if hasattr(link, "filename"):
            return f": {name!r} leads to another file, expected one file with all weights"
        if next(budget, None) is None:
            return f" has more than {_MOST_LINKS:,} entries, expected one network"
        return None

    if problem := file.visititems_links(wrong):
        raise UserError(f"{path}{problem}. Save the network alone.")


def _leaf(dataset: Any, path: Path, key: str) -> Leaf:
    if dataset.external or dataset.is_virtual:
        raise UserError(
            f"{path}: the numbers of {key!r} lie in another file, expected one file with all"
            " weights. Save the network anew."
        )
    return Leaf(tuple(dataset.shape), str(dataset.dtype))


def _unpacked(path: Path) -> bytes:
    """Returns the weights inside a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(_ARCHIVE_MEMBER)


def _keras3(file: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, path) of each array: layers/<class>_<k>/vars/<i>; an attribute has the name."""
    paths: list[str] = []
    file["layers"].visit(lambda path: paths.append(f"layers/{path}"))
    for path in paths:
        group, _, index = path.rpartition("/")
        if group.endswith("/vars"):
            yield f"{_text(file[group].attrs.get('name', group))}/{index}", path


def _legacy(file: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, path) of each array, in the order of the attribute `weight_names`."""
    root = file.get("model_weights", file)
    for layer in _names(root, "layer_names"):
        weights = _names(root[layer], "weight_names")
        parents = [weight.rpartition("/")[0].rpartition("/")[2] or layer for weight in weights]
        # A nested network is stored as one layer; the names of its layers are part of the weights'.
        owners = parents if len(set(parents)) > 1 else [layer] * len(weights)
        for i, (owner, weight) in enumerate(zip(owners, weights, strict=True)):
            yield f"{owner}/{i - owners.index(owner)}", f"{root.name}/{layer}/{weight}"


def _names(group: Any, attribute: str) -> list[str]:
    """Returns a list of names; Keras splits a long list into attributes `layer_names0`, ..."""
    pieces = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(f"{attribute}{len(pieces)}")
    return [_text(name) for piece in pieces for name in group.attrs[piece]]


def _text(name: Any) -> str:
    """Returns the text of an attribute; older files store it as bytes."""
    return name.decode() if isinstance(name, bytes) else str(name)
