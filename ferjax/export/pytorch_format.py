"""PyTorch: a module that needs only torch, or torchvision's own network, with its weights."""

import ast
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ferjax.convert.export_torchvision import to_torchvision
from ferjax.convert.tables.all_tables import find_table
from ferjax.errors import UserError
from ferjax.export.exported_file import ExportedFile, FormatOptions, module_name
from ferjax.export.exported_network import CARD_KEY, ExportedNetwork, card_json
from ferjax.models.registry import MODELS
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.optional_packages import require_package
from ferjax.runtime.variable_tree import flatten

_PARTS = Path(__file__).parent / "usage"
# Linen class → the files in `usage/` that define the PyTorch class of the same name.
_NETWORKS: dict[str, tuple[str, ...]] = {
    "Awei": ("pytorch_vgg.py", "pytorch_awei.py"),
    "BaseCNN": ("pytorch_cnn.py",),
    "DepthCNN": ("pytorch_cnn.py",),
    "EfficientNet": ("pytorch_efficientnet.py",),
    "FerNet": ("pytorch_residual.py",),
    "ResNet": ("pytorch_residual.py",),
    "VGG": ("pytorch_vgg.py",),
}
# Leaf of a Linen path → name in PyTorch.
_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_TORCHVISION = '''def Network(settings: dict, classes: int, side: int, channels: int) -> nn.Module:
    """Returns torchvision's network, from normalised faces [N, 3, S, S] to logits [N, K]."""
    {lines}
    return net
'''


def require_torch(package: str = "torch") -> None:
    """Raises `UserError` if PyTorch is missing, which runs the written files to check them."""
    format_name = "pytorch" if package == "torch" else package
    try:
        # No extra of ferjax installs PyTorch, because the fitting build depends on the machine.
        require_package(package, None, f"--format={format_name}: to check what is written it")
    except RuntimeError as error:
        raise UserError(
            f"--format={package}: {package} cannot be imported ({error}). It is built for another"
            " torch: install both from one index, or use --format=pytorch."
        ) from None


def fits_pytorch(model: str) -> None:
    """Raises `UserError` for a network that is not ferjax's own: it has no form in PyTorch."""
    if model not in MODELS:
        raise UserError(
            f"--format=pytorch: {model} is no network of ferjax's own, and only those have a"
            " PyTorch form. Use --format=stablehlo or onnx."
        )


def fits_torchvision(model: str) -> None:
    """Raises `UserError` for a network that torchvision does not have."""
    try:
        find_table(model, "torchvision")
    except UserError as error:
        other = "pytorch" if model in MODELS else "stablehlo or onnx"
        raise UserError(f"--format=torchvision: {error} Use --format={other}.") from None


