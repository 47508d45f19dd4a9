"""Facts about the environment that reports publish."""

import pytest

from ferjax.report.environment import without_places


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
    ],
)
def test_what_is_published_shows_no_place_on_a_disk(given: str, shown: str) -> None:
    assert without_places([given]) == [shown]
