"""A run and shipped weights exported, and all that can be done with the files."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.export import check_export
from ferjax.export import run_export as module
from ferjax.export.exported_file import ExportedFile, Format
from ferjax.export.exported_network import exported_from_weights, probabilities_function
from ferjax.export.formats import FORMATS
from ferjax.export.put_in_place import put_in_place
from ferjax.export.run_export import run_export
from ferjax.predict import load_predictor
from ferjax.report.calibration import negative_log_likelihood

FACES = render_faces(np.arange(21) % 7, np.arange(21) + 900, size=48)


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of an exported run."""
    folder = tmp_path_factory.mktemp("exported")
    run_export(
        ExportConfig(
            str(tiny_run),
            str(folder),
            name="mine",
            format=("stablehlo", "safetensors"),
            progress=False,
        )
    )
    return folder


@pytest.fixture(scope="module")
def card(exported: Path) -> dict[str, Any]:
    return json.loads((exported / "mine.json").read_text())


def test_probabilities_are_those_of_the_run_at_the_temperature(
    exported: Path, card: dict[str, Any], tiny_run: Path
) -> None:
    own, calibrated = load_predictor(tiny_run)(FACES), load_predictor(exported)(FACES)
    scaled = own.astype(np.float64) ** (1 / card["temperature"])
    # Kernels are stored with 11 bits.
    np.testing.assert_allclose(calibrated, scaled / scaled.sum(-1, keepdims=True), atol=2e-3)
    np.testing.assert_array_equal(load_predictor(exported / "mine.safetensors")(FACES), calibrated)


def test_the_card_says_what_the_written_file_scores(exported: Path, card: dict[str, Any]) -> None:
    report = run_evaluate(
        EvalConfig(weights=str(exported), split="val", progress=False, out=str(exported / "e"))
    )
    judged = report["results"]["val"]["selected"]
    assert card["scores"]["confusion"] == judged["confusion"]
    assert card["scores"]["accuracy"] == judged["accuracy"]
    low, high = card["scores"]["accuracy_interval"]
    assert low <= judged["accuracy"] <= high
    assert "learned from train of synthetic" in report["protocol"]["images trained on"]
    assert not report["warnings"]
    # No place of the machine that trained it.
    assert all(card["config"][name] is None for name in ("data_dir", "workdir", "cache_dir"))


def test_the_card_states_the_calibration_of_each_emotion(
    exported: Path, card: dict[str, Any]
) -> None:
    """Of probabilities whose temperature was fitted on the other half of val."""
    rows = card["scores"]["calibration"]["by_class"]
    assert [row["class"] for row in rows] == card["classes"]
    assert sum(row["predicted"] for row in rows) == card["scores"]["count"]
    errors = [row["top_label_error"] or 0 for row in rows]
    assert card["scores"]["calibration"]["expected_calibration_error"] <= max(errors)
    page = (exported / "mine.md").read_text()
    assert "| in its set | classwise calibration error | of its answers | answers |" in page
    for row in rows:
        shown = "–" if row["top_label_error"] is None else f"{row['top_label_error']:.4f}"
        cells = f"{row['classwise_error']:.4f} | {shown} | {row['predicted']}"
        assert re.search(rf"^\| {row['class']} \|.*\| {re.escape(cells)} \|", page, re.M)
    assert "(Kull et al., 2019)" in page
    # What every card says: data, votes where there are any, errors, limits.
    for words in ("trained on", "| emotion | recall | precision |", "must not be used for"):
        assert words in page
    assert any("expression" in line and "emotion" in line for line in card["limits"])


def test_the_temperature_makes_val_likelier(exported: Path, tiny_run: Path) -> None:
    """No image of val was trained on, so a network that is too sure gets less sure."""
    bundle = ferjax.load_dataset("synthetic", image_size=48)
    val = bundle.splits["val"]
    rows = np.arange(64)
    found = {
        source: negative_log_likelihood(load_predictor(source)(val.read(rows)), val.labels[rows])
        for source in (tiny_run, exported)
    }
    assert found[exported] < found[tiny_run]


