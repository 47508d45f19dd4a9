"""End to end with a local server: a cut download, conversion, fine-tuning and the report."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from ferjax.convert.export_torchvision import to_torchvision
from ferjax.convert.weights import load_pretrained
from ferjax.errors import UserError
from ferjax.experiment import run_train
from ferjax.models.registry import abstract_variables
from ferjax.predict import load_predictor, load_run
from ferjax.runtime.variable_tree import flatten

SMALL: dict[str, Any] = dict(model="resnet18", image_size=32, batch_size=16, epochs=1)


def random_resnet18(classes: int) -> dict[str, np.ndarray]:
    """Returns random variables of resnet18, including statistics."""
    rng = np.random.default_rng(0)
    shapes = abstract_variables("resnet18", classes)
    variables = {}
    for path, shape in shapes.items():
        values = rng.standard_normal(shape).astype(np.float32)
        fan_in = np.prod(shape[:-1]) if path.endswith("kernel") else 1
        variables[path] = np.abs(values) if path.endswith("var") else values / np.sqrt(fan_in)
    return variables


def saved_by_torchvision(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    torch = pytest.importorskip("torch")
    models = request.getfixturevalue("torchvision_models")
    torch.manual_seed(0)
    torch.save(models.resnet18().state_dict(), tmp_path / "made.pth")
    return (tmp_path / "made.pth").read_bytes()


# The slow one is of torchvision's own making: parity/ trains from such files too, without a server.
@pytest.fixture(
    params=["export", pytest.param("torchvision", marks=(pytest.mark.parity, pytest.mark.slow))]
)
def served(request: pytest.FixtureRequest, server: Any, tmp_path: Path) -> Any:
    """Returns a server of resnet18 weights, saved by torchvision or by ferjax's export."""
    if request.param == "torchvision":
        server.name, server.content = "resnet18.pth", saved_by_torchvision(request, tmp_path)
    else:
        state, _ = to_torchvision(random_resnet18(1000), "resnet18", {})
        server.name, server.content = "resnet18.safetensors", save(state)
    return server


@pytest.mark.slow
def test_a_url_is_downloaded_once_and_used_in_training(
    served: Any,
    tiny_config: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    sha256 = hashlib.sha256(served.content).hexdigest()
    served.cuts = [len(served.content) // 2]
    # Steps too small to see: what the run holds is what it started from.
    given: dict[str, Any] = dict(**SMALL, learning_rate=1e-12, head_widths=(16,))
    given["pretrained"] = f"{served.url}#sha256={sha256}"
    first = run_train(tiny_config(tmp_path / "first", **given, normalization="weights"))
    assert served.requested_ranges == [None, f"bytes={len(served.content) // 2}-"]
    origin = first["protocol"]["weights' origin"]
    assert f"sha256 {sha256}" in origin
    assert served.url in origin[0]
    assert origin[-1] == "new, at random: head_dense1, head"
    assert "mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225" in first["protocol"]["input"]
    assert served.url in (tmp_path / "first" / "report.md").read_text()
    run = load_run(tmp_path / "first", "last")
    assert run.spec.channels == 3
    assert load_predictor(tmp_path / "first")(np.zeros((1, 48, 48), np.uint8)).shape == (1, 7)

    # The second run, and one that may not, touch no network.
    second = run_train(tiny_config(tmp_path / "second", **given, normalization="weights"))
    weights = load_pretrained(given["pretrained"], "resnet18", abstract_variables, offline=True)
    assert len(served.requested_ranges) == 2
    assert second["results"] == first["results"]

    sidecar = next((tmp_path / "cache").rglob("model.json"))
    values = json.loads(sidecar.read_text())
    assert (values["model"], values["num_classes"]) == ("resnet18", 1000)
    assert values["source"]["sha256"] == sha256
    assert [path.name for path in (tmp_path / "cache").rglob("*.part")] == []

    trained = flatten(run.variables)
    assert trained["params/head/kernel"].shape == (16, 7)
    assert trained["params/head_dense1/kernel"].shape == (512, 16)
    for path, leaf in weights.variables.items():
        if path.startswith("params/") and "/head" not in path:
            np.testing.assert_allclose(trained[path], leaf, rtol=0, atol=1e-6)


def test_a_wrong_hash_is_an_error_before_conversion(
    served: Any, tiny_config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    for fragment, words in (("sha256=" + 64 * "0", "0000000"), ("sha1=00", "sha256=")):
        config = tiny_config(tmp_path / "run", **SMALL, pretrained=f"{served.url}#{fragment}")
        with pytest.raises(UserError, match=words):
            run_train(config)
    assert not list((tmp_path / "cache").rglob("model.json"))
    assert not (tmp_path / "run").exists()
