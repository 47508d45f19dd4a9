"""Runs, converted weights and exports of earlier commits open today and give the same numbers.

Each archive beside this file was written by the commit that its .json names, with the commands
there (`make_golden.py`). What a test fails on here is what users have on their disks: such files
get a migration in `ferjax/config/format_versions.py`, or one clear error, never a new archive.
"""

import importlib.util
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import export
from PIL import Image

from ferjax.config.json_file import config_from_json
from ferjax.config.phases import total_epochs
from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.convert.weights import load_pretrained
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.export.run_export import run_export
from ferjax.models.resnet import ResNet18
from ferjax.predict import load_predictor
from ferjax.runtime.variable_tree import unflatten
from ferjax.training.run_directory.metrics_jsonl import read_lines

HERE = Path(__file__).parent
CLASSES = ("anger", "happiness", "sadness")
MOST_BYTES = 300_000
# Until 2026-11-25 the state of an optimizer had no phases.
NOT_RESUMED = ["2026-11-21"]
Unpack = Callable[[str], Path]


def archives(part: str) -> list[str]:
    """Returns the names of the archives that hold a file or folder."""
    found = []
    for path in sorted(HERE.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            if any(name.startswith(part) for name in archive.namelist()):
                found.append(path.stem)
    return found


RUNS, CONVERTED, EXPORTS = archives("run/"), archives("converted/"), archives("export/")
WEIGHTS, PROGRAMS = (archives(f"export/golden.{suffix}") for suffix in ("safetensors", "stablehlo"))
MODULES = archives("export/golden_network.py")


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    """Returns a function name of an archive → folder with its files."""

    def unpacked(name: str) -> Path:
        with zipfile.ZipFile(HERE / f"{name}.zip") as archive:
            archive.extractall(tmp_path)
        return tmp_path

    return unpacked


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Returns the faces, uint8 [48, 16, 16, 1]."""
    with np.load(HERE / "faces.npz") as faces:
        return faces["images"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> str:
    """Returns the faces as class folders, as the earlier commits read them."""
    folder = tmp_path_factory.mktemp("golden") / "faces"
    with np.load(HERE / "faces.npz") as faces:
        rows = zip(images, faces["labels"], faces["splits"], strict=True)
        for number, (image, label, split) in enumerate(rows):
            path = folder / str(split) / CLASSES[label] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    return str(folder)


def recorded(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as arrays:
        return dict(arrays)


def test_every_archive_says_which_commit_and_commands_made_it() -> None:
    assert min(map(len, (RUNS, CONVERTED, WEIGHTS))) >= 2
    assert PROGRAMS
    assert MODULES
    made = {path.stem: json.loads(path.read_text("utf-8")) for path in HERE.glob("*.json")}
    assert set(made) == {*RUNS, *CONVERTED, *EXPORTS}
    for facts in made.values():
        assert re.fullmatch("[0-9a-f]{40}", facts["commit"])
        assert facts["commands"]
        assert {"jax", "jaxlib", "orbax-checkpoint"} <= set(facts["versions"])
    assert len({facts["commit"] for facts in made.values()}) == len(made)
    assert sum(path.stat().st_size for path in HERE.glob("*.*")) <= MOST_BYTES


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_an_earlier_commit_gives_the_same_numbers(
    name: str, unpack: Unpack, images: np.ndarray, data_dir: str, no_figures: None
) -> None:
    """Probabilities of both checkpoints, and the evaluation of the test split."""
    folder = unpack(name)
    for which, expected in recorded(folder, "run_probabilities").items():
        found = load_predictor(folder / "run", which)(images)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=which)
    old = json.loads((folder / "run" / "report.json").read_text("utf-8"))["results"]["test"]
    config = EvalConfig(
        workdir=str(folder / "run"), data_dir=data_dir, split="test", progress=False
    )
    new = run_evaluate(config)["results"]["test"]["selected"]
    assert new["confusion"] == old["selected"]["confusion"]
    assert new["loss"] == pytest.approx(old["selected"]["loss"], rel=1e-5)
    assert new["classes"] == old["selected"]["classes"] == list(CLASSES)


@pytest.fixture
def finished_run(unpack: Unpack, data_dir: str) -> Callable[[str], TrainConfig]:
    """Returns a function name of an archive → config that resumes its run where it lies now."""

    def config_of(name: str) -> TrainConfig:
        run_dir = unpack(name) / "run"
        own = config_from_json((run_dir / "config.json").read_text("utf-8"), "config.json")
        places = {"data_dir": data_dir, "workdir": str(run_dir)}
        return replace(own, **places, resume=True, progress=False)

    return config_of


def contents(run_dir: Path) -> dict[str, bytes]:
    """Returns the bytes of every file of a run, by its path."""
    files = (path for path in run_dir.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", RUNS)
def test_a_finished_run_of_an_earlier_commit_is_returned_as_it_is(
    name: str, finished_run: Callable[[str], TrainConfig]
) -> None:
    config = finished_run(name)
    before = contents(Path(str(config.workdir)))
    report = json.loads(before["report.json"])
    found = run_train(config, jax.devices()[:1])
    assert {key: found[key] for key in report} == report
    assert contents(Path(str(config.workdir))) == before


@pytest.mark.parametrize("name", [name for name in RUNS if name not in NOT_RESUMED])
def test_a_run_of_an_earlier_commit_goes_on(
    name: str, finished_run: Callable[[str], TrainConfig], no_figures: None
) -> None:
    config = finished_run(name)
    run_dir, epochs = Path(str(config.workdir)), total_epochs(config)
    before = (run_dir / "metrics.jsonl").read_bytes()
    run_train(replace(config, epochs=epochs + 1), jax.devices()[:1])
    assert (run_dir / "metrics.jsonl").read_bytes().startswith(before)
    train = [line for line in read_lines(run_dir) if line["split"] == "train"]
    assert [line["epoch"] for line in train] == list(range(1, epochs + 2))
    # It goes on from the weights of the last epoch, and not from new ones.
    assert train[-1]["loss"] < 1.2 * train[-2]["loss"] < train[0]["loss"]


@pytest.mark.parametrize("name", NOT_RESUMED)
def test_a_run_that_cannot_go_on_is_refused_and_left_as_it_was(
    name: str, finished_run: Callable[[str], TrainConfig], no_figures: None
) -> None:
    """Its optimizer kept its state in another structure; its network is read all the same."""
    config = finished_run(name)
    run_dir = Path(str(config.workdir))
    before = contents(run_dir)
    with pytest.raises(
        UserError, match=r"cannot be resumed\. launch\.evaluate and launch\.predict"
    ):
        run_train(replace(config, epochs=total_epochs(config) + 1), jax.devices()[:1])
    assert contents(run_dir) == before
    # Its own command still finds it finished.
    run_train(config, jax.devices()[:1])
    # As the message says: a new run starts from it.
    own = {"workdir": str(run_dir.with_name("new")), "pretrained": str(run_dir)}
    report = run_train(replace(config, **own, resume=False, epochs=1), jax.devices()[:1])
    assert str(run_dir) in " ".join(report["protocol"]["weights' origin"])


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_an_earlier_commit_is_exported(
    name: str, unpack: Unpack, images: np.ndarray, data_dir: str
) -> None:
    folder = unpack(name)
    config = ExportConfig(str(folder / "run"), str(folder / "new"), progress=False)
    card = json.loads(run_export(replace(config, data_dir=data_dir)).read_text("utf-8"))
    before = recorded(folder, "run_probabilities")["selected"].astype(np.float64)
    scaled = before ** (1 / card["temperature"])
    # Kernels are stored with 11 bits.
    np.testing.assert_allclose(
        load_predictor(folder / "new")(images), scaled / scaled.sum(-1, keepdims=True), atol=5e-3
    )


@pytest.mark.parametrize("name", CONVERTED)
def test_weights_that_an_earlier_commit_converted_give_the_same_logits(
    name: str, unpack: Unpack, images: np.ndarray
) -> None:
    folder = unpack(name)
    # Folders are read without the shapes of a network.
    weights = load_pretrained(folder / "converted", "resnet18", dict[Any, Any])
    assert (weights.num_classes, weights.fields) == (3, {"bn_eps": 1e-5})
    model = ResNet18(num_classes=3, widths=(4, 4, 4, 4), **weights.fields)
    faces = np.tile(images[:4], (1, 2, 2, 3)).astype(np.float32) / 255
    logits: Any = model.apply(unflatten(weights.variables), faces, train=False)
    expected = recorded(folder, "converted_logits")["logits"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", WEIGHTS)
def test_an_export_of_an_earlier_commit_gives_the_same_probabilities(
    name: str, unpack: Unpack, images: np.ndarray
) -> None:
    folder = unpack(name)
    expected = recorded(folder, "export_probabilities")["safetensors"]
    predict = load_predictor(folder / "export")
    assert predict.classes == CLASSES
    np.testing.assert_allclose(predict(images), expected, atol=1e-5)
    sets = predict(images, sets=0.8)[1]
    assert sets[np.arange(len(images)), expected.argmax(-1)].all()
    # Its card is read and written again.
    again = ExportConfig(weights=str(folder / "export"), out=str(folder / "again"), progress=False)
    path = run_export(again)
    assert "What it must not be used for" in path.with_suffix(".md").read_text("utf-8")
    np.testing.assert_array_equal(load_predictor(path)(images), predict(images))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_an_earlier_commit_runs_in_this_jax(
    name: str, unpack: Unpack, images: np.ndarray
) -> None:
    folder = unpack(name)
    program = export.deserialize(bytearray((folder / "export" / "golden.stablehlo").read_bytes()))
    found: Any = program.call(images)
    assert tuple(found) == CLASSES
    expected = recorded(folder, "export_probabilities")["stablehlo"]
    np.testing.assert_allclose(np.stack([*found.values()], 1), expected, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_an_earlier_commit_runs_in_this_torch(
    name: str, unpack: Unpack, images: np.ndarray
) -> None:
    torch = pytest.importorskip("torch")
    folder = unpack(name)
    path = folder / "export" / "golden_network.py"
    spec = importlib.util.spec_from_file_location("golden_network", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recogniser = module.load()
    assert tuple(recogniser.classes) == CLASSES
    with torch.inference_mode():
        found = recogniser(torch.from_numpy(images)).numpy()
    expected = recorded(folder, "export_probabilities")["pytorch"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
