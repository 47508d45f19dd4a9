"""Images without labels: told apart from other refused data, and sent to `launch.predict`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.config.tool_configs import EvalConfig
from ferjax.errors import UserError
from ferjax.evaluation.unlabelled_data import why_without_labels
from ferjax.experiment import run_evaluate

PIXELS = " ".join(["128"] * 2304)
NO_FOLDER = "no folder is named by an emotion, and no list says the labels"


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        Image.fromarray(np.full((48, 48), 99, np.uint8)).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    ("dataset", "images", "files", "data_dir", "why"),
    [
        ("folder", ["."], {}, ".", NO_FOLDER),
        ("folder", ["test"], {}, ".", NO_FOLDER),
        ("sfew", ["Test/Test_Aligned_Faces"], {}, ".", NO_FOLDER),
        ("rafdb", ["test"], {}, ".", NO_FOLDER),
        ("ferplus", ["FER2013Test"], {}, ".", NO_FOLDER),
        ("fer2013", [], {"test.csv": f"pixels\n{PIXELS}\n"}, ".", NO_FOLDER),
        (
            "fer2013",
            [],
            {"faces.csv": f"pixels,Usage\n{PIXELS},PrivateTest\n"},
            "faces.csv",
            "its columns are pixels, usage, and none says the emotion",
        ),
        ("folder", ["."], {"a.csv": "path,label\n0.png,\n"}, "a.csv", "its column label is empty"),
        ("folder", ["."], {"a.jsonl": '{"path": "0.png"}\n'}, "a.jsonl", "no line says an emotion"),
    ],
)
def test_images_without_labels_are_sent_to_predict(
    dataset: str,
    images: list[str],
    files: dict[str, str],
    data_dir: str,
    why: str,
    tmp_path: Path,
    tiny_run: Path,
) -> None:
    for folder in images:
        pictures(tmp_path / folder)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    place = tmp_path / data_dir
    config = EvalConfig(str(tiny_run), dataset, str(place), progress=False)
    with pytest.raises(UserError) as raised:
        run_evaluate(config)
    assert str(raised.value) == (
        f"{place}: {why}, so nothing can be judged there; name the emotions of its faces instead:"
        f" python -m launch.predict --workdir={tiny_run} {place}"
    )
    assert not (tiny_run / "evaluations").exists()


@pytest.mark.parametrize(
    "write",
    [
        lambda top: pictures(top / "happy"),
        lambda top: pictures(top / "3"),
        lambda top: pictures(top / "S005" / "001"),
        lambda top: (top / "a.csv").write_text("path,label\n0.png,happy\n"),
        lambda top: (top / "list.txt").write_text("0.png 3\n"),
        lambda top: (top / "notes.csv").write_text("mouse,cheese\n1,2\n"),
        lambda top: (top / "a.csv").write_bytes(b"\xff\xfe\x00"),
        lambda top: None,
    ],
)
def test_nothing_is_said_of_what_may_have_labels(
    write: Callable[[Path], object], tmp_path: Path
) -> None:
    write(tmp_path)
    assert why_without_labels(tmp_path) == ""
    assert why_without_labels(tmp_path / "nowhere") == ""
    for file in tmp_path.glob("*.csv"):
        assert why_without_labels(file) == ""
