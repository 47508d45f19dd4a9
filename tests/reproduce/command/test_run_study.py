"""The study from its table to its report, on two small trainings of drawn faces."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.errors import UserError
from ferjax.reproduce.command import run_study as module
from ferjax.reproduce.command.run_study import run_study
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.studies.answers import split_answers
from ferjax.reproduce.studies.protocol_table import COMPARISONS, EXPERIMENTS, SMOKE_EXPERIMENTS


@pytest.fixture(scope="module")
def out(
    tmp_path_factory: pytest.TempPathFactory, without_figures: Callable[[], Any]
) -> tuple[Path, dict[str, Any]]:
    """Returns the folder and the report of a smoke run with FER+ alone."""
    place = tmp_path_factory.mktemp("study") / "out"
    with pytest.MonkeyPatch.context() as patch, without_figures():
        patch.setattr(module, "SMOKE_EXPERIMENTS", ("ferplus_honest", "ferplus_argmax_train"))
        report = run_study(smoke(place))
    return place, report


def smoke(place: Path, **given: Any) -> ReproduceConfig:
    return ReproduceConfig(study="protocols", smoke=True, progress=False, out=str(place), **given)


def test_what_can_be_compared_is(out: tuple[Path, dict[str, Any]]) -> None:
    place, report = out
    made = {price["name"] for price in report["prices"]}
    assert {f"ferplus_{name}" for name in ("flip", "ten_crop", "argmax_test")} <= made
    assert {f"ferplus_argmax_{name}" for name in ("train", "both")} <= made
    assert made.isdisjoint(report["not_compared"])
    assert len(made) + len(report["not_compared"]) == len(COMPARISONS)
    assert report["not_compared"]["fer2013_swapped"] == "--smoke leaves it out"
    written = json.loads((place / "report.json").read_text("utf-8"))
    assert written["prices"] == report["prices"]
    assert written["warnings"][0].startswith("Smoke run")
    assert written["warnings"][1].startswith("CK+ is drawn faces")
    page = (place / "report.html").read_text("utf-8")
    assert "data:image/png;base64," in page
    assert "judged by the highest of ten columns" in page


def test_prices_are_those_of_the_stored_predictions(out: tuple[Path, dict[str, Any]]) -> None:
    place, report = out
    prices = {price["name"]: price for price in report["prices"]}
    one, other = (
        json.loads((place / f"runs/ferplus_{name}/seed_0/report.json").read_text("utf-8"))
        for name in ("argmax_train", "honest")
    )
    accuracy = [run["results"]["test"]["selected"]["accuracy"] for run in (one, other)]
    found = prices["ferplus_argmax_train"]
    assert found["points"] == pytest.approx(100 * (accuracy[0] - accuracy[1]))
    assert found["honest"] == pytest.approx(accuracy[1])
    with np.load(place / "predictions" / "ferplus_honest-seed_0-answers.npz") as stored:
        right = stored["argmax_test/labels"] == stored["argmax_test/predicted"]
        majority = stored["argmax_test/only/majority"]
        assert stored["test/labels"].shape == stored["test+ten_crop/predicted"].shape
    # Every fifth drawn face has no majority.
    assert 0.6 < majority.mean() < 1
    judged = prices["ferplus_argmax_test"]
    assert judged["points"] == pytest.approx(100 * (right.mean() - right[majority].mean()))
    assert judged["images"] == [len(right), int(majority.sum())]


def test_it_goes_on_from_what_is_stored(
    out: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, report = out
    monkeypatch.setattr(module, "SMOKE_EXPERIMENTS", ("ferplus_honest", "ferplus_argmax_train"))
    stored = sorted(place.glob("predictions/*.npz"))
    times = [path.stat().st_mtime_ns for path in stored]
    again = run_study(smoke(place, report=True))
    assert again["prices"] == report["prices"]
    assert [path.stat().st_mtime_ns for path in stored] == times
    # Damaged answers are measured again.
    stored[0].with_name("ferplus_argmax_train-seed_0-answers.npz").write_bytes(b"none")
    assert run_study(smoke(place, report=True))["prices"] == report["prices"]


def test_verify_computes_the_page_again_and_names_what_was_changed(
    out: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    text = Path(out[1]["path"]).read_text("utf-8")
    differences, count = verify_report(Path(out[1]["path"]))
    assert differences == []
    assert count > 80
    other = tmp_path / "changed.html"
    cell = r'(data-cell="price.ferplus_argmax_train.points">)([^<]*)'
    other.write_text(re.sub(cell, r"\g<1>+9.99", text), "utf-8")
    found = verify_report(other)[0]
    assert len(found) == 1
    assert found[0].startswith("price.ferplus_argmax_train.points: the page says '+9.99'")
    # Answers of another run in place of the honest one's.
    block = re.search(r'(id="results">)(.*?)(</script>)', text, re.S)
    assert block
    stored = json.loads(block[2])
    honest, other_run = (
        next(row for row in stored["answers"]["answers"]
             if row["experiment"] == name and row["of"] == "test")
        for name in ("ferplus_honest", "ferplus_argmax_train")
    )  # fmt: skip
    honest["predicted"] = other_run["labels"]
    changed = json.dumps(stored).replace("<", "\\u003c")
    other.write_text(text[: block.start(2)] + changed + text[block.end(2) :], "utf-8")
    assert any(line.startswith("run.ferplus_honest.test") for line in verify_report(other)[0])
    honest["count"] += 1
    changed = json.dumps(stored).replace("<", "\\u003c")
    other.write_text(text[: block.start(2)] + changed + text[block.end(2) :], "utf-8")
    with pytest.raises(UserError, match=r"--verify=.*changed\.html: .*damaged"):
        verify_report(other)


def test_without_data_it_says_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FERJAX_DATA", raising=False)
    with pytest.raises(UserError, match=r"--study=protocols: the data set fer2013 is not at hand"):
        run_study(ReproduceConfig(study="protocols", progress=False))
    assert not [*tmp_path.iterdir()]


def test_a_run_without_a_selected_prediction_has_no_answers() -> None:
    empty = RunResult("a", 0, ("anger",), {}, {"selected": 3, "last": 4}, (), {})
    assert split_answers(empty) == {}


def test_smoke_trains_every_data_set() -> None:
    chosen = [one for one in EXPERIMENTS if one.name in SMOKE_EXPERIMENTS]
    assert len(chosen) == len(SMOKE_EXPERIMENTS)
    assert {one.settings["dataset"] for one in chosen} == {"fer2013", "ferplus", "ckplus"}
