"""The plan of every paper: settings that resolve, proxies, flags, stored results, drawn data."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.reproduce_config import PAPERS, ReproduceConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running import plan
from ferjax.reproduce.running.at_hand import AtHand, find_at_hand, lack_of
from ferjax.reproduce.running.chosen_experiments import left_out_of_smoke
from ferjax.reproduce.running.plan import PlannedRun, plan_others, plan_runs
from ferjax.reproduce.running.smoke_data import smoke_data
from ferjax.reproduce.running.stored_results import read_result, write_result
from ferjax.reproduce.stand_ins import with_stand_ins

SETS = ("ckplus", "fer2013", "ferplus", "rafdb", "sfew")
NOTHING = AtHand({}, {}, {})


@pytest.fixture(autouse=True)
def complete_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "has_test", lambda dataset, place: True)


def planned(paper: Paper, at_hand: AtHand = NOTHING, **given: Any) -> dict[str, PlannedRun]:
    config = ReproduceConfig(paper=paper.name, **given)
    return {run.name: run for run in plan_runs(config, paper, at_hand, Path("out"))}


@pytest.mark.parametrize("name", PAPERS)
def test_every_experiment_of_every_paper_can_be_planned(name: str) -> None:
    paper = find_paper(name)
    runs = planned(paper, seeds=2)
    for one in paper.experiments:
        assert f"{one.name}-seed_0" in runs
        assert (f"{one.name}-seed_1" in runs) == bool(one.recipe and not one.one_seed)
    for run in runs.values():
        assert run.folder == Path("out/runs") / run.experiment.name / f"seed_{run.seed}"
        assert run.config.seed == run.seed
        # What others start from is judged by itself in no claim.
        assert run.other_data == "" or run.departs or run.experiment.role == "baseline"
        if run.experiment.after:
            assert isinstance(run.config, TrainConfig)
            # Of what is trained once every seed starts from the same run, which is planned.
            assert str(run.config.pretrained) in {str(other.folder) for other in runs.values()}
    original, _ = with_stand_ins(paper, lambda _: None)
    small = planned(original, smoke=True)
    left_out = left_out_of_smoke(original)
    for run in small.values():
        assert run.config.limit in (16, 28)
        assert run.epochs <= 2
    kept = [one for one in original.experiments if one.name not in left_out]
    if name == "liu":
        assert "guided" in {one.name for one in kept}
    # One experiment is run by the honest protocol.
    honest = [one.name for one in kept if one.role == "honest"]
    assert honest == {
        "kumari": ["ckplus_honest"],
        "iut": ["custom_cnn_honest"],
        "farahani": ["resnet18_honest"],
        "liu": ["guided_honest"],
    }.get(name, [])
    assert {one.role for one in kept} >= {"paper"}
    assert {one.after for one in kept} <= {None, *(one.name for one in kept)}


def test_flags_make_proxies() -> None:
    paper = find_paper("liu")
    at_hand = AtHand({"fer2013": "faces.csv"}, {"rafdb": "fer2013"}, {"vgg16": "vgg16.onnx"})
    runs = planned(paper, at_hand, image_size=96, epochs=2, limit=500)
    guided = runs["guided-seed_1"]
    assert isinstance(guided.config, TrainConfig)
    assert (guided.config.image_size, guided.config.epochs, guided.config.limit) == (96, 2, 500)
    assert (guided.config.dataset, guided.config.data_dir) == ("fer2013", "faces.csv")
    assert guided.config.pretrained == "vgg16.onnx"
    # P5's protocol is one of RAF-DB alone.
    assert guided.config.protocol == "select_on_test"
    assert guided.other_data == "fer2013 instead of rafdb"
    assert guided.departs == (
        "fer2013 instead of rafdb",
        "96 px instead of 224",
        "2 epochs instead of 20",
        "at most 500 images of each split",
    )
    phases = planned(find_paper("iut"), epochs=3)["transfer-seed_0"].config
    assert isinstance(phases, TrainConfig)
    assert phases.epochs == (3, 3)
    lpq = planned(find_paper("farahani"))["lpq-seed_0"]
    assert isinstance(lpq.config, BaselineConfig)


def test_one_data_set_of_a_paper_in_place_of_another_is_other_data() -> None:
    at_hand = AtHand({}, {"ckplus": "fer2013"}, {})
    run = planned(find_paper("kumari"), at_hand, only=("ckplus_random",))["ckplus_random-seed_0"]
    assert run.config.dataset == "fer2013"
    assert run.other_data == "fer2013 instead of ckplus"
    assert run.departs[0] == "fer2013 instead of ckplus"


def test_only_takes_along_what_it_starts_from_and_leaves_the_others_to_the_report() -> None:
    paper = find_paper("farahani")
    config = ReproduceConfig(paper="farahani", only=("resnet18_faces",))
    assert {run.experiment.name for run in plan_runs(config, paper, NOTHING, Path("out"))} == {
        "pretraining",
        "resnet18_faces",
    }
    others = {run.experiment.name for run in plan_others(config, paper, NOTHING, Path("out"))}
    assert others == {one.name for one in paper.experiments} - {"pretraining", "resnet18_faces"}


def test_texts_of_departures_say_what_the_settings_do() -> None:
    for name in PAPERS:
        for one in find_paper(name).experiments:
            limit, text = one.settings.get("limit"), "; ".join(one.departs)
            if limit and one.recipe:
                assert f"{limit:,}" in text, one.name
            epochs = re.findall(r"(?<!and )\b(\d+) epochs(?! instead)", text)
            assert not epochs or epochs == [str(one.settings["epochs"])], one.name


def test_what_lacks_and_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FERJAX_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    paper = find_paper("liu")
    named = {one.name: one for one in paper.experiments}
    (tmp_path / "faces").mkdir()
    config = ReproduceConfig(paper="liu", data_dir=("fer2013:faces",), offline=True)
    at_hand = find_at_hand(config, paper, tmp_path / "out")
    assert at_hand.places == {"fer2013": "faces"}
    lack = lack_of(config, at_hand)
    missing = lack(named["plain"])
    assert missing is not None
    assert "rafdb is not at hand" in missing
    assert "--data_dir=rafdb:PATH" in missing
    assert lack(named["plain_faces"]) is None
    smoke = ReproduceConfig(paper="liu", smoke=True)
    assert lack_of(smoke, at_hand)(named["plain"]) is None


@pytest.mark.parametrize("dataset", SETS)
def test_drawn_data_have_the_real_layouts(dataset: str, tmp_path: Path) -> None:
    place = smoke_data(dataset, tmp_path)
    bundle = load_dataset(dataset, place, image_size=32)
    assert set(bundle.splits) == {"train", "val", "test"}
    assert len(np.unique(bundle.splits["train"].labels)) == 7
    before = sorted(path.stat().st_mtime_ns for path in place.rglob("*"))
    assert smoke_data(dataset, tmp_path) == place
    assert sorted(path.stat().st_mtime_ns for path in place.rglob("*")) == before


def test_stored_results(make_result: Callable[..., RunResult], tmp_path: Path) -> None:
    result = make_result("one", 2)
    path = write_result(tmp_path / "one.npz", result)
    found = read_result(path)
    assert (found.experiment, found.seed, found.classes) == ("one", 2, result.classes)
    assert (found.epochs, found.curves, found.splits) == (
        result.epochs, result.curves, result.splits)  # fmt: skip
    for key, part in result.predictions.items():
        np.testing.assert_array_equal(found.predictions[key].probabilities, part.probabilities)
        np.testing.assert_array_equal(found.predictions[key].labels, part.labels)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="is damaged"):
        read_result(path)
