"""PyTorch modules in a fresh process, against ferjax."""

import ast
import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.predict_and_export import ExportConfig
from ferjax.errors import UserError
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import ExportedNetwork, probabilities_function
from ferjax.export.fresh_process import run_usage
from ferjax.export.pytorch_format import write_pytorch, write_torchvision
from ferjax.export.run_export import _USAGE
from ferjax.models.awei import JUMPERS

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("fernet_s", {"channels": 3, "head_widths": (6,)}),
    ("cnn3", {}),
    ("cnn6", {"channels": 3, "interpolation": "bicubic"}),
    ("base_cnn", {}),
    *(("awei", {"jumper": jumper}) for jumper in JUMPERS),
    ("awei", {"guide": "vgg16"}),
    ("resnet18", {}),
    ("resnet18", {"stem": "small"}),
    ("resnet50", {"bn_eps": 1e-3}),
    ("resnet50", {"stride_on_3x3": False, "conv_bias": True}),
    ("vgg16", {}),
    ("vgg16", {"pooling": "mean", "head_widths": ()}),
    ("efficientnet_b1", {}),
    ("efficientnet_b0", {"padding": "same", "head_widths": (5,)}),
]

# Where torch is built for CPUs and torchvision for CUDA, this one fails at its import without
# operators that no network here uses (ferjax/convert/reference_library.py).
OPERATORS = """
try:
    import torchvision
except RuntimeError:
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
"""


@pytest.fixture
def options(tmp_path: Path) -> FormatOptions:
    nothing = CheckFaces(np.zeros((0, 1, 1, 1), np.uint8), None, "", real=False)
    config = ExportConfig(weights="fernet-ferplus", out=str(tmp_path))
    return FormatOptions(config, nothing, nothing)


def compare(network: ExportedNetwork, module: Path, images: np.ndarray) -> None:
    """Asserts that a written module gives the probabilities of a network."""
    script, saved = module.parent / "use_pytorch.py", module.parent / "faces.npy"
    shutil.copyfile(_USAGE / script.name, script)
    np.save(saved, images)
    found = run_usage(script, module, saved, time=False)["probabilities"]
    columns = np.stack([found[emotion] for emotion in network.classes], 1)
    expected = np.asarray(jax.jit(probabilities_function(network))(images))
    assert expected.max() < 0.999
    # Random weights amplify rounding: EfficientNet-B1 differs by 1.06e-5 on one kind of CPU.
    np.testing.assert_allclose(columns, expected, atol=2e-5, rtol=0)


@pytest.mark.parity
@pytest.mark.parametrize(("name", "fields"), NETWORKS)
def test_every_family_runs_in_torch_alone(
    name: str,
    fields: dict[str, Any],
    small_network: Callable[..., ExportedNetwork],
    faces_for: Callable[..., np.ndarray],
    options: FormatOptions,
    tmp_path: Path,
) -> None:
    network = small_network(name, **fields)
    (file,) = write_pytorch(network, tmp_path, options)
    assert file.path.name == "small_net_network.py"
    assert "torchvision" not in file.path.read_text()
    compare(network, file.path, faces_for(network.spec, 9))


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "fields"), [("resnet18", {}), ("vgg16", {"pooling": "mean"}), ("efficientnet_b0", {})]
)
def test_torchvision_s_own_networks(
    name: str,
    fields: dict[str, Any],
    small_network: Callable[..., ExportedNetwork],
    faces_for: Callable[..., np.ndarray],
    options: FormatOptions,
    tmp_path: Path,
) -> None:
    published = {
        "resnet18": {"widths": (64, 128, 256, 512)},
        "vgg16": {"widths": (64, 128, 256, 512, 512)},
        "efficientnet_b0": {"width_factor": 1.0},
    }
    network = small_network(name, channels=3, **published[name], **fields)
    (file,) = write_torchvision(network, tmp_path, options)
    file.path.write_text(file.path.read_text().replace("import torchvision\n", OPERATORS))
    compare(network, file.path, faces_for(network.spec, 9))


def test_what_torchvision_lacks_is_refused(
    small_network: Callable[..., ExportedNetwork], options: FormatOptions, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="takes grey faces"):
        write_torchvision(small_network("resnet18", scaled=False), tmp_path, options)
    with pytest.raises(UserError, match="stem=small"):
        write_torchvision(
            small_network("resnet18", scaled=False, stem="small", channels=3), tmp_path, options
        )
    with pytest.raises(UserError, match="fernet_s"):
        write_torchvision(small_network("fernet_s", scaled=False, channels=3), tmp_path, options)
    assert not list(tmp_path.iterdir())


def test_own_networks_have_no_torch_form(
    small_network: Callable[..., ExportedNetwork], options: FormatOptions, tmp_path: Path
) -> None:
    class Mine:
        pass

    network = dataclasses.replace(small_network("cnn3", scaled=False), model=Mine())
    with pytest.raises(UserError, match=r"Mine\) is no network of ferjax's own"):
        write_pytorch(network, tmp_path, options)


def test_a_module_is_one_tidy_file(
    small_network: Callable[..., ExportedNetwork], options: FormatOptions, tmp_path: Path
) -> None:
    """Imports stand at its head, once; the rest are classes, functions and constants."""
    (file,) = write_pytorch(small_network("awei", scaled=False), tmp_path, options)
    tree = ast.parse(file.path.read_text("utf-8"))
    kinds = [type(node).__name__ for node in tree.body]
    first = next(i for i, kind in enumerate(kinds) if i and "Import" not in kind)
    assert not [kind for kind in kinds[first:] if "Import" in kind]
    imports = [ast.unparse(node) for node in tree.body[1:first]]
    assert len(imports) == len(set(imports))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names))
    modules = {name.split()[1].split(".")[0] for name in imports}
    assert modules <= {"torch", "safetensors", *sys.stdlib_module_names}
