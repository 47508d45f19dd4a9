"""What reports and model cards publish names no folder of this machine."""

import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.report.private_paths import (
    public_command,
    public_config,
    public_text,
    without_places,
)

CONFIG = TrainConfig(pretrained="../ann/my run", teacher=(".", "/home/Jo Doe/t.pth"))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("--data_dir=/home/somebody/faces/csv", "--data_dir=csv"),
        (
            "--data_dir=fer2013:/data/a/csv,ferplus:b/labels/",
            "--data_dir=fer2013:csv,ferplus:labels",
        ),
        ("--weights=vgg16=/home/somebody/vgg.onnx", "--weights=vgg16=vgg.onnx"),
        ("~/faces", "faces"),
        ("--paper=yang", "--paper=yang"),
        ("--learning_rate=1e-3", "--learning_rate=1e-3"),
        ("--freeze=(stem|stage1)/.*", "--freeze=(stem|stage1)/.*"),
        ("--pretrained=https://host/a/b.pth", "--pretrained=https://host/a/b.pth"),
    ],
)
def test_what_is_published_shows_no_place_on_a_disk(given: str, shown: str) -> None:
    assert without_places([given]) == [shown]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("launch.train --data_dir /home/ann/faces --model=cnn3", "--data_dir faces --model=cnn3"),
        ("launch.train -data_dir=/home/ann/x", "-data_dir=x"),
        ("launch.train '--data_dir=/home/ann/My Faces/Jo Doe/rafdb'", "--data_dir=rafdb"),
        ("launch.train --teacher=/home/ann/a,/home/ann/b", "--teacher=a,b"),
        ("launch.train --freeze 'stem/.*' /home/ann/x", "--freeze 'stem/.*' x"),
        ("launch.train '--freeze=(a|b)/.*'", "'--freeze=(a|b)/.*'"),
    ],
)
def test_a_command_keeps_the_last_parts_of_its_paths(given: str, shown: str) -> None:
    assert public_command(f"python -m {given}") == f"python -m launch.train {shown}"


def test_what_is_no_command_is_not_published() -> None:
    assert public_command("not recorded") == "not recorded"
    assert public_command("'/home/ann") == "not recorded"


def test_a_config_keeps_the_last_parts_of_the_networks_that_it_names() -> None:
    paths = dict.fromkeys(("data_dir", "workdir", "cache_dir"), "/home/ann/x")
    networks = {"pretrained": "/home/ann/weights/r18", "teacher": ("runs/t", "fernet-ferplus")}
    values = public_config(TrainConfig(model="resnet18", dataset="folder", **paths, **networks))
    assert [values[name] for name in paths] == [None] * 3
    assert (values["pretrained"], values["teacher"]) == ("r18", ["t", "fernet-ferplus"])
    assert "/home" not in str(values)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("teacher .: fernet_s. No more", "teacher .: fernet_s. No more"),
        ("run ../ann/my run: cnn3 trained on folder", "run my run: cnn3 trained on folder"),
        ("before that: run /home/ann/a: cnn3, epoch 3", "before that: run a: cnn3, epoch 3"),
        ("torch weights from /home/ann/weights/r18.pth", "torch weights from r18.pth"),
        ("torch weights from /home/Jo Doe/t.pth", "torch weights from t.pth"),
        ("--pretrained=~/x/y was trained on 1/3", "--pretrained=y was trained on 1/3"),
        ("a failed save: file:/mnt/x/y (disk full)", "a failed save: file:y (disk full)"),
        ("license: https://host/a/b, A / B", "license: https://host/a/b, A / B"),
    ],
)
def test_a_text_keeps_the_last_parts_of_absolute_paths(text: str, shown: str) -> None:
    assert public_text(text, CONFIG) == shown
