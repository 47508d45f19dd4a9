"""Suite `exports`: both sides answer with probabilities of the same faces."""

import numpy as np
import pytest

from ferjax.bench.suites.exported_networks import NETWORKS, cases, ferjax_onnx, torchvision_onnx


def test_every_network_with_one_face_and_with_many() -> None:
    assert [case.images for case in cases()] == [1, 64, 1, 64, 1, 64, 1, 16]


@pytest.mark.slow
@pytest.mark.parity
def test_both_sides_answer_with_probabilities() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    side, _ = NETWORKS["resnet18"]
    faces = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    for make in (ferjax_onnx, torchvision_onnx):
        found = make("resnet18")(faces)
        assert found.shape == (2, 8)
        np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
