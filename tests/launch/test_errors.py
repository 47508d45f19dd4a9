"""Errors of a user: one line that names the flag or file, exit status 1, no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

import launch.train
from launch.command.app import run

ROOT = Path(launch.train.__file__).parents[1]
Train = Callable[..., str]
PAIR = ("--model=cnn3", "--dataset=synthetic", "--smoke")
# Name of the case → arguments that are wrong before any file is read, words of the message.
CASES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "flag": (("--modell=awei",), ["Unknown command line flag 'modell'", "Did you mean: model"]),
    "positional": ((*PAIR, "awei"), ["unexpected argument 'awei'", "--flag=value"]),
    "no model": (("--dataset=rafdb",), ["--model is missing", "--list"]),
    "model": (("--model=aweii", "--dataset=rafdb"), ["'aweii'", "Did you mean 'awei'", "cnn6"]),
    "dataset": (("--model=awei", "--dataset=rafbd"), ["'rafbd'", "Did you mean 'rafdb'"]),
    "recipe": (("--recipe=liu_awei",), ["Did you mean 'liu_awei_rafdb'"]),
    "optimizer": ((*PAIR, "--optimizer=adamax"), ["--optimizer 'adamax'", "Did you mean"]),
    "number": ((*PAIR, "--epochs=x"), ["--epochs=x", "comma list of integers"]),
    "boolean": ((*PAIR, "--resume=maybe"), ["--resume=maybe"]),
    "nan": ((*PAIR, "--learning_rate=nan"), ["--learning_rate=nan", "finite"]),
    "seeds": ((*PAIR, "--seeds=1,x"), ["--seeds=1,x", "comma list of integers"]),
    "seed": ((*PAIR, "--seed=5", "--seeds=0,1"), ["--seed=5 and --seeds=0,1", "Leave one"]),
    "fold": ((*PAIR, "--fold=1"), ["--fold=1 needs --folds"]),
    "side": ((*PAIR, "--image_size=50"), ["--image_size=50", "strides of cnn3", "48 or 56"]),
    "small": (("--model=cnn3", "--dataset=synthetic", "--image_size=24"), ["smallest is 32"]),
    "channels": (
        ("--model=awei", "--dataset=synthetic", "--channels=1"),
        ["--channels=1", "awei takes 3 channels"],
    ),
    "jumper": ((*PAIR, "--jumper=input"), ["--jumper=input", "cnn3 has no jumper"]),
    "jumper name": (
        ("--model=awei", "--dataset=synthetic", "--jumper=duoble"),
        ["Did you mean 'double'"],
    ),
    "devices": ((*PAIR, "--batch_size=6"), ["--batch_size=6", "4 devices", "4 or 8"]),
    "batch": ((*PAIR, "--batch_size=64"), ["--batch_size=64", "32 training images", "at most 32"]),
    "f64": ((*PAIR, "--precision=f64"), ["--precision=f64", "JAX_ENABLE_X64=1"]),
    "classes": ((*PAIR, "--num_classes=9"), ["num_classes=9", "7 or 8"]),
    "own classes": (
        ("--model=cnn3", "--dataset=fer2013", "--num_classes=8"),
        ["--num_classes=8", "fer2013 has its own"],
    ),
    "drawn": ((*PAIR, "--data_dir=faces"), ["--data_dir=faces", "Leave the flag out"]),
    "no data": (
        ("--model=awei", "--dataset=rafdb"),
        ["--data_dir is missing", "EmoLabel/list_patition_label.txt", "whdeng.cn", "Kaggle"],
    ),
    "absent data": (
        ("--model=cnn3", "--dataset=fer2013", "--data_dir=nowhere"),
        ["--data_dir=nowhere does not exist", "Kaggle"],
    ),
}


@pytest.fixture
def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Train]:
    """Returns a function (*flags) → message of `launch.train` as a process in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FERJAX_DATA", raising=False)

    def call(*arguments: str) -> str:
        flags.FLAGS.unparse_flags()
        monkeypatch.setattr(sys, "argv", ["train", "--noprogress", *arguments])
        with pytest.raises(SystemExit) as stopped:
            run(launch.train.main)
        assert stopped.value.code == 1
        message = capsys.readouterr().err.rstrip("\n")
        assert message.startswith("error: ")
        assert "\n" not in message
        return message

    yield call
    flags.FLAGS.unparse_flags()


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("arguments", "words"), CASES.values(), ids=CASES)
def test_wrong_settings(
    arguments: tuple[str, ...], words: list[str], train: Train, tmp_path: Path
) -> None:
    message = train(*arguments)
    for word in words:
        assert word in message
    assert not list(tmp_path.iterdir()), "something was written"


def test_a_flag_that_nobody_gave_is_the_recipes(train: Train, tmp_path: Path) -> None:
    for k in range(12):
        image = tmp_path / "faces" / ("happy", "sad")[k % 2] / f"{k}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 20 * k).save(image)
    pair = ("--model=cnn3", "--dataset=folder", "--data_dir=faces")
    message = train(*pair)
    assert "is more than the 10 training images" in message
    assert message.endswith("(--batch_size is set by the recipe default.)")
    message = train(*pair, "--smoke", "--limit=3")
    assert message.endswith("(--batch_size is set by --smoke.)")
    assert "is set by" not in train(*pair, "--batch_size=128")