def write_pytorch(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes MODULE_network.py, which needs only torch and safetensors, and its weights.

    Raises:
      UserError: a network that is not ferjax's own.
    """
    class_name = type(network.model).__name__
    if class_name not in _NETWORKS or not type(network.model).__module__.startswith("ferjax."):
        raise UserError(
            f"--format=pytorch: {network.card['model']} ({class_name}) is no network of ferjax's"
            " own, and only those have a PyTorch form. Use --format=stablehlo or onnx."
        )
    parts = ("pytorch_head.py", *_NETWORKS[class_name], "pytorch_recogniser.py")
    code = _joined([(_PARTS / part).read_text("utf-8") for part in parts])
    alias = f"# What `Recogniser` builds.\nNetwork = {class_name}\n"
    stem = f"{module_name(network.name)}_network"
    return [_write(network, folder, stem, code, alias, pytorch_state(network))]


def write_torchvision(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes MODULE_torchvision.py, around torchvision's network, and its state dict.

    Raises:
      UserError: torchvision has no such network.
    """
    if network.spec.channels != 3:
        raise UserError(
            f"--format=torchvision: {network.card['model']} of {network.name} takes grey faces, and"
            " torchvision's networks take RGB. Use --format=pytorch."
        )
    settings = {**_settings(network), "dropout": getattr(network.model, "dropout", 0.0)}
    state, lines = to_torchvision(flatten(network.variables), network.card["model"], settings)
    code = _joined([(_PARTS / "pytorch_recogniser.py").read_text("utf-8")], ("import torchvision",))
    network_code = _TORCHVISION.format(lines=lines.replace("\n", "\n    "))
    return [
        _write(
            network,
            folder,
            f"{module_name(network.name)}_torchvision",
            code,
            network_code,
            state,
        )
    ]


def pytorch_state(network: ExportedNetwork) -> dict[str, np.ndarray]:
    """Returns the variables as a state dict of the written module: names, layouts, float32."""
    state: dict[str, np.ndarray] = {}
    for path, array in flatten(network.variables).items():
        _, *names, leaf = path.split("/")
        if leaf == "kernel":
            array = array.T if array.ndim == 2 else array.transpose(3, 2, 0, 1)
        state[".".join([*names, _LEAVES[leaf]])] = np.ascontiguousarray(array, np.float32)
    # PyTorch counts batches in every batch norm.
    for name in [name for name in state if name.endswith("running_var")]:
        state[name.replace("running_var", "num_batches_tracked")] = np.zeros((), np.int64)
    return state


def _settings(network: ExportedNetwork) -> dict[str, Any]:
    """Returns the fields of the Linen module that describe its architecture."""
    left_out = ("parent", "name", "dtype", "num_classes")
    fields = [field.name for field in dataclasses.fields(network.model)]
    return {name: getattr(network.model, name) for name in fields if name not in left_out}


def _write(
    network: ExportedNetwork,
    folder: Path,
    stem: str,
    code: str,
    network_code: str,
    state: Mapping[str, np.ndarray],
) -> ExportedFile:
    """Writes the module and, beside it, its weights with card and settings in the header."""
    header = f'''"""{network.card["model"]} in PyTorch: faces to the probabilities of emotions.

    import torch, {stem}
    recogniser = {stem}.load()
    faces = torch.zeros(1, {", ".join(map(str, network.input_shape))}, dtype=torch.uint8)
    recogniser(faces)  # float32 [1, {len(network.classes)}], columns recogniser.classes

Written by ferjax; what it may be used for stands in recogniser.card.
"""

'''
    # The network's code stands before the class `Recogniser`, which builds the network.
    code_before, recogniser_code = code.split("class Recogniser", 1)
    code = f"{header}{code_before}{network_code}\n\nclass Recogniser{recogniser_code}"
    path = write_atomically(folder / f"{stem}.py", code)
    metadata = {CARD_KEY: card_json(network), "settings": json.dumps(_settings(network))}
    weights = write_atomically(path.with_suffix(".safetensors"), save(dict(state), metadata))
    package = "torchvision" if "torchvision" in stem else "torch"
    facts = {"runs with": package}
    return ExportedFile(path, "float32", "use_pytorch.py", (weights,), facts=facts)


def _joined(parts: list[str], imports: tuple[str, ...] = ()) -> str:
    """Returns several Python files as one: first their sorted imports, then their code."""
    import_lines, bodies = set(imports), []
    for text in parts:
        nodes = ast.parse(text).body
        last = max(
            i for i, node in enumerate(nodes) if isinstance(node, (ast.Import, ast.ImportFrom))
        )
        # The first node is the docstring.
        import_lines |= {str(ast.get_source_segment(text, node)) for node in nodes[1 : last + 1]}
        bodies.append("\n".join(text.splitlines()[nodes[last].end_lineno :]).strip())
    standard_modules = ("ast", "json", "math", "pathlib", "typing")
    standard = {line for line in import_lines if line.split()[1] in standard_modules}
    others = import_lines - standard
    groups = (sorted(standard, key=_import_order), sorted(others, key=_import_order))
    lines = "\n\n".join("\n".join(group) for group in groups)
    return lines + "\n\n\n" + "\n\n\n".join(bodies) + "\n"


def _import_order(line: str) -> tuple[bool, str]:
    """Returns a sort key: `import` before `from`, then by module."""
    return line.startswith("from"), line.split()[1]
