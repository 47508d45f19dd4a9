"""A matrix of tiny runs on drawn data: its numbers, marks, pages; resumed; refused up front."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from ferjax.config.matrix_config import MatrixConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.tools.cross_data_sets import cells, run_matrix
from ferjax.tools.cross_data_sets.run_matrix import run_matrix as run

pytestmark = pytest.mark.usefixtures("no_figures")
CODES = {"AN": "anger", "FE": "fear", "HA": "happiness", "SU": "surprise"}


def faces(root: Path, **each: int) -> Path:
    """Writes class folders of drawn faces, so many of each emotion; other names look neutral."""
    for k, (name, count) in enumerate(each.items()):
        (root / name).mkdir(parents=True)
        emotion = EMOTIONS.index(name) if name in EMOTIONS else EMOTIONS.index("neutral")
        drawn = render_faces(np.full(count, emotion), 100 * k + np.arange(count), size=48)
        for i, face in enumerate(drawn):
            Image.fromarray(face).save(root / name / f"{i}.png")
    return root


def jaffe(root: Path) -> Path:
    root.mkdir()
    for p, person in enumerate(("KA", "KL", "KM")):
        for k, (code, name) in enumerate(CODES.items()):
            emotion = np.array([EMOTIONS.index(name)])
            face = render_faces(emotion, np.array([10 * p + k]), size=48)[0]
            Image.fromarray(face).save(root / f"{person}.{code}1.{k}.tiff")
    return root


@pytest.fixture
def two_runs(tiny_run: Path, tmp_path: Path) -> list[Path]:
    """Returns two copies of a run, whose folders have the same name."""
    return [Path(shutil.copytree(tiny_run, tmp_path / name / "run")) for name in ("a", "b")]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    return {
        "jaffe": jaffe(tmp_path / "jaffe"),
        "wild": faces(tmp_path / "wild", anger=5, contempt=3, happiness=4, bored=2),
    }


def config_of(runs: list[Path], data: dict[str, Path], out: Path, **given: Any) -> MatrixConfig:
    columns = (f"jaffe:{data['jaffe']}", f"folder:{data['wild']}")
    return MatrixConfig(tuple(map(str, runs)), data=columns, out=str(out), progress=False, **given)


def read(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_a_matrix(
    two_runs: list[Path],
    data: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "matrix"
    config = config_of(two_runs, data, out)
    assert run(config) == [str(out / "report.md")]
    report = read(out)
    assert [(c["network"], c["column"], c["relation"]) for c in report["cells"]] == [
        (network, column, "other data")
        for column in ("jaffe all", "wild all")
        for network in ("a/run", "b/run")
    ]
    for cell in report["cells"]:
        check_scores(cell, out)
    posed, wild = report["cells"][::2]
    assert (posed["count"], posed["largest_class"], posed["left_out"]) == (12, 0.25, {})
    assert set(posed["classes"]) >= set(CODES.values())
    assert set(posed["absent"]) == {"disgust", "sadness", "neutral"}
    assert (wild["count"], wild["classes"]) == (9, ["anger", "happiness"])
    assert wild["left_out"] == {"contempt": 3, "bored": 2}
    assert wild["largest_class"] == pytest.approx(5 / 9)
    assert wild["trained_on"] == "0 of the 9 images judged"
    means = report["mean_over_other_data"]["a/run"]
    assert means["data sets"] == 2
    assert means["accuracy"] == pytest.approx((posed["accuracy"] + wild["accuracy"]) / 2)
    check_pages(out)

    # Again: nothing is evaluated, and the numbers are the same.
    def refuse(*_: Any) -> None:
        raise AssertionError("a finished cell was evaluated again")

    with monkeypatch.context() as patch:
        patch.setattr(run_matrix, "evaluate_cell", refuse)
        run(config)
    assert read(out)["cells"] == report["cells"]
    assert "on wild all: accuracy" in capsys.readouterr().out
    # A cell that was stopped before its report, and one whose images have changed, are judged anew.
    (out / posed["directory"] / "report.json").unlink()
    Image.new("L", (48, 48)).save(data["wild"] / "anger" / "0.png")
    judged: list[str] = []
    evaluate = cells.evaluate_cell

    def counted(network: Any, column: Any, *others: Any) -> None:
        judged.append(f"{network.name} on {column.name}")
        evaluate(network, column, *others)

    monkeypatch.setattr(run_matrix, "evaluate_cell", counted)
    run(config)
    assert judged == ["a/run on jaffe all", "a/run on wild all", "b/run on wild all"]
    assert read(out)["cells"][0] == report["cells"][0]
    # So are cells with damaged files.
    judged.clear()
    (out / posed["directory"] / "report.json").write_text("{}")
    (out / report["cells"][1]["directory"] / "predictions_all.csv").unlink()
    run(config)
    assert judged == ["a/run on jaffe all", "b/run on jaffe all"]
    assert read(out)["cells"][:2] == report["cells"][:2]


def check_scores(cell: dict[str, Any], out: Path) -> None:
    """Compares a cell with scikit-learn's scores of the predictions that its evaluation wrote."""
    (file,) = (out / cell["directory"]).glob("predictions_*.csv")
    with open(file, newline="", encoding="utf-8") as rows:
        table = list(csv.DictReader(rows))
    true, predicted = ([row[key] for row in table] for key in ("label", "predicted"))
    assert len(table) == cell["count"]
    assert cell["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    recalls = [
        np.mean([p == t for t, p in zip(true, predicted, strict=True) if t == name])
        for name in set(true)
    ]
    assert cell["balanced_accuracy"] == pytest.approx(float(np.mean(recalls)))
    for score in ("accuracy", "balanced_accuracy"):
        low, high = cell[f"{score}_interval"]
        assert 0 <= low <= cell[score] <= high <= 1


