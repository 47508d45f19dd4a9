"""The examples run: names of the user's own through launch.train, and an own loop that resumes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ferjax
from examples.distillation import distil
from ferjax.data.synthetic.load_synthetic import load

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a launch command in the repository's folder."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_network_data_set_loss_augmentation_and_optimizer_of_your_own(tmp_path: Path) -> None:
    own, run = "--import=examples.custom_network", tmp_path / "run"
    names = ["--model=tiny_net", "--dataset=stripes", "--loss=squared_error", "--augment=invert"]
    more = ["--optimizer=lion", "--epochs=4", "--learning_rate=1e-3", f"--workdir={run}"]
    trained = command("launch.train", own, *names, *more)
    assert trained.returncode == 0, trained.stderr
    report = json.loads((run / "report.json").read_text("utf-8"))
    assert report["config"]["optimizer"] == "lion"
    assert report["results"]["test"]["selected"]["accuracy"] > 0.8
    assert set(report["results"]["test"]["selected"]["classes"]) == {"across", "down", "slanted"}
    image = tmp_path / "image.png"
    from PIL import Image

    Image.fromarray(np.zeros((32, 32), np.uint8)).save(image)
    predicted = command("launch.predict", own, f"--workdir={run}", str(image))
    assert predicted.stdout.startswith("file,status,emotion,confidence,across,down,slanted,"), (
        predicted.stderr
    )
    lost = command("launch.predict", f"--workdir={run}", str(image))
    assert lost.returncode == 1
    assert "unknown model 'tiny_net'" in lost.stderr
    assert "--import=MODULE_THAT_REGISTERS_IT" in lost.stderr


OWN_PARTS = """
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import ferjax
from examples.custom_network import squared_error
logits, labels = jax.random.normal(jax.random.key(0), (4, 3)), jnp.array([0, 2, 1, 2])
plain = {"label_smoothing": 0.0, "class_weights": None}
hard, soft = (squared_error(logits, t, **plain) for t in (labels, jnp.eye(3)[labels]))
np.testing.assert_array_equal(hard, soft)
for setting in ({"label_smoothing": 0.1}, {"class_weights": np.ones(3)}):
    with pytest.raises(ferjax.UserError, match="takes neither --label_smoothing nor --class_w"):
        squared_error(logits, labels, **{**plain, **setting})
model, images = ferjax.create_model("tiny_net", 3, dtype="bfloat16"), jnp.ones((2, 16, 16, 1))
logits, variables = model.init_with_output(jax.random.key(0), images, train=False)
assert {leaf.dtype for leaf in jax.tree.leaves((logits, variables))} == {jnp.dtype("float32")}
_, kept = model.apply(variables, images, train=False, capture_intermediates=True)
assert kept["intermediates"]["conv2"]["__call__"][0].dtype == jnp.bfloat16
"""


def test_the_parts_of_the_own_network_keep_their_interfaces() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OWN_PARTS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def faces_in_memory() -> ferjax.DatasetBundle:
    """Returns a small synthetic data set at the size of the teacher's images."""
    return load(48, counts={"train": 128, "val": 32, "test": 32})


def test_distillation_in_an_own_loop_resumes_and_can_be_loaded(
    tmp_path: Path, tiny_run: Path, faces_in_memory: ferjax.DatasetBundle
) -> None:
    given = dict(data=faces_in_memory, batch_size=32)
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    accuracy = distil(str(tiny_run), whole, epochs=2, **given)
    distil(str(tiny_run), cut, epochs=1, **given)
    assert distil(str(tiny_run), cut, epochs=2, **given) == accuracy
    written = (tmp_path / "cut" / "metrics.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in written.splitlines()]
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (1, "train"),
        (1, "val"),
        (2, "train"),
        (2, "val"),
    ]
    predict = ferjax.load_predictor(cut)
    images = faces_in_memory.splits["val"].read(np.arange(4))
    np.testing.assert_allclose(predict(images).sum(1), 1, rtol=1e-5)
    assert {"report.md", "curves.png", "confusion_test.png"} <= {
        path.name for path in (tmp_path / "cut").iterdir()
    }


COUNT = """
import jax
import examples.compare_networks
from ferjax.models.registry import create_model
for name in ("fernet_s", *examples.compare_networks.NETWORKS):
    model = create_model(name, 8)
    shapes = jax.eval_shape(
        lambda m=model: m.init(jax.random.key(0), jax.numpy.zeros((1, 48, 48, 1)), train=False)
    )
    print(name, sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])))
"""


def test_networks_to_compare() -> None:
    """Parameters counted by hand: 9 in out of a convolution, 2 out of a batch norm, the head."""
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, capture_output=True, text=True)
    counts = dict(line.split() for line in done.stdout.splitlines())
    assert counts == {
        "fernet_s": "596392",
        "fernet_deep": "891816",
        "fernet_two_blocks": "659528",
        "fernet_wide": "816200",
        "fernet_three_stages": "550664",
        "fernet_thin": "341192",
    }, done.stderr
