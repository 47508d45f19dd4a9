"""Keras's HDF5 files, of Keras 3 and before. A key is `<layer>/<i>`, i the order in the layer."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.readers.source_file import Source, dtype_notes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

_INSIDE = "model.weights.h5"  # of a .keras archive


def open_keras(path: Path) -> Source:
    """Opens `.weights.h5`, `.h5`, or a `.keras` archive around the former.

    Raises:
      UserError: h5py is missing, or the file is damaged or holds no layers of Keras.
    """
    try:
        import h5py
    except ImportError:
        raise UserError(
            f"{path} is a Keras file; reading it needs h5py: pip install 'ferjax[convert]'."
        ) from None
    try:
        content = io.BytesIO(_unpacked(path)) if zipfile.is_zipfile(path) else None
        with h5py.File(content or path, "r") as file:
            container = "keras 3 h5" if "layers" in file else "keras legacy h5"
            pairs = [*(_keras3(file) if "layers" in file else _legacy(file))]
            places = dict(pairs)
            leaves = {key: _leaf(file[place]) for key, place in places.items()}
    except (OSError, RuntimeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} ({path.stat().st_size:,} bytes) is a damaged or truncated HDF5 file "
            f"({error}). Download or copy it again."
        ) from None
    if len(places) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UserError(
            f"{path} has two layers named {twice.rpartition('/')[0]!r}, expected one network with "
            "a name for each layer. Save the network itself, not one around it."
        )
    if not leaves:
        raise UserError(
            f"{path} is HDF5 without weights of Keras layers, expected what Keras's save_weights "
            "or save writes."
        )

    def read(name: str) -> np.ndarray:
        with h5py.File(content or path, "r") as file:
            dataset: Any = file[places[name]]
            array = np.asarray(dataset[()])
        return array.astype(np.float32, copy=False) if "float" in leaves[name].dtype else array

    mean = next((key for key in leaves if re.fullmatch(r"normalization(_\d+)?/0", key)), None)
    metadata = {}
    if mean:
        values = {"mean": read(mean), "variance": read(f"{mean[:-1]}1")}
        metadata = {"normalization": {k: v.ravel().tolist() for k, v in values.items()}}
    return Source(path, container, leaves, read, dtype_notes(leaves), metadata)


def _leaf(dataset: Any) -> Leaf:
    return Leaf(tuple(dataset.shape), str(dataset.dtype))


def _unpacked(path: Path) -> bytes:
    """Returns the weights inside a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(_INSIDE)


def _keras3(file: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, place) of each array: layers/<class>_<k>/vars/<i>, the name an attribute."""
    places: list[str] = []
    file["layers"].visit(lambda place: places.append(f"layers/{place}"))
    for place in places:
        group, _, index = place.rpartition("/")
        if group.endswith("/vars"):
            yield f"{_text(file[group].attrs.get('name', group))}/{index}", place


def _legacy(file: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, place) of each array: the order within a layer is the attribute's."""
    root = file.get("model_weights", file)
    for layer in _names(root, "layer_names"):
        weights = _names(root[layer], "weight_names")
        parents = [weight.rpartition("/")[0].rpartition("/")[2] or layer for weight in weights]
        # A network nested in another stands as one layer; its own layers are in the names.
        owners = parents if len(set(parents)) > 1 else [layer] * len(weights)
        for i, (owner, weight) in enumerate(zip(owners, weights, strict=True)):
            yield f"{owner}/{i - owners.index(owner)}", f"{root.name}/{layer}/{weight}"


def _names(group: Any, attribute: str) -> list[str]:
    """Returns a list of names, which Keras cuts in pieces (`layer_names0` ...) if it is long."""
    pieces = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(f"{attribute}{len(pieces)}")
    return [_text(name) for piece in pieces for name in group.attrs[piece]]


def _text(name: Any) -> str:
    """Returns an attribute's text, which older files hold as bytes."""
    return name.decode() if isinstance(name, bytes) else str(name)
