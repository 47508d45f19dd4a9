"""The report of the study of protocols: table, picture, and what it does and does not show."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.report.pages import run_sections
from ferjax.report.pages.markdown_tables import escape, percentage, table
from ferjax.report.pages.report_files import to_json_types, write_page
from ferjax.reproduce.judging.estimates import Results
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.studies.draw_prices import draw_prices
from ferjax.reproduce.studies.prices import Price

_FIGURE = "prices.png"
_NAMES = {"fer2013": "FER2013", "ferplus": "FER+", "ckplus": "CK+"}
INTERVALS = (
    "Points are percentage points of accuracy; a positive number is what a breach adds to the"
    " honest one. An interval is 95 % and allows for seeds and images: over images the bootstrap"
    " (1,000 resamples, the same images for all seeds and for both sides of a comparison, so that"
    " what is hard for both cancels; people with all their images where they are known), over"
    " seeds Student's of the differences, both joined by their squares (MOVER). With three seeds"
    " the latter is wide: that is what three seeds are worth. The column `resampled` is the"
    " hierarchical bootstrap of seeds and images, which draws three seeds with replacement and so"
    " shows too little of their spread."
)
LIMITS = (
    "One small network, trained for few epochs at a constant learning rate: longer training leaves"
    " more epochs to select from and more to remember, a schedule that ends at 0 fewer. The sizes"
    " are of this network; which breaches pay is the finding.",
    "Several comparisons are made at once and their intervals are not corrected for that: of twenty"
    " breaches without effect one would show some.",
    "Selecting on test cannot give a negative number: the maximum over the epochs is at least the"
    " accuracy of any other epoch.",
    "What is alike in train and test was found by perceptual hashes: copies that were cropped or"
    " turned otherwise are not found, and count as none.",
)


def write_study_report(
    study: Paper,
    prices: Sequence[Price],
    not_compared: Mapping[str, str],
    results: Results,
    facts: Mapping[str, Any],
    out: Path,
) -> dict[str, Any]:
    """Writes report.md, report.html, report.json and the picture; returns the report with `path`.

    Args:
      study: title and experiments.
      prices: of the comparisons that could be made.
      not_compared: name of each other comparison → why it could not be made.
      results: experiment → its finished runs.
      facts: `settings` (as reports of papers have them), `notes` (sentences on the data) and
        `same_training` (data set → whether the two runs of the same training were equal, in words).
      out: the folder.

    Raises:
      UserError: a file cannot be written.
    """
    is_smoke = bool(facts["settings"]["smoke"])
    smoke = ["Smoke run: the numbers say nothing about the breaches."] * is_smoke
    settings = {**facts["settings"], "commands": facts["settings"]["commands"][:2]}
    warnings = [*smoke, *facts["notes"]]
    if prices:
        draw_prices(prices, _NAMES, out / _FIGURE, study.title)
    report = to_json_types(
        {
            "title": study.title,
            "study": study.name,
            "summary": {"sentences": [*smoke, *_sentences(prices, not_compared)]},
            "warnings": warnings,
            "prices": [_price_json(price) for price in prices],
            "not_compared": dict(not_compared),
            "same_training": dict(facts["same_training"]),
            "runs": _runs(results),
            "protocols": _protocols(results),
            "settings": settings,
        }
    )
    page = write_page(report, _parts(report, prices), out)
    return {**report, "path": str(page.with_suffix(".html"))}


def _sentences(prices: Sequence[Price], not_compared: Mapping[str, str]) -> list[str]:
    """Returns what was found, in sentences."""
    above = [price for price in prices if price.low > 0]
    below = [price for price in prices if price.high < 0]
    sentences = []
    if prices:
        sentences.append(
            f"Of {len(prices)} comparisons {len(above)} add accuracy with their whole interval,"
            f" {len(below)} take some away, and {len(prices) - len(above) - len(below)} cannot be"
            " told from none."
        )
    if above:
        most = max(above, key=lambda price: price.mean)
        sentences.append(f"The most is added by {_named(most)}: {points(most)}.")
    if not_compared:
        sentences.append(f"{len(not_compared)} comparisons could not be made.")
    return sentences


def _named(price: Price) -> str:
    dataset = price.comparison.dataset
    return f"`{price.comparison.breach}` on {_NAMES.get(dataset, dataset)}"


def points(price: Price) -> str:
    """Returns `+1.2 points (0.3 to 2.1)`."""
    low, high = 100 * price.low, 100 * price.high
    return f"{100 * price.mean:+.2f} points ({low:.2f} to {high:.2f})"


def _price_json(price: Price) -> dict[str, Any]:
    one = price.comparison
    return {
        "name": one.name,
        "dataset": one.dataset,
        "breach": one.breach,
        "meaning": one.meaning,
        "points": 100 * price.mean,
        "interval": [100 * price.low, 100 * price.high],
        "resampled": [100 * bound for bound in price.bootstrap],
        "by_seed": [100 * value for value in price.by_seed],
        "with_breach": price.with_breach,
        "honest": price.honest,
        "images": list(price.images),
        "people": price.people,
    }


def _runs(results: Results) -> list[dict[str, Any]]:
    """Returns experiment, protocol, seeds and accuracies at the selected epoch, of each."""
    rows = []
    for name, runs in results.items():
        accuracies = {
            split: [
                float((found.labels == found.predicted).mean())
                for run in runs
                if (found := run.predictions.get((split, run.epochs["selected"])))
            ]
            for split in ("val", "test")
        }
        rows.append(
            {
                "experiment": name,
                "protocol": runs[0].facts["config"].get("protocol") or "ferjax's splits",
                "images": {key: part["images"] for key, part in runs[0].splits.items()},
                "seeds": [run.seed for run in runs],
                "epochs": [run.epochs["selected"] for run in runs],
                **accuracies,
            }
        )
    return rows


def _protocols(results: Results) -> dict[str, str]:
    used = {run.facts["config"].get("protocol") for runs in results.values() for run in runs}
    return {name: PROTOCOLS[name].breach for name in PROTOCOLS if name in used}


def _parts(report: Mapping[str, Any], prices: Sequence[Price]) -> Iterator[str]:
    """Yields the parts of report.md."""
    summary = " ".join(report["summary"]["sentences"])
    yield from run_sections.heading({**report, "summary": summary})
    if prices:
        yield from run_sections.figures(
            [{"file": _FIGURE, "caption": "The price of each breach; the strokes are the seeds"}]
        )
    yield "## Prices"
    header = ["breach", "data set", "points", "95 % interval", "resampled", "with", "honest"]
    yield table([*header, "images"], map(_price_row, prices), numbers_from=2)
    yield INTERVALS
    yield "## What each number compares"
    yield table(["breach", "what is compared"], _meanings(prices), numbers_from=2)
    if report["not_compared"]:
        yield "## Not compared"
        yield _list(f"{name}: {why}" for name, why in report["not_compared"].items())
    yield "## What this does not show"
    yield _list(LIMITS)
    yield "## Runs"
    yield from _runs_table(report["runs"])
    yield _list(f"{name}: {words}" for name, words in report["same_training"].items())
    yield "## Protocols"
    yield _list(f"{name}: {breach}" for name, breach in report["protocols"].items())
    yield "## Reproduce"
    yield "\n".join(["```", *report["settings"]["commands"], "```"])
    yield from run_sections.collapsed_json("Environment", report["settings"]["environment"])


def _price_row(price: Price) -> list[str]:
    one, counts = price.comparison, sorted(set(price.images), reverse=True)
    low, high = (f"{100 * bound:+.2f}" for bound in (price.low, price.high))
    drawn = " to ".join(f"{100 * bound:+.2f}" for bound in price.bootstrap)
    images = " / ".join(f"{count:,}" for count in counts)
    people = f", {price.people} people" if price.people else ""
    decided = price.low > 0 or price.high < 0
    value = f"{100 * price.mean:+.2f}"
    return [
        escape(one.breach),
        _NAMES.get(one.dataset, escape(one.dataset)),
        f"**{value}**" if decided else value,
        f"{low} to {high}",
        drawn,
        percentage(price.with_breach),
        percentage(price.honest),
        images + people,
    ]


def _meanings(prices: Sequence[Price]) -> list[list[str]]:
    meanings = {price.comparison.breach: price.comparison.meaning for price in prices}
    return [[escape(breach), escape(meaning)] for breach, meaning in meanings.items()]


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [
        [
            escape(run["experiment"]),
            escape(run["protocol"]),
            " / ".join(f"{count:,}" for count in run["images"].values()),
            ", ".join(map(str, run["epochs"])),
            ", ".join(percentage(value, 1) for value in run["val"]),
            ", ".join(percentage(value, 1) for value in run["test"]),
        ]
        for run in runs
    ]
    header = ["experiment", "protocol", "train / val / test", "selected epochs"]
    yield table([*header, "val accuracy", "test accuracy"], rows, numbers_from=2)


def _list(lines: Any) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)
