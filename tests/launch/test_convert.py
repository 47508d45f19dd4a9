"""`launch.convert` as a process: mapping, converted folder, --verify, export, and errors."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.export_torchvision import to_torchvision
from ferjax.errors import UserError
from ferjax.models.registry import abstract_variables
from ferjax.tools.convert_weights import run_convert, run_export

ROOT = Path(__file__).resolve().parents[2]
Convert = Callable[..., tuple[int, str, str]]
Commands = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Returns a function (*flags) → exit status, output, errors of `launch.convert`."""

    def call(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "launch.convert", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **away(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return call


def away(folder: Path) -> dict[str, str]:
    """Returns an environment whose cache is the folder's, and that asks no server."""
    return {"FERJAX_CACHE": str(folder / "cache"), "FERJAX_OFFLINE": "1"}


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    """Returns a random resnet18 with 5 classes as a torchvision state dict, scaled by fan-in."""
    rng = np.random.default_rng(0)
    variables = {
        path: np.abs(rng.standard_normal(shape, np.float32)) / max(1, np.prod(shape[:-1])) ** 0.5
        for path, shape in abstract_variables("resnet18", 5).items()
    }
    variables = {path: leaf.astype(np.float32) for path, leaf in variables.items()}
    return to_torchvision(variables, "resnet18", {})[0]


@pytest.fixture
def file(tmp_path: Path, state: dict[str, np.ndarray]) -> str:
    save_file(state, tmp_path / "resnet18.safetensors")
    return "resnet18.safetensors"


def test_there_and_back(
    commands: Commands, file: str, state: dict[str, np.ndarray], tmp_path: Path
) -> None:
    mapping = ("layer2.0.downsample.0.weight", "1x1x64x128", "stage2_block0/downsample_conv/kernel")
    dry, there, back_again = commands(
        "convert",
        ("--model=resnet18", f"--source={file}", "--dry_run"),
        ("--model=resnet18", f"--source={file}", "--out=r18"),
        ("--source=r18", "--to=torchvision", "--out=back.safetensors"),
        **away(tmp_path),
    )
    assert dry[0] == 0
    assert all(word in dry[1] for word in (*mapping, "5 classes", "nothing was written"))
    code, output, _ = there
    assert code == 0
    assert all(word in output for word in (*mapping, "--model=resnet18 --pretrained=r18"))
    about = json.loads((tmp_path / "r18" / "model.json").read_text())
    assert (about["model"], about["source"]["kind"]) == ("resnet18", "torchvision")

    code, output, _ = back_again
    assert code == 0
    assert output.splitlines() == [
        "back.safetensors, and back.json: its classes and how its images are prepared. Load it so:",
        "",
        "import torchvision",
        "from safetensors.torch import load_file",
        "",
        "net = torchvision.models.resnet18(num_classes=5)",
        "net.load_state_dict(load_file('back.safetensors'))",
    ]
    back = load_file(tmp_path / "back.safetensors")
    assert back.keys() == state.keys()
    for key, array in state.items():
        np.testing.assert_array_equal(back[key], array)
    description = json.loads((tmp_path / "back.json").read_text())
    assert description["input"]["mean"] == [0.485, 0.456, 0.406]
    assert description["build"] == ["net = torchvision.models.resnet18(num_classes=5)"]


@pytest.mark.parametrize("left", ["killed.json", "killed.safetensors"])
def test_an_export_that_was_killed_is_completed(
    left: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    run_convert(ConvertConfig(model="resnet18", source=file, out="r18"))
    config = ConvertConfig(source="r18", to="torchvision", out="killed.safetensors")
    both = (tmp_path / "killed.json", tmp_path / "killed.safetensors")
    run_export(config)
    expected = [path.read_bytes() for path in both]
    with pytest.raises(UserError, match="exists already"):
        run_export(config)
    for path in both:
        if path.name != left:
            path.unlink()
    temporary = tmp_path / ".killed.safetensors.99999999.tmp"
    temporary.touch()
    run_export(config)
    assert [path.read_bytes() for path in both] == expected
    assert not temporary.exists()
    # What another command has written is not touched.
    both[0].unlink()
    both[1].write_bytes(b"mine")
    with pytest.raises(UserError, match=r"killed\.safetensors exists already"):
        run_export(config)
    assert not both[0].exists()


def test_the_list_shows_published_and_cached_weights(convert: Convert) -> None:
    code, output, _ = convert("--list", "--model=resnet50")
    assert code == 0
    rows = {line.split()[0]: line for line in output.splitlines()}
    assert "(imagenet)" in rows["resnet50.tv_in1k"]
    assert "BSD-3-Clause" in rows["resnet50.tv2_in1k"]
    assert not [name for name in rows if not name.startswith("resnet50.")]
    assert "cached" not in output


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("--source=FILE",), "--model is missing"),
    (("--model=resnet18",), "--source is missing"),
    (("--model=resnet18", "--source=FILE"), "--out is missing"),
    (("--model=resnet50", "--source=FILE", "--dry_run"), "looks like resnet18"),
    (("--model=cnn3", "--source=FILE", "--dry_run"), "expected cnn3"),
    (("--model=resnet18", "--source=FILE", "--out=cache"), "--out=cache exists already"),
    (("--model=resnet18", "--source=none.pth", "--dry_run"), "no such file"),
    (("--model=resnet18", "--source=tv_in1", "--dry_run"), "Did you mean 'resnet18.tv_in1k'"),
    (("--model=resnet18", "--source=imagenet", "--dry_run"), "offline"),
    (("--model=resnet18", "--source=FILE", "--kind=tim", "--dry_run"), "Did you mean 'timm'"),
    (("--to=torchvision", "--source=cache", "--out=x.safetensors"), "no checkpoints/ there"),
    (("--to=torchvision", "--source=cache", "--out=x.pth"), "a .safetensors file"),
    (("--to=onnx", "--source=FILE"), "--to 'onnx'"),
    (("--list", "--model=resnet5"), "Did you mean 'resnet50'"),
]


def test_every_mistake_is_one_line(commands: Commands, file: str, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    given = [[word.replace("FILE", file) for word in arguments] for arguments, _ in MISTAKES]
    answers = commands("convert", *given, **away(tmp_path))
    for (arguments, words), (code, _, errors) in zip(MISTAKES, answers, strict=True):
        assert code == 1, arguments
        assert errors.startswith("error: ")
        assert words in errors
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= {"locks"}


@pytest.mark.parity
def test_verify_compares_with_the_source_library(convert: Convert, file: str) -> None:
    if not importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is not installed")
    code, output, _ = convert("--model=resnet18", f"--source={file}", "--verify")
    assert code == 0
    assert "logits differ from those of torchvision by" in output