def test_prediction_sets_are_asked_for_by_coverage(exported: Path, tiny_run: Path) -> None:
    predict = load_predictor(exported)
    probabilities, sets = predict(FACES, sets=0.7)
    assert sets.shape == probabilities.shape
    assert sets[np.arange(21), probabilities.argmax(-1)].all()
    wider = predict(FACES, sets=0.8)[1]
    assert (wider | sets == wider).all()
    with pytest.raises(UserError, match="between 0 and 1"):
        predict(FACES, sets=90)
    with pytest.raises(UserError, match=r"holds no calibration.*launch\.export"):
        load_predictor(tiny_run)(FACES, sets=0.9)


def test_speeds_come_from_a_benchmark(tiny_run: Path, tmp_path: Path) -> None:
    row = {
        "name": str(tiny_run),
        "preprocessing": "",
        "faces_per_core_second": 1234.5,
        "milliseconds": 1,
    }
    bench = tmp_path / "bench.json"
    bench.write_text(json.dumps({"environment": {"git commit": "abc"}, "recognisers": [row]}))
    given: dict[str, Any] = {"workdir": str(tiny_run), "progress": False}
    run_export(ExportConfig(out=str(tmp_path / "a"), name="mine", bench=str(bench), **given))
    assert "| this network |  | 1,234 | 1.00 |" in (tmp_path / "a" / "mine.md").read_text()
    bench.write_text("{}")
    with pytest.raises(UserError, match=r"--bench=.* a value is missing.*suite=recognisers wrote"):
        run_export(ExportConfig(out=str(tmp_path / "b"), bench=str(bench), **given))
    assert not (tmp_path / "b").exists()


def test_other_data_are_judged_by_the_names_of_emotions(exported: Path, tmp_path: Path) -> None:
    """CK+48's classes come in another order, with contempt and without neutral."""
    emotions = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    for k in range(10):  # its folds are of ten people
        emotion = emotions[k % 7]
        folder = tmp_path / "CK+48" / emotion
        folder.mkdir(parents=True, exist_ok=True)
        face = render_faces(
            np.array([EMOTIONS.index({"happy": "happiness"}.get(emotion, emotion))]),
            np.array([k]),
            size=48,
        )
        for frame in (8, 9, 10):
            Image.fromarray(face[0]).save(folder / f"S{k:03d}_001_{frame:08d}.png")
    report = run_evaluate(
        EvalConfig(
            weights=str(exported),
            dataset="ckplus",
            data_dir=str(tmp_path),
            progress=False,
            out=str(tmp_path / "report"),
        )
    )
    assert report["protocol"]["classes"] == list(EMOTIONS[:6])
    assert any("left out, of classes that the network lacks" in note for note in report["notes"])
    assert report["results"]["all"]["selected"]["count"] == 24


def test_every_file_is_checked_and_stands_on_the_card(exported: Path, card: dict[str, Any]) -> None:
    assert {path.name for path in exported.iterdir() if path.is_file()} == {
        "mine.html",
        "mine.json",
        "mine.md",
        "mine.safetensors",
        "mine.stablehlo",
        "use_stablehlo.py",
    }
    own, program = card["exports"]["rows"]
    # A smoke run's val has fewer than 1,000 images: all of them.
    assert "faces of val of synthetic" in card["exports"]["faces"]
    assert (own["file"], program["file"]) == ("mine.safetensors", "mine.stablehlo")
    assert program["largest_difference"] < 1e-5
    assert program["agreement"] == 1
    assert own["accuracy"] == program["accuracy"] is not None
    assert program["bytes"] == (exported / "mine.stablehlo").stat().st_size
    assert min(*own["milliseconds"].values(), *program["milliseconds"].values()) > 0
    page = (exported / "mine.md").read_text()
    assert "| mine.stablehlo (jax" in page
    assert "| same emotion | accuracy | macro F1 |" in page
    assert "written by jax" in page
    assert "up to six months newer and three weeks older" in page


