"""The recipes of P1, P3 and P5 end to end: from torchvision weights and image files to a report.

P2's recipe is tested in keras/test_iut_recipe.py. All weights are random, all faces synthetic.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from ferjax.convert.weights import Pretrained
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.runtime.checksums import file_digest
from ferjax.training.run_directory.metrics_jsonl import read_lines

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

SMALL, FULL = {"image_size": 32}, pytest.param({}, marks=pytest.mark.slow, id="full")
SIZES = pytest.mark.parametrize("size", [pytest.param(SMALL, id="32"), FULL])
EMOTION = {"angry": "anger", "happy": "happiness", "sad": "sadness"}


def draw_faces(files: list[Path], emotions: list[str], side: int = 48) -> None:
    """Writes a synthetic face to each file."""
    labels = [EMOTIONS.index(EMOTION.get(name.lower(), name.lower())) for name in emotions]
    faces = render_faces(np.array(labels), np.arange(len(labels)), size=side)
    for file, face in zip(files, faces, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).convert("L").save(file)


@pytest.fixture(scope="module")
def ckplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a CK+48 of twenty subjects with each emotion once, in three frames."""
    root, files, emotions = tmp_path_factory.mktemp("ckplus"), [], []
    folders = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    for subject in range(20):
        for number, name in enumerate(folders, start=1):
            for frame in (15, 16, 17):
                file = f"S{subject:03}_{number:03}_{frame:08}.png"
                files.append(root / "CK+48" / name / file)
                emotions.append(name)
    draw_faces(files, emotions)
    return root


@pytest.fixture(scope="module")
def sfew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a SFEW 2.0 with aligned faces."""
    root, files, emotions = tmp_path_factory.mktemp("sfew"), [], []
    for split, each in (("Train", 8), ("Val", 2)):
        for name in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
            for k in range(each):
                files.append(root / split / f"{split}_Aligned_Faces" / name / f"Film_{k:04}.png")
                emotions.append(name)
    draw_faces(files, emotions)
    return root


@pytest.fixture
def weights_file(
    torchvision_models: Any, torch_network: Callable[..., Any], folder: Path
) -> Callable[[str, str], Path]:
    """Returns a function (model, suffix) → file of torchvision's network with random weights."""

    def write(model: str, suffix: str) -> Path:
        state = torch_network(lambda: torchvision_models.get_model(model)).state_dict()
        # Without its classifier a VGG has a tenth of its size.
        state = {key: leaf for key, leaf in state.items() if not key.startswith("classifier")}
        file = folder / f"{model}{suffix}"
        if suffix == ".pth":
            torch.save(state, file)
        else:
            save_file({key: leaf.numpy() for key, leaf in state.items()}, file)
        return file

    return write


def check_report(report: dict[str, Any], recipe: str, file: Path | None, new: str = "") -> None:
    """Asserts that a report names the recipe and the initial weights."""
    protocol = report["protocol"]
    assert protocol["recipe"].startswith(f"{recipe} (P")
    assert set(report["results"]) == {"val", "test"}
    assert Path(report["path"]).is_file()
    if file is None:
        assert protocol["weights' origin"] == "random initialisation"
        return
    origin = protocol["weights' origin"]
    assert origin[0] == f"{file}: torchvision weights from {file.resolve()}"
    assert f"sha256 {file_digest(file)}" in origin
    assert origin[-1] == new


def check_rates(report: dict[str, Any], rates: list[float]) -> None:
    """Asserts the learning rate of each epoch in metrics.jsonl."""
    lines = [line for line in read_lines(Path(report["path"]).parent) if line["split"] == "train"]
    assert [line["epoch"] for line in lines] == list(range(1, len(rates) + 1))
    np.testing.assert_allclose([line["learning_rate"] for line in lines], rates, rtol=1e-4)


def check_frozen(states: dict[int, Any], weights: Pretrained, frozen: str) -> None:
    """Asserts that exactly the frozen variables (except the head) equal the file's, bit for bit.

    Args:
      states: variables after each epoch, by flat path.
      weights: the weights of the file.
      frozen: regular expression on paths of parameters and statistics.
    """
    for state in states.values():
        for path, leaf in weights.variables.items():
            if "/head/" not in path:
                same = np.array_equal(state[path], leaf)
                assert same == bool(re.fullmatch(frozen, path.partition("/")[2])), path


@SIZES
def test_p1(
    size: dict[str, Any],
    weights_file: Callable[..., Path],
    load: Callable[..., Pretrained],
    train_recipe: Callable[..., Any],
    ckplus: Path,
) -> None:
    file, recipe = weights_file("resnet50", ".pth"), "kumari_resnet50_ckplus"
    report, states = train_recipe(recipe, ckplus, pretrained=str(file), **size)
    check_report(report, recipe, file, "new, at random: head_dense1, head")
    check_rates(report, [0.01, 0.01])
    check_frozen(states, load(file, "resnet50"), "")
    assert states[2]["params/head_dense1/kernel"].shape == (2048, 512)
    assert "contempt" in report["protocol"]["classes"]


@SIZES
@pytest.mark.parametrize(
    ("variant", "frozen"),
    [
        pytest.param("", "", marks=pytest.mark.slow, id="all"),  # P1's freezes nothing either
        pytest.param("_frozen", r"(stem_|stage[12]_).*", id="frozen"),
    ],
)
def test_p3(
    size: dict[str, Any],
    variant: str,
    frozen: str,
    weights_file: Callable[..., Path],
    load: Callable[..., Pretrained],
    train_recipe: Callable[..., Any],
    sfew: Path,
) -> None:
    file, recipe = weights_file("resnet18", ".safetensors"), f"farahani_resnet18_sfew{variant}"
    report, states = train_recipe(recipe, sfew, pretrained=str(file), **size)
    check_report(report, recipe, file, "new, at random: head")
    check_rates(report, [0.1, 0.1])
    # Mean and standard deviation of the images, not ImageNet's.
    assert "mean 0.485" not in report["protocol"]["input"]
    check_frozen(states, load(file, "resnet18"), frozen)


@SIZES
def test_p3s_base_cnn(size: dict[str, Any], train_recipe: Callable[..., Any], sfew: Path) -> None:
    report, _ = train_recipe("farahani_base_cnn_sfew", sfew, **size)
    check_report(report, "farahani_base_cnn_sfew", None)
    check_rates(report, [0.1, 0.1])


@SIZES
def test_p5(
    size: dict[str, Any],
    weights_file: Callable[..., Path],
    load: Callable[..., Pretrained],
    train_recipe: Callable[..., Any],
    make_rafdb: Callable[..., Path],
    tmp_path: Path,
) -> None:
    file, recipe = weights_file("vgg16", ".pth"), "liu_awei_rafdb_guided"
    report, states = train_recipe(recipe, make_rafdb(tmp_path), pretrained=str(file), **size)
    check_report(
        report, recipe, file, "of the guide, frozen; everything else: random initialisation"
    )
    check_rates(report, [1e-3, 1e-3])
    assert "guide: mean 0.485 0.456 0.406" in report["protocol"]["input"]
    for path, leaf in load(file, "vgg16").variables.items():
        for epoch in (1, 2):
            guide_leaf = states[epoch][path.replace("params/", "params/guide/")]
            np.testing.assert_array_equal(guide_leaf, leaf)
    changed = {
        path for path, leaf in states[1].items() if not np.array_equal(states[2][path], leaf)
    }
    assert changed == {path for path in states[1] if not path.startswith("params/guide/")}
