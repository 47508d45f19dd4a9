"""A page verifies as written; a changed number, prediction, picture or text is named."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.reproduce_config import PAPERS
from ferjax.errors import UserError
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.used_predictions import used_predictions
from ferjax.reproduce.reporting.verify_page import PAGE_FORMAT
from ferjax.reproduce.reporting.write_report import write_paper_report
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.at_hand import own_dataset
from ferjax.reproduce.running.departures import departures_of, other_data
from ferjax.reproduce.stand_ins import with_stand_ins

Make = Callable[..., RunResult]
SETTINGS = {
    "smoke": False,
    "seeds": 2,
    "ferjax": "1",
    "written": "Written by <b>hand</b>.",
    "commands": ["python -m launch.reproduce --paper=yang"],
    "environment": {"git commit": "none"},
}


def facts_of(paper: Paper, one: Experiment) -> dict[str, Any]:
    """Returns what an experiment's runs state of their data."""
    dataset = own_dataset(one)
    other = other_data(paper, one, dataset)
    departs = list(departures_of(one, dataset, other))
    return {"dataset": dataset, "departs": departs, "other_data": other}


def write(name: str, make_result: Make, out: Path, missing: dict[str, str]) -> dict[str, Any]:
    paper, _ = with_stand_ins(find_paper(name), lambda _: None)
    results = {
        one.name: [
            make_result(one.name, seed, 0.5 + 0.01 * k, images=210, **facts_of(paper, one))
            for seed in range(1 if one.one_seed else 2)
        ]
        for k, one in enumerate(paper.experiments)
        if one.name not in missing
    }
    return write_paper_report(paper, results, {}, missing, SETTINGS, used_predictions(paper), out)


@pytest.fixture(scope="module")
def page(make_result: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    report = write("yang", make_result, out, {"cnn4": "it was <i>left</i> out"})
    return Path(report["path"])


def changed(page: Path, tmp_path: Path, change: Callable[[str], str]) -> Path:
    text = page.read_text("utf-8")
    other = tmp_path / "changed.html"
    other.write_text(change(text), "utf-8")
    assert other.read_text("utf-8") != text
    return other


def in_block(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    """Returns a page whose JSON block is changed."""
    found = re.search(
        r'(<script type="application/json" id="results">)(.*?)(</script>)', text, re.S
    )
    assert found
    block = json.loads(found[2])
    change(block)
    return text[: found.start(2)] + json.dumps(block).replace("<", "\\u003c") + text[found.end(2) :]


def test_as_written(page: Path) -> None:
    differences, count = verify_report(page)
    assert differences == []
    assert count > 300


def test_the_page_asks_for_nothing_and_escapes_everything(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<b>hand</b>" not in text
    assert "<i>left</i>" not in text
    assert "it was &lt;i&gt;left&lt;/i&gt; out" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/json" id="results">']
    assert "default-src 'none'" in text
    twin = json.loads((page.parent / "report.json").read_text("utf-8"))
    assert len(twin["ledger"]) == len(find_paper("yang").claims)


def test_every_digit_stands_in_a_cell(page: Path) -> None:
    main = re.search(r"<main.*?</main>", page.read_text("utf-8"), re.S)
    assert main
    text = re.sub(r"<span data-cell=.*?</span>", "", main[0], flags=re.S)
    text = re.sub(r"<code>.*?</code>|<[^>]*>", "", text, flags=re.S)
    # What is left are headings and sentences of the template.
    assert set(re.findall(r"\S*\d\S*", text)) <= {"95", "F1,", "(float16"}


def test_a_changed_number_is_named(page: Path, tmp_path: Path) -> None:
    cell = r'(data-cell="ledger.macro_f1_6_layers.ours">)([^<]*)'
    other = changed(page, tmp_path, lambda text: re.sub(cell, r"\g<1>47.0 % (46.0 to 48.0)", text))
    differences, _ = verify_report(other)
    assert len(differences) == 1
    assert differences[0].startswith("ledger.macro_f1_6_layers.ours: the page says '47.0 %")


def test_a_changed_prediction_is_noticed(page: Path, tmp_path: Path) -> None:
    def flip(block: dict[str, Any]) -> None:
        arrays = block["results"]["arrays"]
        for key in {one["probabilities"] for one in block["results"]["predictions"]}:
            planes = zlib.decompress(base64.b64decode(arrays[key]))
            # Half of the images get the probabilities of others.
            half = len(planes) // 4
            moved = planes[half : 2 * half] + planes[:half] + planes[2 * half :]
            arrays[key] = base64.b64encode(zlib.compress(moved)).decode()

    other = changed(page, tmp_path, lambda text: in_block(text, flip))
    differences, _ = verify_report(other)
    assert any(line.startswith("ledger.accuracy_3_layers.ours") for line in differences)
    # So is one that the whole page was written again for: the curve says what was measured.
    assert any(
        line.startswith("cnn3, seed 0, val, epoch 4: the curve has 50.0 %") for line in differences
    )


def test_changed_verdicts_texts_and_pictures(page: Path, tmp_path: Path) -> None:
    verdict = r'(data-cell="ledger.accuracy_3_layers.verdict">)([^<]*)'
    other = changed(page, tmp_path, lambda text: re.sub(verdict, r"\g<1>reproduced!", text))
    assert verify_report(other)[0][0].startswith("ledger.accuracy_3_layers.verdict")
    other = changed(page, tmp_path, lambda text: text.replace("</main>", "<p>99 %</p></main>"))
    assert verify_report(other)[0][0].startswith("text of the page: '99 %'")
    more = '<i data-cell="x">1</i></main>'
    other = changed(page, tmp_path, lambda text: text.replace("</main>", more))
    assert verify_report(other)[0] == ["x: the page says '1', which nothing gives"]
    png = re.search(r'src="(data:image/png;base64,[^"]*)"', page.read_text("utf-8"))
    assert png
    other = changed(page, tmp_path, lambda text: text.replace(png[1], "data:image/png;base64,AAAA"))
    assert "its pictures are not those" in verify_report(other)[0][0]


HIDDEN = "[data-cell='counts.yes']{font-size:0} [data-cell='counts.yes']::after{content:'28'}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</style>", HIDDEN + "</style>"),
        ("</head>", f"<style>{HIDDEN}</style></head>"),
        ('<li class="no">', '<li class="no" hidden>'),
        ("</main>", '</main><script src="other.js"></script>'),
        ("</main>", "</main><!--> <p>28 claims reproduced</p> -->"),
        ("</main>", '</main><svg><path d="M0 0h9v9"/></svg>'),
        ('<img alt="', '<img style="opacity:0" alt="'),
    ],
)
def test_what_shows_other_things_than_the_texts(
    page: Path, tmp_path: Path, old: str, new: str
) -> None:
    other = changed(page, tmp_path, lambda text: text.replace(old, new, 1))
    differences, _ = verify_report(other)
    assert len(differences) == 1
    assert re.match(r"line \d+ of the page: it is not what is written there", differences[0])