def test_weights_that_come_with_ferjax_are_exported_alike(tmp_path: Path) -> None:
    """The same numbers and scores; the table of an earlier export is not taken over."""
    shipped = Path(ferjax.__file__).parent / "weights"
    config = {"weights": "fernet-ferplus", "progress": False}
    path = run_export(ExportConfig(out=str(tmp_path / "a"), **config))
    stored, copied = (load_file(f / "fernet-ferplus.safetensors") for f in (shipped, path.parent))
    assert stored.keys() == copied.keys()
    for name, array in stored.items():
        assert copied[name].dtype == array.dtype
        np.testing.assert_array_equal(copied[name], array)
    ours, theirs = (json.loads((f / path.name).read_text()) for f in (path.parent, shipped))
    # The card inside the file makes it another one.
    of_file = {name: ours[name] for name in ("bytes", "sha256")}
    assert ours == {**theirs, **of_file, "name": "fernet-ferplus"}
    again = {**config, "weights": str(path.parent)}
    second = run_export(ExportConfig(out=str(tmp_path / "b"), **again))
    for suffix in (".safetensors", ".json"):
        assert second.with_suffix(suffix).read_bytes() == path.with_suffix(suffix).read_bytes()
    other = run_export(ExportConfig(out=str(tmp_path / "a"), **again, name="other"))
    assert other.name == "other.json"


def test_its_function_is_the_predictor(exported: Path) -> None:
    network = exported_from_weights(exported)
    faces = np.asarray(FACES)
    assert network.input_shape == (48, 48, 3)
    found = probabilities_function(network)(faces)
    np.testing.assert_allclose(found, load_predictor(exported)(faces), atol=1e-6)


def test_a_failed_check_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(network: Any, folder: Path, options: Any) -> list[ExportedFile]:
        (folder / "net.txt").write_text("a network")
        return [ExportedFile(folder / "net.txt", "float32", "use_stablehlo.py")]

    def wrong(script: Path, file: Path, faces: Path, **__: Any) -> dict[str, Any]:
        found = predict.probabilities(np.load(faces)).astype(np.float64)
        found[0, 0] += 1.5e-5
        columns = dict(zip(predict.classes, found.T.tolist(), strict=True))
        return {"probabilities": columns, "milliseconds": None}

    predict = load_predictor("fernet-ferplus")
    monkeypatch.setitem(module.FORMATS, "stablehlo", Format(write, ("net.txt",)))
    monkeypatch.setattr(check_export, "run_usage", wrong)
    monkeypatch.setattr(check_export, "_milliseconds", lambda *_: 1.0)
    config = ExportConfig(
        weights="fernet-ferplus", format=("stablehlo",), out=str(tmp_path / "out"), progress=False
    )
    with pytest.raises(
        UserError, match=r"net\.txt is not exported: its probabilities differ.*1e-05"
    ):
        run_export(config)
    assert not list(tmp_path.iterdir())


def test_each_format_has_a_card_and_its_pages_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The formats' own writers, some of which need converters, are replaced."""

    def write(network: Any, folder: Path, options: Any) -> list[ExportedFile]:
        (folder / "net.txt").write_text("a network")
        return []

    for key in [*FORMATS]:
        monkeypatch.setitem(module.FORMATS, key, Format(write, ("net.txt",)))
        given: dict[str, Any] = {"weights": "fernet-ferplus", "name": "mine", "progress": False}
        run_export(ExportConfig(**given, format=(key,), out=str(tmp_path / key)))
        names = {path.name for path in (tmp_path / key).iterdir()}
        assert names == {"net.txt", "mine.json", "mine.md", "mine.html"}, key


def test_what_is_exported_names_no_folder_of_this_machine(exported: Path, tiny_run: Path) -> None:
    """Card, pages, header of the weights, and program; they were made in these folders."""
    own = json.loads((tiny_run / "config.json").read_text())
    assert own["workdir"] == str(tiny_run)
    checked = 0
    for path in exported.glob("mine.*"):
        content = path.read_bytes()
        for folder in (tiny_run, tiny_run.parent, exported, Path(ferjax.__file__).parent.parent):
            assert str(folder).encode() not in content, (path.name, folder)
        checked += 1
    assert checked == 5


