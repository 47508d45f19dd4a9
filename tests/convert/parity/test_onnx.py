"""ONNX files that the packages onnx and torch write: read, renamed, and computed by onnxruntime."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.readers.open_file import open_source
from ferjax.convert.weights import Pretrained
from ferjax.errors import UserError
from ferjax.tools.convert_weights import run_convert

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
NAMES = (
    [f"block1_conv{i}" for i in (1, 2)]
    + [f"block2_conv{i}" for i in (1, 2)]
    + [f"block{s}_conv{i}" for s in (3, 4, 5) for i in (1, 2, 3)]
)


def export(module: Any, path: Path, side: int, **options: Any) -> Path:
    """Exports a torch network by the exporter that needs no further package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is no longer the default
        torch.onnx.export(module, torch.zeros(1, 3, side, side), path, dynamo=False, **options)
    return path


@pytest.fixture(scope="module")
def trunk(torchvision_models: Any, torch_network: Callable[..., Any]) -> Any:
    """Returns torchvision's VGG16 with a small classifier of its own."""

    def build() -> Any:
        network = torchvision_models.vgg16()
        network.avgpool = torch.nn.AdaptiveAvgPool2d(1)
        network.classifier = torch.nn.Sequential(torch.nn.Linear(512, 6), torch.nn.ReLU())
        return network

    return torch_network(build)


@pytest.fixture(scope="module")
def trunk_file(trunk: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = export(trunk, tmp_path_factory.mktemp("onnx") / "vgg.onnx", 48)
    yield path
    path.unlink()


def test_the_trunk_of_vgg_from_torch(
    trunk: Any, trunk_file: Path, load: Callable[..., Pretrained], run_ferjax: Callable[..., Any]
) -> None:
    weights = load(trunk_file, "vgg16")
    assert weights.source["kind"] == "torchvision"
    assert weights.num_classes is None
    assert weights.notes == (
        "left out, the file's own classifier: 2 arrays, classifier.0.weight 6x512 first",
    )
    images = np.random.default_rng(0).standard_normal((2, 48, 48, 3), np.float32)
    with torch.no_grad():
        maps = trunk.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    actual = run_ferjax(weights, images)
    expected = maps.transpose(0, 2, 3, 1)
    assert np.abs(actual["stage5"] - expected).max() <= TOLERANCE * np.abs(expected).max()
    assert np.abs(actual["logits"] - expected.mean((1, 2))).max() <= TOLERANCE * expected.max()


def test_the_trunk_of_vgg_from_keras_is_verified_by_onnxruntime(
    trunk_file: Path, tmp_path: Path
) -> None:
    # As tf2onnx writes a Keras network: images channels last, names of scopes, BGR kernels.
    network = onnx.load(trunk_file)
    graph = network.graph
    kernels = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    biases = [node.input[2] for node in graph.node if node.op_type == "Conv"]
    renamed = {k: f"functional/{n}_1/convolution:0" for k, n in zip(kernels, NAMES, strict=True)}
    renamed |= {b: f"functional/{n}_1/Squeeze:0" for b, n in zip(biases, NAMES, strict=True)}
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    name, graph.input[0].name = graph.input[0].name, "image"
    shape = graph.input[0].type.tensor_type.shape
    for dimension, size in zip(shape.dim, (1, 48, 48, 3), strict=True):
        dimension.dim_value = size
    graph.node.insert(0, onnx.helper.make_node("Transpose", ["image"], [name], perm=[0, 3, 1, 2]))
    onnx.checker.check_model(network)
    path, out = tmp_path / "keras.onnx", tmp_path / "converted"
    onnx.save(network, path)

    config = ConvertConfig(model="vgg16", source=str(path), out=str(out), verify=True)
    conversion = run_convert(config)
    assert conversion.plan.table.kind == "keras"
    assert conversion.plan.input.order == "bgr"
    assert conversion.error is not None
    assert conversion.error <= TOLERANCE
    path.unlink()


def test_batch_norms_that_the_export_keeps_or_folds(
    torchvision_models: Any,
    torch_network: Callable[..., Any],
    load: Callable[..., Pretrained],
    run_ferjax: Callable[..., Any],
    tmp_path: Path,
) -> None:
    module = torch_network(lambda: torchvision_models.resnet18(num_classes=5))
    # Tensors of equal values are stored once.
    module.layer1[0].bn1.bias.data[:] = module.layer1[0].bn2.bias.data[:] = 0.25
    kept = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    weights = load(export(module, tmp_path / "kept.onnx", 64, **kept), "resnet18")
    assert weights.num_classes == 5
    images = np.random.default_rng(0).standard_normal((2, 64, 64, 3), np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    actual = run_ferjax(weights, images)["logits"]
    assert np.abs(actual - expected).max() <= TOLERANCE * np.abs(expected).max()

    with pytest.raises(UserError, match="exporters fold those of a resnet"):
        load(export(module, tmp_path / "folded.onnx", 64), "resnet18")


def test_files_of_the_package_onnx(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "raw": rng.standard_normal((3, 4), np.float32),
        "half": rng.standard_normal(5).astype(np.float16),
        "double": rng.standard_normal((2, 2)),
        "count": np.array(3),
    }
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    arrays["typed"] = rng.standard_normal((2, 3), np.float32)
    float32 = onnx.TensorProto.FLOAT
    tensors.append(onnx.helper.make_tensor("typed", float32, (2, 3), arrays["typed"].ravel()))
    arrays["brain"] = np.float32([1.5, -2, 0.15625])
    brain = jax.numpy.asarray(arrays["brain"], "bfloat16")
    bytes_ = np.asarray(brain).tobytes()
    tensors.append(onnx.helper.make_tensor("brain", 16, (3,), bytes_, raw=True))
    output = onnx.helper.make_tensor_value_info("raw", float32, (3, 4))
    network = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [output], tensors))
    path = tmp_path / "network.onnx"
    onnx.save(network, path)
    source = open_source(path)
    assert {*source.leaves} == {*arrays}
    for name, array in arrays.items():
        np.testing.assert_array_equal(source.read(name), array.astype(source.read(name).dtype))
    assert source.leaves["brain"].dtype == "bfloat16"

    outside = dict(save_as_external_data=True, size_threshold=0, location="network.data")
    onnx.save(network, path, **outside)
    with pytest.raises(UserError, match="lies in another file"):
        open_source(path)
    onnx.save(onnx.load(path), path)  # as the message says
    np.testing.assert_array_equal(open_source(path).read("raw"), arrays["raw"])