def in_runs(block: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the fields of every run of a block, predictions excepted."""
    results = block["results"]
    runs = json.loads(zlib.decompress(base64.b64decode(results["runs"])))
    for run in runs:
        change(run)
    results["runs"] = base64.b64encode(zlib.compress(json.dumps(runs).encode())).decode()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda run: run.update(draws=False),
            "cnn3, seed 0: the run says that it does not draw random numbers, its table says",
        ),
        (lambda run: run.update(seed=0), "cnn3: seed 0 is there twice"),
        (
            lambda run: run["epochs"].update(selected=2),
            "cnn3, seed 0: the selected epoch is 2, by the curves it is 4",
        ),
        (
            lambda run: run["epochs"].update(last=3),
            "cnn3, seed 0: the last epoch is 3, by the curves it is 4",
        ),
        (
            lambda run: run["facts"]["config"].update(epochs=[3, 1]),
            "cnn3, seed 0: the phase_1 epoch is 2, by the curves it is 3",
        ),
        (lambda run: run.update(curves=[]), "cnn3, seed 0: there is no curve of val"),
        (
            lambda run: [line.update(accuracy=float("nan")) for line in run["curves"]],
            "cnn3, seed 0, val, epoch 4: the curve has nan %, the predictions 50.0 %",
        ),
    ],
)
def test_seeds_and_epochs_that_the_curves_and_the_table_contradict(
    page: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], line: str
) -> None:
    def tamper(block: dict[str, Any]) -> None:
        in_runs(block, change)

    other = changed(page, tmp_path, lambda text: in_block(text, tamper))
    assert [one for one in verify_report(other)[0] if one.startswith(line)]


@pytest.mark.parametrize(("found", "named"), [(None, 1), (PAGE_FORMAT - 1, PAGE_FORMAT - 1)])
def test_pages_of_other_versions_are_refused(
    found: int | None, named: int, page: Path, tmp_path: Path
) -> None:
    def of_another_version(block: dict[str, Any]) -> None:
        del block["page_format"]
        block.update({"page_format": found} if found else {})

    other = changed(page, tmp_path, lambda text: in_block(text, of_another_version))
    message = f"has format {named}, this version of ferjax writes and verifies format {PAGE_FORMAT}"
    with pytest.raises(UserError, match=message):
        verify_report(other)


def test_stand_ins_that_are_shown_as_the_papers_own_are_named(
    make_result: Make, tmp_path: Path
) -> None:
    paper, lacks = with_stand_ins(
        find_paper("liu"), lambda one: "RAF-DB is not at hand" if one.accelerator else None
    )
    named = ("jumper_faces", "plain_faces")
    runs = {
        one.name: [make_result(one.name, seed, 0.5, images=210, **facts_of(paper, one))
                   for seed in range(2)]
        for one in paper.experiments if one.name in named
    }  # fmt: skip
    used = used_predictions(paper)
    report = write_paper_report(paper, runs, lacks, lacks, SETTINGS, used, tmp_path)
    path = Path(report["path"])
    assert verify_report(path)[0] == []

    def conceal(block: dict[str, Any]) -> None:
        in_runs(block, lambda run: run["facts"].update(departs=[], other_data=""))

    other = changed(path, tmp_path, lambda text: in_block(text, conceal))
    assert verify_report(other)[0] == []  # the page itself says it
    proxy = r"; proxy: <span data-cell=\"ledger.jumper_better_than_plain.proxy\">.*?</span>"
    other = changed(path, tmp_path, lambda text: re.sub(proxy, "", in_block(text, conceal)))
    assert verify_report(other)[0][0].startswith(
        "ledger.jumper_better_than_plain.proxy: is missing"
    )

    def shrink(block: dict[str, Any]) -> None:
        in_runs(block, lambda run: run["facts"]["config"].update(epochs=2, limit=2000))

    # The settings that a run states are those that its departures are of.
    other = changed(path, tmp_path, lambda text: in_block(text, shrink))
    assert any("2 epochs instead of 20" in line for line in verify_report(other)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run["splits"]["val"].update(images=10**6), "210 predictions for 1,000,000"),
        (lambda run: run["splits"]["val"]["classes"].update(anger=31, fear=29), "other labels"),
        (lambda run: run["splits"].pop("val"), "a split that the run has not"),
        (lambda run: run.update(classes=[str(k) for k in range(20_000)]), "number of classes"),
    ],
)
def test_more_images_than_there_are_predictions(
    page: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    def tamper(block: dict[str, Any]) -> None:
        in_runs(block, change)

    other = changed(page, tmp_path, lambda text: in_block(text, tamper))
    with pytest.raises(UserError, match=message):
        verify_report(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block.update(paper="../yang"),
        lambda block: block.pop("results"),
        lambda block: block["results"].update(format=99),
        lambda block: block["results"].update(runs="AAAA"),
        lambda block: block["results"]["predictions"][0].update(shape=[10**9, 7]),
        lambda block: block["results"]["predictions"][0].update(shape=[3, 7]),
        lambda block: block["results"]["predictions"][0].update(run=10**6),
        lambda block: block.update(missing=7),
        lambda block: block.update(settings={}),
    ],
)
def test_damaged_results_are_one_error(
    page: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    other = changed(page, tmp_path, lambda text: in_block(text, change))
    with pytest.raises(UserError, match=r"--verify=.*changed\.html"):
        verify_report(other)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\xff\xfe", b"<script>{}</script>"])
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"no report of launch\.reproduce"):
        verify_report(path)
    with pytest.raises(UserError, match="cannot be read"):
        verify_report(tmp_path / "none.html")


@pytest.mark.parametrize("name", [name for name in PAPERS if name != "yang"])
def test_every_paper_is_written_with_nothing_run(
    name: str, make_result: Make, tmp_path: Path
) -> None:
    paper, _ = with_stand_ins(find_paper(name), lambda _: None)
    missing = {one.name: "its data are not at hand" for one in paper.experiments[1:]}
    path = Path(write(name, make_result, tmp_path, missing)["path"])
    assert verify_report(path)[0] == []
    assert path.stat().st_size < 5_000_000
