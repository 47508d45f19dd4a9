"""The five tables of experiments, claims, figures and open points: whole, and fitting together."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from ferjax.config.reproduce_config import PAPERS
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import DATASETS
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.emotions import EMOTIONS
from ferjax.recipes import RECIPES, resolve
from ferjax.reproduce.claim_table import KINDS, Claim, Measure
from ferjax.reproduce.experiment_table import ROLES, Experiment
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.needed_weights import WEIGHTS
from ferjax.reproduce.paper_table import FIGURE_KINDS, Paper
from ferjax.reproduce.papers.find_paper import find_paper

TABLES = {name: find_paper(name) for name in PAPERS}
ALL_EXPERIMENTS = [(paper, one) for paper in TABLES.values() for one in paper.experiments]
ALL_CLAIMS = [(paper, one) for paper in TABLES.values() for one in paper.claims]
every_paper = pytest.mark.parametrize("paper", TABLES.values(), ids=list(TABLES))
NAME = re.compile(r"[a-z0-9_]+")


def measures(claim: Claim) -> Iterator[Measure]:
    found = (claim.measure, claim.than, claim.honest, claim.honest_than)
    yield from (one for one in found if one)


def config_of(one: Experiment) -> TrainConfig:
    protocol = {"protocol": one.protocol} if one.protocol else {}
    return resolve({"recipe": one.recipe, **one.settings, **protocol})


def test_there_are_as_many_claims_as_a_reader_can_check() -> None:
    assert 60 <= len(ALL_CLAIMS) <= 90
    assert min(Counter(paper.name for paper, _ in ALL_CLAIMS).values()) >= 10


@every_paper
def test_names_are_unique_and_fit_as_folders(paper: Paper) -> None:
    for table in (paper.experiments, paper.claims, paper.figures, paper.open_points):
        names = [one.name for one in table]
        assert len(set(names)) == len(names)
        assert all(map(NAME.fullmatch, names))


@every_paper
def test_texts_are_sentences(paper: Paper) -> None:
    texts = [one.text for one in (*paper.claims, *paper.open_points)]
    texts += [one.why for one in paper.experiments] + [one.reading for one in paper.open_points]
    texts += [one.caption for one in paper.figures]
    assert not [text for text in texts if not text.endswith(".") or text[0].islower()]


@every_paper
def test_every_experiment_that_is_named_exists(paper: Paper) -> None:
    names = {one.name for one in paper.experiments}
    for claim in paper.claims:
        named = {measure.experiment for measure in measures(claim)}
        assert named | {*claim.along, *claim.honest_along} <= names, claim.name
    assert {figure.experiment for figure in paper.figures} <= names
    assert {name for point in paper.open_points for _, name in point.tried} <= names
    seen: set[str] = set()
    for one in paper.experiments:
        assert {one.after, one.stands_in_for} <= {None, *seen}, one.name
        seen.add(one.name)


@pytest.mark.parametrize(
    ("paper", "one"), ALL_EXPERIMENTS, ids=[f"{p.name}-{e.name}" for p, e in ALL_EXPERIMENTS]
)
def test_an_experiment_resolves(paper: Paper, one: Experiment) -> None:
    assert one.role in ROLES
    assert set(one.needs) <= set(WEIGHTS)
    if not one.recipe:
        from ferjax.config.baseline_config import BaselineConfig

        fields = {field.name for field in dataclasses.fields(BaselineConfig)}
        assert set(one.settings) <= fields
        BaselineConfig(**one.settings)
        return
    assert one.recipe == "default" or one.recipe in RECIPES
    config = config_of(one)
    for field, value in one.settings.items():
        assert getattr(config, field) == value, field
    assert config.dataset in DATASETS
    if one.protocol:
        data = PROTOCOLS[one.protocol].datasets
        assert not data or config.dataset in data
    # What is not on the paper's own data says so, and stands in for what is, or is no claim's.
    if config.dataset not in paper.datasets:
        assert one.departs or one.role == "baseline"
    if one.needs:
        assert config.pretrained not in (None, "none")


@every_paper
def test_a_stand_in_does_what_it_stands_in_for(paper: Paper) -> None:
    by_name = {one.name: one for one in paper.experiments}
    for one in paper.experiments:
        if not one.stands_in_for:
            continue
        original = by_name[one.stands_in_for]
        assert one.departs, one.name
        assert one.role == original.role
        assert bool(one.recipe) == bool(original.recipe)
        assert original.needs or original.accelerator or one.settings["dataset"]


@pytest.mark.parametrize(
    ("paper", "claim"), ALL_CLAIMS, ids=[f"{p.name}-{c.name}" for p, c in ALL_CLAIMS]
)
def test_a_claim_can_be_judged(paper: Paper, claim: Claim) -> None:
    assert claim.kind in KINDS
    assert claim.where
    by_name = {one.name: one for one in paper.experiments}
    for measure in measures(claim):
        metric = METRICS[measure.metric]
        assert metric.of_class == (measure.emotion in EMOTIONS)
        one = by_name[measure.experiment]
        assert measure.split in ("train", "val", "test")
        # Curves are of train and val; test is read once.
        assert not (metric.of_curve and measure.split == "test")
        if measure.epoch == "phase_1":
            assert metric.of_curve
            assert isinstance(config_of(one).epochs, tuple)
        if claim.kind in ("count", "figure") or not one.protocol:
            continue
        if measure.epoch == "selected":
            assert not PROTOCOLS[one.protocol].selects_on_test, "use the last epoch"
    if claim.kind in ("number", "at_least", "at_most", "count"):
        assert claim.paper is not None
        assert claim.printed
        assert claim.measure
    if claim.kind == "number" and claim.paper is not None and claim.rounding is None:
        digits = float(claim.printed.rstrip(" %")) / (100 if "%" in claim.printed else 1)
        assert claim.paper == pytest.approx(digits, abs=1e-9)
    assert (claim.than is not None) == (claim.kind == "better")
    assert bool(claim.along) == (claim.kind == "trend")
    assert (claim.counted is not None) == (claim.kind == "count")
    if claim.counted:
        assert set(claim.counted.split("+")) <= {"train", "val", "test"}
    if claim.kind == "statement":
        assert claim.untestable


@every_paper
def test_every_figure_is_claimed_and_defined(paper: Paper) -> None:
    figures = {figure.name: figure for figure in paper.figures}
    for claim in paper.claims:
        assert (claim.figure in figures) == (claim.kind == "figure")
        if claim.figure and claim.measure:
            assert figures[claim.figure].experiment == claim.measure.experiment
    for figure in paper.figures:
        assert figure.kind in FIGURE_KINDS
        assert len(figure.matrix) == len(figure.classes)
        assert all(len(row) == len(figure.matrix) for row in figure.matrix)
        assert set(figure.classes) <= set(EMOTIONS)


@every_paper
def test_each_reading_is_compared_with_ours(paper: Paper) -> None:
    tried = {name for point in paper.open_points for _, name in point.tried}
    readings = [one for one in paper.experiments if one.role == "reading"]
    assert {one.name for one in readings if not one.stands_in_for} <= tried
    assert any(len(point.tried) == 3 for point in paper.open_points)
    for point in paper.open_points:
        assert point.metric in METRICS
        assert len(point.tried) != 1


@every_paper
def test_values_tried_are_those_of_the_settings(paper: Paper) -> None:
    """`0.4`, not `0 4`: folders have no dots and no spaces, words have both."""
    by_name = {one.name: one for one in paper.experiments}
    for words, name in (pair for point in paper.open_points for pair in point.tried):
        assert "_" not in words
        if re.fullmatch(r"[0-9. ]+", words):
            values = dataclasses.astuple(config_of(by_name[name]))
            flat = [
                one for value in values for one in (value if isinstance(value, tuple) else [value])
            ]
            assert float(words) in flat, (name, words)


@pytest.mark.parametrize(
    ("name", "paper_experiment", "honest"),
    [
        ("kumari", "ckplus", "ckplus_honest"),
        ("kumari", "fer", "fer_honest"),
        ("iut", "custom_cnn", "custom_cnn_honest"),
        ("iut", "transfer", "transfer_honest"),
        ("farahani", "resnet18", "resnet18_honest"),
        ("liu", "guided", "guided_honest"),
    ],
)
def test_beside_the_papers_protocol_stands_an_honest_one(
    name: str, paper_experiment: str, honest: str
) -> None:
    paper = TABLES[name]
    by_name = {one.name: one for one in paper.experiments}
    printed, other = by_name[paper_experiment], by_name[honest]
    assert (printed.recipe, printed.settings) == (other.recipe, other.settings)
    assert other.role == "honest"
    assert printed.protocol
    assert PROTOCOLS[printed.protocol].is_breach
    assert other.protocol is None or not PROTOCOLS[other.protocol].is_breach
    numbers = [claim for claim in paper.claims
               if claim.kind in ("number", "at_least", "at_most") and claim.measure
               and claim.measure.experiment == paper_experiment]  # fmt: skip
    assert numbers
    assert all(claim.honest and claim.honest.experiment == honest for claim in numbers)
    stand_ins = [one for one in paper.experiments if one.stands_in_for == paper_experiment]
    assert bool(stand_ins) == bool(
        [one for one in paper.experiments if one.stands_in_for == honest]
    )


def test_two_seeds_can_decide_every_comparison() -> None:
    """With one seed nothing is decided: an experiment of one seed judges no claim."""
    for paper, claim in ALL_CLAIMS:
        by_name = {one.name: one for one in paper.experiments}
        named = {measure.experiment for measure in measures(claim)} | {*claim.along}
        named |= {one.name for one in paper.experiments if one.stands_in_for in named}
        assert not [name for name in named if by_name[name].one_seed], claim.name