def test_a_data_folder_of_another_layout(train: Train, tmp_path: Path) -> None:
    (tmp_path / "photos" / "summer").mkdir(parents=True)
    message = train("--model=awei", "--dataset=rafdb", "--data_dir=photos")
    for word in ("--data_dir=photos", "holds summer/", "Image/aligned", "licence on request"):
        assert word in message


def test_broken_images_are_named(
    train: Train, tmp_path: Path, make_rafdb: Callable[..., Path]
) -> None:
    tree = make_rafdb(tmp_path / "raf")
    folder = tree / "DATASET" / "train" / "3"
    flags = ("--model=base_cnn", "--dataset=rafdb", "--data_dir=raf", "--workdir=run")
    (folder / "notes.png").write_text("this is not an image")
    message = train(*flags)
    assert "raf/DATASET/train/3/notes.png" in message
    assert "not an image" in message
    whole = tmp_path / "whole.png"
    Image.effect_noise((100, 100), 60).convert("RGB").save(whole)
    (folder / "notes.png").write_bytes(whole.read_bytes()[:5000])
    message = train(*flags, "--batch_size=8")
    assert "raf/DATASET/train/3/notes.png" in message
    assert "truncated" in message


def test_permuted_labels_are_named(train: Train, tmp_path: Path) -> None:
    """A twentieth of train, whose folders 1 to 7 are numbered the other way round."""
    published = (1290, 281, 717, 4772, 1982, 705, 2524)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    for label, count in enumerate(reversed(published), start=1):
        folder = tmp_path / "raf" / "train" / str(label)
        folder.mkdir(parents=True)
        for k in range(count // 20):
            (folder / f"train_{k:04d}_aligned.jpg").hardlink_to(tmp_path / "a.jpg")
    message = train("--model=awei", "--dataset=rafdb", "--data_dir=raf")
    assert "look permuted over train" in message
    assert "surprise (126 images, published 64) counts like neutral (126)" in message


@pytest.mark.parametrize(
    ("emotion", "pixels", "words"),
    [("3", 2303, ["row 2", "2,303 values", "2,304"]), ("9", 2304, ["row 2", "'9'", "0 to 6"])],
)
def test_broken_csv_rows_are_named(
    emotion: str, pixels: int, words: list[str], train: Train, tmp_path: Path
) -> None:
    row = " ".join(map(str, np.arange(2304) % 256))
    bad = " ".join(["7"] * pixels)
    text = f"emotion,pixels,Usage\n0,{row},Training\n{emotion},{bad},Training\n"
    (tmp_path / "fer2013.csv").write_text(text)
    message = train("--model=cnn3", "--dataset=fer2013", "--data_dir=fer2013.csv")
    for word in ("fer2013.csv", *words):
        assert word in message


def test_workdir_with_other_contents(train: Train, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("Once")
    (tmp_path / "file").write_text("a file")
    before = snapshot(tmp_path)
    for extra in ((), ("--resume",)):
        message = train(*PAIR, "--workdir=thesis", *extra)
        assert "chapter1.tex" in message
        assert "Nothing was written" in message
    assert "--workdir=file is a file" in train(*PAIR, "--workdir=file")
    assert "--workdir=file/run" in train(*PAIR, "--workdir=file/run")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    assert "broken/config.json: not valid JSON" in train(*PAIR, "--workdir=broken")
    (tmp_path / "broken" / "config.json").unlink()
    (tmp_path / "broken").rmdir()
    assert snapshot(tmp_path) == before


def test_workdir_of_another_run(train: Train, tiny_run: Path) -> None:
    before = snapshot(tiny_run)
    flags = ("--image_size=48", f"--workdir={tiny_run}")
    assert "model: cnn3 → cnn4" in train("--model=cnn4", *PAIR[1:], *flags, "--resume")
    message = train(*PAIR, *flags, "--resume", "--learning_rate=0.5")
    assert "learning_rate: 0.002 → 0.5" in message
    assert "Nothing was written" in message
    assert "add --resume" in train(*PAIR, *flags)
    assert snapshot(tiny_run) == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["train", "--modell=awei"], "Did you mean: model"),
        (["evaluate", "extra"], "unexpected argument 'extra'"),
        (["predict", "a.png"], "a.png: no such file or folder"),
    ],
)
def test_processes_print_one_line(command: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"launch.{command[0]}", *command[1:]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_one_line((done.returncode, done.stdout, done.stderr), words)
    assert not list(tmp_path.iterdir())


def assert_one_line(answer: tuple[int, str, str], words: str) -> None:
    status, output, errors = answer
    assert status == 1
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert words in errors


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        (
            "evaluate",
            {
                (): "--workdir is missing",
                ("--workdir=nowhere",): "nowhere: no such folder",
            },
        ),
        (
            "predict",
            {
                ("--workdir=nowhere",): "no images given",
                ("--workdir=a", "--checkpoint=best", "a.png"): "--checkpoint 'best'",
            },
        ),
    ],
)
def test_entry_points_print_one_line(
    name: str,
    cases: dict[tuple[str, ...], str],
    tmp_path: Path,
    commands: Callable[..., list[tuple[int, str, str]]],
) -> None:
    for answer, words in zip(commands(name, *cases), cases.values(), strict=True):
        assert_one_line(answer, words)
    assert not list(tmp_path.iterdir())
