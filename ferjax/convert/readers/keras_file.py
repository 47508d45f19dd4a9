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

from ferjax.convert.readers.source_file import Source, as_float32, dtype_notes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError, one_line
from ferjax.runtime.optional_packages import require_package

# Exceptions that damaged bytes cause: in the archive, in HDF5, or by values of another type.
_DAMAGED = (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError, EOFError)
_DAMAGED += (MemoryError, OverflowError, zipfile.BadZipFile, zlib.error)
# Each array takes about four entries (groups of its layer), and so does an optimizer's state of it.
_MOST_LINKS = 15_000
_MOST_CHANNELS = 64
_ARCHIVE_MEMBER = "model.weights.h5"  # of a .keras archive


def open_keras(path: Path) -> Source:
    """Opens `.weights.h5`, `.h5`, or a `.keras` archive that contains a `.weights.h5` file.

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
        return as_float32(array) if "float" in leaves[name].dtype else array

    mean_key = next((key for key in leaves if re.fullmatch(r"normalization(_\d+)?/0", key)), None)
    metadata = {}
    if mean_key:
        layer = mean_key.removesuffix("/0")
        keys_by_name = {"mean": mean_key, "variance": f"{layer}/1"}
        stored = [leaves[key] for key in keys_by_name.values() if key in leaves]
        if any(math.prod(leaf.shape) > _MOST_CHANNELS for leaf in stored):
            raise UserError(
                f"{path}: the layer {layer!r} normalises more than {_MOST_CHANNELS} channels,"
                " expected one value for each channel of an image. Save the network alone."
            )
        if keys_by_name["variance"] not in leaves:
            raise _damaged(path, f"the layer {layer!r} has a mean and no variance")
        values = {name: read(key) for name, key in keys_by_name.items()}
        metadata = {"normalization": {k: v.ravel().tolist() for k, v in values.items()}}
    return Source(path, container, leaves, read, dtype_notes(leaves), metadata)


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(
        f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated HDF5 file "
        f"({one_line(reason)}). Download or copy it again."
    )


def _check_links(file: Any, path: Path) -> None:
    """Raises `UserError` for a file with too many links, or with a link to another file.

    No link is followed, so no other file is opened.
    """
    budget = iter(range(_MOST_LINKS))

    def find_problem(name: str, link: Any) -> str | None:  # a returned text ends the visit
        if hasattr(link, "filename"):
            return f": {name!r} leads to another file, expected one file with all weights"
        if next(budget, None) is None:
            return f" has more than {_MOST_LINKS:,} entries, expected one network"
        return None

    if problem := file.visititems_links(find_problem):
        raise UserError(f"{path}{problem}. Save the network alone.")


def _leaf(dataset: Any, path: Path, key: str) -> Leaf:
    if dataset.external or dataset.is_virtual:
        raise UserError(
            f"{path}: the numbers of {key!r} lie in another file, expected one file with all"
            " weights. Save the network anew."
        )
    return Leaf(tuple(dataset.shape), str(dataset.dtype))


def _unpacked(path: Path) -> bytes:
    """Returns the bytes of the HDF5 file inside a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(_ARCHIVE_MEMBER)


def _keras3(file: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, path) of each array.

    A path is layers/<class>_<k>/vars/<i>; an attribute of the group `vars` is the layer's name.
    """
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
        # A nested network is stored as one layer; its weights have the names of the inner layers.
        layers = parents if len(set(parents)) > 1 else [layer] * len(weights)
        for i, (name, weight) in enumerate(zip(layers, weights, strict=True)):
            yield f"{name}/{i - layers.index(name)}", f"{root.name}/{layer}/{weight}"


def _names(group: Any, attribute: str) -> list[str]:
    """Returns the names in an attribute; Keras splits a long list into `layer_names0`, ..."""
    pieces = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(f"{attribute}{len(pieces)}")
    return [_text(name) for piece in pieces for name in group.attrs[piece]]


def _text(name: Any) -> str:
    """Returns the text of an attribute; older files store it as bytes."""
    return name.decode() if isinstance(name, bytes) else str(name)