def test_everything_is_staged_inside_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a link to another disk; and what a killed command left there is swept."""

    def write(network: Any, folder: Path, options: Any) -> list[ExportedFile]:
        assert folder.parent.parent == disk
        assert [path.name for path in disk.iterdir()] == [folder.parent.name]
        (folder / "net.txt").write_text("a network")
        return []

    disk = tmp_path.resolve() / "disk"
    (disk / ".mine.999999999.tmp" / "files").mkdir(parents=True)
    (tmp_path / "out").symlink_to(disk)
    monkeypatch.setitem(module.FORMATS, "stablehlo", Format(write, ("net.txt",)))
    given: dict[str, Any] = {"weights": "fernet-ferplus", "progress": False}
    given |= {"name": "mine", "out": str(tmp_path / "out"), "format": ("stablehlo",)}
    run_export(ExportConfig(**given))
    assert (disk / "net.txt").read_text() == "a network"
    assert not list(disk.glob(".*"))
    assert {path.name for path in tmp_path.iterdir()} == {"disk", "out"}


def test_what_a_killed_command_left_goes_before_a_refusal_too(tmp_path: Path) -> None:
    (tmp_path / ".net.999999999-0a0a0a0a.tmp" / "reference").mkdir(parents=True)
    (tmp_path / "net.json").write_text("{}")
    config = ExportConfig(weights="fernet-ferplus", name="net", out=str(tmp_path))
    with pytest.raises(UserError, match=r"net\.json exists already"):
        run_export(config)
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


def test_existing_files_are_refused_before_packages_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install() -> None:
        raise AssertionError("installed")

    (tmp_path / "net.txt").touch()
    form = Format(lambda *_: [], ("net.txt",), require=install)
    monkeypatch.setitem(module.FORMATS, "stablehlo", form)
    with pytest.raises(UserError, match=r"net\.txt exists already"):
        run_export(ExportConfig(weights="no", format=("stablehlo",), out=str(tmp_path)))


def test_a_file_that_another_command_wrote_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(network: Any, folder: Path, options: Any) -> list[ExportedFile]:
        (folder / "net.txt").write_text("a network")
        (tmp_path / "net.txt").write_text("of another command")
        return []

    monkeypatch.setitem(module.FORMATS, "stablehlo", Format(write, ("net.txt",)))
    given: dict[str, Any] = {"format": ("stablehlo",), "out": str(tmp_path), "progress": False}
    with pytest.raises(UserError, match=r"net\.txt exists already"):
        run_export(ExportConfig(weights="fernet-ferplus", **given))
    assert [path.name for path in tmp_path.iterdir()] == ["net.txt"]
    assert (tmp_path / "net.txt").read_text() == "of another command"


def test_two_exports_of_one_name_leave_one_that_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins while the first moves its files, and takes it for no killed command."""

    def write(network: Any, folder: Path, options: Any) -> list[ExportedFile]:
        (folder / "net.txt").write_text("a network")
        return []

    def second() -> None:
        with pytest.raises(UserError, match=r"net\.txt exists already"):
            run_export(ExportConfig(weights="fernet-ferplus", **given))
        ended.append("second")

    def move(*arguments: Any) -> None:
        thread.start()
        thread.join(0.5)
        put_in_place(*arguments)
        ended.append("first")

    monkeypatch.setitem(module.FORMATS, "stablehlo", Format(write, ("net.txt",)))
    monkeypatch.setattr(module, "put_in_place", move)
    given: dict[str, Any] = {"format": ("stablehlo",), "out": str(tmp_path), "progress": False}
    thread, ended = threading.Thread(target=second), list[str]()
    card = run_export(ExportConfig(weights="fernet-ferplus", **given))
    thread.join()
    assert ended == ["first", "second"]
    names = {"net.txt", *(card.with_suffix(suffix).name for suffix in (".json", ".md", ".html"))}
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "--workdir is missing: .* or --weights"),
        ({"workdir": "a", "weights": "b"}, "two networks"),
        ({"weights": "a", "checkpoint": "last"}, "--checkpoint is about a run"),
        ({"weights": "a", "bench": "b"}, "--bench is about a run"),
        ({"weights": "a", "format": ("onnxx",)}, "onnxx"),
        ({"weights": "a", "format": ()}, "--format"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ExportConfig(out="x", **fields)


def test_no_such_weights_or_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no weights file"):
        run_export(ExportConfig(weights=str(tmp_path), out=str(tmp_path / "a"), progress=False))
    given = {"weights": "fernet-ferplus", "data_dir": str(tmp_path / "no"), "progress": False}
    with pytest.raises(UserError, match="no"):
        run_export(ExportConfig(out=str(tmp_path / "a"), **given))
    assert not (tmp_path / "a").exists()


def test_nothing_is_overwritten(exported: Path, tiny_run: Path) -> None:
    """Each refused command leaves every file as it was, and none beside them."""

    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in exported.glob("*") if path.is_file()}

    before = contents()
    with pytest.raises(UserError, match=r"mine\.safetensors exists already"):
        run_export(ExportConfig(str(tiny_run), str(exported), name="mine"))
    assert contents() == before
    (exported / "page.html").write_text("mine")
    before = contents()
    with pytest.raises(UserError, match=r"page\.html exists already"):
        run_export(ExportConfig(str(tiny_run), str(exported), name="page"))
    with pytest.raises(UserError, match=r"--out=.*page\.html is a file. Name a folder"):
        run_export(ExportConfig(str(tiny_run), str(exported / "page.html"), name="b"))
    assert contents() == before
    script = exported / "use_stablehlo.py"
    script.write_text(script.read_text() + "# mine")
    before = contents()
    with pytest.raises(UserError, match=r"use_stablehlo\.py exists already and is another file"):
        run_export(ExportConfig(str(tiny_run), str(exported), name="b", format=("stablehlo",)))
    assert contents() == before


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_page_for_people(exported: Path, suffix: str) -> None:
    page = (exported / f"mine{suffix}").read_text()
    for words in ("expected calibration error", "must not be used for", "anger", "Article 5(1)(f)"):
        assert words in page


