"""Stand-ins: who is run and judged when data or weights are not at hand."""

from dataclasses import replace

import pytest

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Figure, OpenPoint, Paper
from ferjax.reproduce.stand_ins import with_stand_ins

PAPER = Paper(
    "liu",
    "a paper",
    ("rafdb",),
    (
        Experiment("small", "paper", ""),
        Experiment("large", "paper", ""),
        Experiment("large_first", "paper", "", stands_in_for="large"),
        Experiment("large_second", "paper", "", after="small", stands_in_for="large"),
        Experiment("large_third", "paper", "", stands_in_for="large"),
    ),
    (
        Claim("one", "number", "a", "b", measure=Measure("large")),
        Claim(
            "two",
            "better",
            "a",
            "b",
            measure=Measure("small"),
            than=Measure("large", "macro_f1"),
            honest=Measure("large", split="val"),
        ),
        Claim("three", "trend", "a", "b", measure=Measure("large"), along=("small", "large")),
    ),
    (Figure("curves", "curves", "a", "b", "large"),),
    (OpenPoint("optimizer", "a", "b", (("adam", "large"), ("sgd", "small"))),),
)


def judged(lacking: set[str]) -> Paper:
    paper, lacks = with_stand_ins(PAPER, lambda one: "no data" if one.name in lacking else None)
    assert set(lacks) >= lacking
    return paper


def names(paper: Paper) -> list[str]:
    return [one.name for one in paper.experiments]


def test_without_a_lack_no_stand_in_is_run() -> None:
    paper = judged(set())
    assert names(paper) == ["small", "large"]
    assert (paper.claims, paper.figures) == (PAPER.claims, PAPER.figures)


def test_the_first_that_can_be_run_takes_every_place_of_what_cannot() -> None:
    paper = judged({"large"})
    assert names(paper) == ["small", "large_first"]
    number, better, trend = paper.claims
    assert number.measure == Measure("large_first")
    assert better.measure == Measure("small")
    assert better.than == Measure("large_first", "macro_f1")
    assert better.honest == Measure("large_first", split="val")
    assert trend.along == ("small", "large_first")
    assert paper.figures[0].experiment == "large_first"
    assert paper.open_points[0].tried == (("adam", "large_first"), ("sgd", "small"))


def test_a_stand_in_that_starts_from_what_cannot_be_run_cannot_either() -> None:
    paper = judged({"large", "large_first", "small"})
    assert names(paper) == ["large_third"]
    _, lacks = with_stand_ins(PAPER, _small)
    assert lacks["large_second"] == "it starts from small, and no weights"


def _small(one: Experiment) -> str | None:
    return "no weights" if one.name == "small" else None


@pytest.mark.parametrize("lacking", [{"large", "large_first", "large_second", "large_third"}])
def test_what_nothing_stands_in_for_stays_in_the_claims(lacking: set[str]) -> None:
    paper = judged(lacking)
    assert names(paper) == ["small"]
    assert paper.claims == PAPER.claims


def test_a_stand_in_with_which_readings_are_compared_is_run_as_a_reading() -> None:
    points = (OpenPoint("epochs", "a", "b", (("10", "large_first"), ("20", "small"))),)
    paper, _ = with_stand_ins(replace(PAPER, open_points=points), lambda one: None)
    assert names(paper) == ["small", "large", "large_first"]
    assert paper.experiments[2].role == "reading"
    assert paper.open_points == points
