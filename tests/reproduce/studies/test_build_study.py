"""The study's report of made-up answers: seeds are counted, and a page's answers fit its runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.errors import UserError
from ferjax.reproduce.reporting import page
from ferjax.reproduce.reporting.embedded_results import results_to_json
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.studies.answers import Answers, split_answers
from ferjax.reproduce.studies.build_study import build_study
from ferjax.reproduce.studies.embedded_answers import answers_to_json
from ferjax.reproduce.studies.study_report import study_page_again, write_study_report

FACTS = {
    "settings": {"smoke": False, "written": "", "commands": [], "environment": {}},
    "notes": [],
    "missing": {},
}
Answered = dict[str, dict[int, dict[str, Answers]]]


def made(make_result: Callable[..., RunResult], seeds: int) -> tuple[Answered, dict[str, Any]]:
    names = {"fer2013_honest": 0.5, "fer2013_merged": 0.6}
    results = {name: [make_result(name, seed, level, images=70) for seed in range(seeds)]
               for name, level in names.items()}  # fmt: skip
    answers = {name: {run.seed: split_answers(run) for run in group}
               for name, group in results.items()}  # fmt: skip
    return answers, results


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_price_of_one_seed_says_so(make_result: Callable[..., RunResult], seeds: int) -> None:
    report, (price,) = build_study(*made(make_result, seeds), FACTS)
    assert len(price.by_seed) == seeds
    texts = report["prices"][0]["texts"]
    assert texts["images"] == ("70; 1 seed" if seeds == 1 else "70; 2 seeds")
    warned = [text for text in report["summary"]["sentences"] if "have one seed" in text]
    assert bool(warned) == (seeds == 1)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        (1, "No comparison has several seeds here, so that the latter is missing."),
        (2, "The latter is the wider, the fewer the seeds: here there are 2."),
        (4, "The latter is the wider, the fewer the seeds: here there are 4."),
    ],
)
def test_the_number_of_seeds_is_that_of_the_runs(
    make_result: Callable[..., RunResult], seeds: int, text: str
) -> None:
    report, _ = build_study(*made(make_result, seeds), FACTS)
    assert text in report["intervals"]
    assert "three" not in report["intervals"]


@pytest.fixture
def block(make_result: Callable[..., RunResult]) -> dict[str, Any]:
    """Returns the results inside the page of a study."""
    answers, results = made(make_result, 1)
    return {
        "study": "protocols",
        "facts": FACTS,
        "results": results_to_json(results),
        "answers": answers_to_json(answers),
    }


def test_answers_on_other_images_than_the_runs_are_refused(block: dict[str, Any]) -> None:
    page, contradictions = study_page_again(block, {})
    assert "70; 1 seed" in page
    assert contradictions == []
    block["answers"]["answers"][0]["digest"] = "another"
    with pytest.raises(UserError, match=r"answers on other images than those of fer2013_honest"):
        study_page_again(block, {})


def test_answers_without_a_run_are_refused(block: dict[str, Any]) -> None:
    block["answers"]["answers"][0]["seed"] = 7
    with pytest.raises(UserError, match=r"answers without a run: fer2013_honest, seed 7"):
        study_page_again(block, {})


def test_answers_with_another_accuracy_than_the_curve_are_named(block: dict[str, Any]) -> None:
    row = next(one for one in block["answers"]["answers"] if one["of"] == "val")
    row["predicted"] = row["labels"]
    assert study_page_again(block, {})[1] == [
        "fer2013_honest, seed 0, val, epoch 4: the curve has 50.0 %, the predictions 100.0 %"
    ]


def test_another_selected_epoch_than_that_of_the_curve_is_named(
    make_result: Callable[..., RunResult], block: dict[str, Any]
) -> None:
    _, results = made(make_result, 1)
    (run,) = results["fer2013_merged"]
    results["fer2013_merged"] = [replace(run, epochs={**run.epochs, "selected": 3}, predictions={})]
    block["results"] = results_to_json(results)
    assert study_page_again(block, {})[1][0] == (
        "fer2013_merged, seed 0: the selected epoch is 3, by the curves it is 4"
    )


def test_a_page_is_measured_in_bytes_and_a_large_one_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LARGEST", 10)
    page.check_size("a" * 10)
    with pytest.raises(UserError, match="would have 12 bytes, 10 are the most"):
        page.check_size("\u00b1" * 6)
    with pytest.raises(UserError, match="10 are the most"):
        write_study_report({}, {}, FACTS, tmp_path)
    assert not [*tmp_path.iterdir()]
