"""Gives the arrays of an ONNX file the names of the library that the network was exported from.

ONNX defines the operations of a network; the exporter chooses the names. VGG's trunk is therefore
recognised by its operations. The names only show the library, which decides how images are
prepared.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from ferjax.convert.readers.onnx_graph import OnnxGraph
from ferjax.convert.readers.onnx_layers import OnnxLayer, last_map, layers_of, vgg_stages
from ferjax.convert.readers.source_file import Source, dtype_notes, shorten, without_prefixes
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

# Key in the library → name of the stored tensor, and the permutation of its axes (None: unchanged).
_Arrays = dict[str, tuple[str, tuple[int, ...] | None]]

_DENSE = ("Gemm", "MatMul")
_OIHW_TO_HWIO = (2, 3, 1, 0)  # ONNX stores the kernels of convolutions as [O, I, H, W]
# Library → names of the dense layers of VGG's published classifier.
_CLASSIFIERS = {
    "keras": ("fc1", "fc2", "predictions"),
    "torchvision": ("classifier.0", "classifier.3", "classifier.6"),
}
# Kind of weights → the library that gave them their names.
_LIBRARIES = {"keras": "keras", "torchvision": "torchvision", "timm": "torchvision"}
# Convolutions in each stage of VGG16 and VGG19.
_VGG_DEPTHS = ((2, 2, 3, 3, 3), (2, 2, 4, 4, 4))
_FOLDED_ADVICE = (
    " It holds convolutions without batch norms: exporters fold those of a resnet or efficientnet"
    " into the convolutions, from where nothing takes them out again. Give the file of weights that"
    " it was exported from, or export it with training=torch.onnx.TrainingMode.PRESERVE,"
    " do_constant_folding=False and dynamo=False."
)


def as_in_library(source: Source, kind: str | None = None) -> Source:
    """Returns the arrays of an ONNX file under the names and in the layouts of their library.

    Files of other formats are returned unchanged. Two values are added to `metadata`: `onnx_output`
    names the value of the graph that the converted network computes (empty: the graph's output),
    and `advice` is a hint for the error message if no network is recognised (empty: none).

    Args:
      source: the opened file.
      kind: the kind of weights, needed if the names do not show the library.

    Raises:
      UserError: the file has VGG's trunk, but neither its names nor `kind` show the library.
    """
    graph: OnnxGraph | None = source.metadata.get("onnx")
    if graph is None:
        return source
    layers = layers_of(graph)
    stages = vgg_stages(graph, layers)
    depths = tuple(map(len, stages))
    if depths not in _VGG_DEPTHS:
        return _state_dict(source, layers)
    trunk = [layer for stage in stages for layer in stage]
    library = _library(trunk, depths) or _LIBRARIES.get(kind or "")
    if library is None:
        raise UserError(
            f"{source.path} computes the {len(trunk)} convolutions of VGG, but its names"
            f" ({shorten([layer.arrays[0] for layer in trunk])}) do not tell the library, and so"
            " how images are prepared: keras takes BGR less a mean, torchvision normalised RGB."
            " Convert it by launch.convert --kind=keras or --kind=torchvision."
        )
    return _vgg(source, layers, trunk, depths, library)


def _vgg(
    source: Source,
    layers: Sequence[OnnxLayer],
    trunk: Sequence[OnnxLayer],
    depths: tuple[int, ...],
    library: str,
) -> Source:
    """Returns VGG's trunk, and the classifier if its dense layers have the published names."""
    arrays: _Arrays = {}
    for layer, name in zip(trunk, _trunk_names(depths, library), strict=True):
        arrays |= _entries(layer, name, library)
    dense = [layer for layer in layers if layer.node.operation in _DENSE]
    classifier = _CLASSIFIERS[library]
    has_classifier = len(dense) == len(classifier) and all(map(_has_name, dense, classifier))
    if has_classifier:
        for layer, name in zip(dense, classifier, strict=True):
            arrays |= _entries(layer, name, library)
    used = {tensor for tensor, _ in arrays.values()}
    # Scalars and integers (shapes, indices, thresholds) are part of the operations, not weights.
    unused = [
        f"{name} {'x'.join(map(str, leaf.shape))}"
        for name, leaf in source.leaves.items()
        if name not in used and leaf.shape and "float" in leaf.dtype
    ]
    count = f"{len(unused)} arrays, {unused[0]} first" if unused else ""
    notes = (f"left out, the file's own classifier: {count}",) if unused else ()
    output = dense[-1].output if has_classifier else last_map(source.metadata["onnx"], trunk[-1])
    return _renamed(source, arrays, notes, onnx_output=output)


def _state_dict(source: Source, layers: Sequence[OnnxLayer]) -> Source:
    """Returns the arrays under the names in the file: PyTorch's exporter keeps the state dict's."""
    arrays: _Arrays = {}
    for layer in layers:
        axes = (1, 0) if layer.node.operation in _DENSE and layer.inputs_first else None
        arrays |= {name: (name, axes if i == 0 else None) for i, name in enumerate(layer.arrays)}
    names, notes = without_prefixes(arrays)
    operations = {layer.node.operation for layer in layers}
    folded = "Conv" in operations and "BatchNormalization" not in operations
    without_prefix = {name: arrays[key] for name, key in names.items()}
    advice = _FOLDED_ADVICE if folded else ""
    return _renamed(source, without_prefix, notes, onnx_output="", advice=advice)


def _trunk_names(depths: tuple[int, ...], library: str) -> list[str]:
    """Returns the names of VGG's convolutions; torch also counts ReLU and pooling layers."""
    if library == "keras":
        return [f"block{s}_conv{i + 1}" for s, n in enumerate(depths, start=1) for i in range(n)]
    indices = [2 * sum(depths[:s]) + s + 2 * i for s, n in enumerate(depths) for i in range(n)]
    return [f"features.{index}" for index in indices]


def _library(trunk: Sequence[OnnxLayer], depths: tuple[int, ...]) -> str | None:
    """Returns the library whose names all convolutions have, or None."""
    for library in _CLASSIFIERS:
        if all(map(_has_name, trunk, _trunk_names(depths, library))):
            return library
    return None


def _has_name(layer: OnnxLayer, name: str) -> bool:
    """Returns whether a layer has this name, apart from the scopes that exporters add.

    Keras: `vgg16/block1_conv1_1/Conv2D`, with a number if a name occurs twice. PyTorch:
    `model.features.0.weight`.
    """
    pattern = rf"(.*[/.])?{re.escape(name)}(_\d+)?([/:.].*)?"
    return any(re.fullmatch(pattern, text) for text in (layer.node.name, *layer.arrays[:1]))


def _entries(layer: OnnxLayer, name: str, library: str) -> _Arrays:
    """Returns the arrays of a layer under the library's keys, in the library's layout."""
    keras, dense = library == "keras", layer.node.operation in _DENSE
    keys = (f"{name}/0", f"{name}/1") if keras else (f"{name}.weight", f"{name}.bias")
    axes = _OIHW_TO_HWIO if keras and not dense else None
    if dense and layer.inputs_first != keras:
        axes = (1, 0)
    return dict(zip(keys, zip(layer.arrays, (axes, None), strict=False), strict=False))


def _renamed(source: Source, arrays: _Arrays, notes: Sequence[str], **metadata: str) -> Source:
    """Returns a source that holds only these arrays, under their new keys."""

    def read(key: str) -> np.ndarray:
        tensor, axes = arrays[key]
        array = source.read(tensor)
        return array.transpose(axes) if axes else array

    leaves = {}
    for key, (tensor, axes) in arrays.items():
        stored = source.leaves[tensor]
        if axes and len(axes) != len(stored.shape):
            raise UserError(
                f"{source.path}: the tensor {tensor!r} has shape {stored.shape}, expected"
                f" {len(axes)} axes where it is read. The file is damaged; export it again."
            )
        shape = tuple(stored.shape[i] for i in axes) if axes else stored.shape
        leaves[key] = Leaf(shape, stored.dtype)
    return dataclasses.replace(
        source,
        leaves=leaves,
        read=read,
        notes=(*source.notes, *notes, *dtype_notes(leaves)),
        metadata={**source.metadata, **metadata},
    )