def check_pages(out: Path) -> None:
    page = (out / "report.md").read_text(encoding="utf-8")
    assert page.startswith("# 2 networks on 2 data sets")
    assert "| network | jaffe all | wild all | mean over other data |" in page
    assert "contempt 3, bored 2" in page
    assert "](cells/" in page
    assert "matrix.png" in page
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64" in html
    with Image.open(out / "matrix.png") as picture:
        assert picture.width > 600


def test_everything_wrong_is_said_before_anything_is_computed(
    two_runs: list[Path],
    data: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr(run_matrix, "evaluate_cell", refuse)
    (two_runs[1] / "report.json").unlink()
    only = faces(tmp_path / "only", bored=2)
    columns = [f"jaffe:{data['wild']}", "fer2013:/nowhere:val", f"folder:{only}", "rafbd:x"]
    columns += [f"folder:{data['wild']}:test", f"folder:{data['wild']}:tset"]
    config = MatrixConfig(
        (str(two_runs[0]), str(two_runs[1]), str(tmp_path / "gone")),
        ("fernet-ferplu",),
        tuple(columns),
        str(tmp_path / "matrix"),
    )
    with pytest.raises(UserError) as caught:
        run(config)
    lines = str(caught.value).split("\n")
    words = [
        "is not finished: it has no report.json",
        "gone: no such folder",
        "Did you mean 'fernet-ferplus'",
        "no JAFFE found",
        "/nowhere does not exist",
        "Did you mean 'rafdb'",
        "no test there, only train. Name one of them, or all",
        "Did you mean 'test'",
        "(bored) shows a class of the network",
    ]
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line
    assert not (tmp_path / "matrix").exists()


def test_what_a_user_made_is_not_overwritten(
    two_runs: list[Path], data: dict[str, Path], tmp_path: Path
) -> None:
    for name, text in (("notes.txt", "mine"), ("report.json", '{"kind": "search"}')):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).write_text(text)
        with pytest.raises(UserError, match=r"is no folder of launch\.matrix. Nothing was written"):
            run(config_of(two_runs, data, out))
        assert (out / name).read_text() == text


def test_networks_and_data_are_named_once(
    two_runs: list[Path], data: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"is named twice\. Each network is one row"):
        run(config_of([two_runs[0], two_runs[0]], data, tmp_path / "m"))
    twice = (f"jaffe:{data['jaffe']}", f"jaffe:{data['jaffe']}:all")
    with pytest.raises(UserError, match=r"named twice\. Each split is one column"):
        run(MatrixConfig((str(two_runs[0]),), data=twice, out=str(tmp_path / "m")))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": ("jaffe",)}, "no networks given"),
        ({"workdir": ("a",)}, "--data is missing"),
        ({"workdir": ("a", ""), "data": ("jaffe",)}, "--workdir: a name between the commas"),
        (
            {"weights": ("fernet-ferplus",), "data": ("jaffe",), "checkpoint": "last"},
            "--checkpoint=last is about runs",
        ),
    ],
)
def test_bad_flags(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        MatrixConfig(**given)


def test_a_runs_own_folds_are_judged_on_its_own_test(
    tmp_path: Path, tiny_config: Callable[..., Any], without_figures: Callable[[], Any]
) -> None:
    """A split that the run cut itself is other images than the column's: a warning says so."""
    from ferjax.experiment import run_train

    tree = faces(tmp_path / "own", anger=20, fear=20, happiness=20)
    with without_figures():
        run_train(
            tiny_config(
                tmp_path / "run", dataset="folder", data_dir=str(tree), folds=3, fold=1, epochs=1
            )
        )
    out = tmp_path / "matrix"
    run(
        MatrixConfig(
            (str(tmp_path / "run"),), data=(f"folder:{tree}",), out=str(out), progress=False
        )
    )
    (cell,) = read(out)["cells"]
    assert cell["relation"] == "within the data set"
    warnings = " ".join(cell["warnings"])
    assert "the run was trained on" in warnings
    assert "val of these faces selected the epoch" in warnings
    assert cell["count"] == 60
