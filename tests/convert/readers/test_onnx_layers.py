"""Which stored tensors of an ONNX graph belong to one layer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferjax.convert.readers.onnx_layers import layers_of
from ferjax.convert.readers.open_file import open_source

PRODUCT = ("MatMul", "dense", ["image", "kernel"], ["product"], {})
SUM = ("Add", "bias", ["product", "vector"], ["probabilities"], {})
OTHER = ("Relu", "relu", ["product"], ["map"], {})


@pytest.mark.parametrize(
    ("readers", "arrays"),
    [([SUM], ("kernel", "vector")), ([SUM, OTHER], ("kernel",)), ([OTHER, SUM], ("kernel",))],
)
def test_a_vector_is_the_bias_of_a_product_that_nothing_else_reads(
    onnx_bytes: Callable[..., bytes], tmp_path: Path, readers: list, arrays: tuple[str, ...]
) -> None:
    tensors = {"kernel": np.ones((3, 4), np.float32), "vector": np.ones(4, np.float32)}
    path = tmp_path / "network.onnx"
    path.write_bytes(onnx_bytes(tensors, [PRODUCT, *readers], side=48))
    (layer,) = layers_of(open_source(path).metadata["onnx"])
    assert layer.arrays == arrays
    assert layer.output == ("probabilities" if len(arrays) == 2 else "product")