@pytest.mark.usefixtures("no_figures")
def test_a_run_starts_from_it_and_is_taught_by_it(
    exported: Path, tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    """Transfer and distillation take a weights file as they take a run."""
    given = {"model": "cnn3", "image_size": 48, "epochs": 1}
    started = run_train(tiny_config(tmp_path / "a", pretrained=str(exported), **given))
    assert any("outputs kept, by name: anger" in x for x in started["protocol"]["weights' origin"])
    taught = run_train(tiny_config(tmp_path / "b", teacher=(str(exported),), **given))
    assert taught["protocol"]["course"][0].startswith(f"teacher {exported}: cnn3")
    with pytest.raises(UserError, match=r"--teacher=.*its classes are anger.*this run learns.*con"):
        run_train(tiny_config(tmp_path / "c", teacher=(str(exported),), num_classes=8, **given))


def test_a_form_that_a_network_lacks_is_refused_before_its_packages_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        FORMATS, "torchvision", replace(FORMATS["torchvision"], require=lambda: 1 / 0)
    )
    with pytest.raises(UserError, match=r"--format=torchvision: fernet_s.*Use --format=pytorch"):
        run_export(ExportConfig("", str(tmp_path), ("torchvision",), "fernet-ferplus"))


def test_what_needs_val_is_said_not_to_be_written_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object) -> list[ExportedFile]:
        raise UserError("stopped")

    form = replace(FORMATS["onnx"], write=write, require=lambda: None)
    monkeypatch.setitem(FORMATS, "onnx", form)
    with pytest.raises(UserError, match="stopped"):
        run_export(ExportConfig("", str(tmp_path), ("onnx",), "fernet-ferplus", data_dir=None))
    said = capsys.readouterr().out
    assert "writing fernet-ferplus.onnx\nfernet-ferplus-int8.onnx is not written: it is cal" in said


def test_two_networks_at_once_are_refused(tiny_run: Path) -> None:
    with pytest.raises(UserError, match=r"--workdir=.* and --weights=mine: two networks"):
        run_evaluate(EvalConfig(workdir=str(tiny_run), weights="mine"))
