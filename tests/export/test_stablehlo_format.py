"""Every network as one StableHLO program for any batch."""

import re
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from ferjax.errors import UserError
from ferjax.export.exported_network import ExportedNetwork
from ferjax.export.formats import FORMATS
from ferjax.export.stablehlo_format import export_stablehlo
from ferjax.models.awei import JUMPERS
from ferjax.models.registry import MODELS
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.training.train_step import predict_step

Faces = Callable[[Any, int], np.ndarray]
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in MODELS if name != "awei"),
    *(("awei", {"jumper": jumper}) for jumper in JUMPERS),
    ("awei", {"guide": "vgg16"}),
    ("resnet18", {"stem": "small", "channels": 3, "interpolation": "bicubic"}),
    ("resnet50", {"stride_on_3x3": False, "conv_bias": True}),
    ("efficientnet_b0", {"padding": "same"}),
    ("vgg16", {"pooling": "mean"}),
]
# The rest takes minutes.
COMPARED = (("fernet_s", {}), ("cnn3", {}), ("awei", {"jumper": "input"}))


def predicted(network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
    """Returns probabilities [B, K] as the predictor computes them, in ferjax's own forms."""

    def probabilities(variables: Any, images: jax.Array) -> jax.Array:
        logits = predict_step(variables, images, model=network.model, spec=network.spec)
        return jax.nn.softmax(logits)

    return np.asarray(compiled_forward(probabilities)(network.variables, images))


@pytest.mark.parametrize(("name", "fields"), NETWORKS)
def test_every_network_exports_with_a_symbolic_batch(
    name: str, fields: dict[str, Any], small_network: Callable[..., ExportedNetwork]
) -> None:
    exported = export_stablehlo(small_network(name, scaled=False, **fields))
    batch, *sides = exported.in_avals[0].shape
    assert (str(batch), sides[:2]) == ("batch", [44, 40])
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert exported.in_avals[0].dtype == jnp.uint8
    # No TF32 on a GPU, no bfloat16 on a TPU.
    products = re.findall(r"stablehlo\.(?:convolution|dot_general).*", exported.mlir_module())
    assert products
    assert all("HIGHEST" in line for line in products)


@pytest.mark.parametrize(
    ("name", "fields"),
    [pytest.param(*case, marks=() if case in COMPARED else pytest.mark.slow) for case in NETWORKS],
)
def test_it_equals_the_predictor_at_every_batch_size(
    name: str,
    fields: dict[str, Any],
    small_network: Callable[..., ExportedNetwork],
    faces_for: Faces,
) -> None:
    network = small_network(name, **fields)
    read = export.deserialize(export_stablehlo(network).serialize())
    for size in (1, 7, 64):
        images = faces_for(network.spec, size)
        found = read.call(images)
        assert set(found) == set(network.classes)
        expected = predicted(network, images)
        assert expected.max() < 0.999
        columns = np.stack([found[emotion] for emotion in network.classes], 1)
        np.testing.assert_allclose(columns, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("jumper", ["input", "double"])
def test_own_forms_export_with_a_symbolic_batch_too(
    jumper: str, small_network: Callable[..., ExportedNetwork]
) -> None:
    """The choice of tiles has no size of the batch to go by."""
    network = small_network("awei", scaled=False, jumper=jumper)
    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *network.input_shape), jnp.uint8)
    logits = jax.jit(
        lambda images: predict_step(
            network.variables, images, model=network.model, spec=network.spec
        )
    )
    exported = export.export(logits)(shape)
    assert str(exported.out_avals[0].shape[0]) == "batch"


@pytest.fixture(scope="module")
def program(small_network: Callable[..., ExportedNetwork]) -> export.Exported:
    exported = export_stablehlo(small_network("base_cnn", scaled=False))
    return export.deserialize(exported.serialize())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 44, 40, 1), np.uint8), "batch.*0"),
        (np.zeros((2, 44, 40, 1), np.float32), "float32"),
        (np.zeros((2, 48, 48, 1), np.uint8), "44"),
        (np.zeros((2, 44, 40, 3), np.uint8), "3"),
        (np.zeros((44, 40, 1), np.uint8), "44"),
    ],
    ids=["no face", "dtype", "size", "channels", "no batch"],
)
def test_wrong_faces_are_the_file_s_own_error(
    program: export.Exported, images: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        program.call(images)


def test_without_flatbuffers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(UserError, match=r"flatbuffers.*pip install 'ferjax\[stablehlo\]'"):
        FORMATS["stablehlo"].require()
