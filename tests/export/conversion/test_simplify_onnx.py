"""The graph whose transpose comes first computes what it computed before."""

from typing import Any

import numpy as np
import pytest

from ferjax.export.conversion.simplify_onnx import transpose_bytes


def normalising_graph(onnx: Any, constant_first: bool) -> Any:
    """Returns a model that centres and scales images by channel and then moves channels first."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    constants = {
        "mean": np.array([[[[1.0, 2.0, 3.0]]]], np.float32),
        "scale": np.array([[[[2.0, 4.0, 8.0]]]], np.float32),
    }
    operands = ["mean", "image"] if constant_first else ["image", "mean"]
    graph = helper.make_graph(
        [
            helper.make_node("Sub", operands, ["centred"]),
            helper.make_node("Mul", ["scale", "centred"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Relu", ["planes"], ["output"]),
        ],
        "normalisation",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [2, 4, 5, 3])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [2, 3, 4, 5])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("constant_first", [False, True])
def test_the_moved_transpose_changes_no_value(constant_first: bool) -> None:
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    model = normalising_graph(onnx, constant_first)
    image = np.random.default_rng(0).normal(0, 9, (2, 4, 5, 3)).astype(np.float32)
    (before,) = reference.ReferenceEvaluator(model).run(None, {"image": image})
    transpose_bytes(model)
    assert model.graph.node[0].op_type == "Transpose"
    onnx.checker.check_model(model)
    (after,) = reference.ReferenceEvaluator(model).run(None, {"image": image})
    np.testing.assert_array_equal(after, before)
