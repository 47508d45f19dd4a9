"""Builds the report of the study of protocols as JSON: prices, their meaning, runs, protocols."""

from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.report.pages.markdown_tables import percentage
from ferjax.report.pages.report_files import to_json_types
from ferjax.reproduce.judging.estimates import Results
from ferjax.reproduce.studies.answers import AllAnswers
from ferjax.reproduce.studies.prices import Price, prices_of
from ferjax.reproduce.studies.protocol_table import TITLE, comparisons_of

NAMES = {"fer2013": "FER2013", "ferplus": "FER+", "ckplus": "CK+"}
_INTERVALS = (
    "Points are percentage points of accuracy; a positive number is what a breach adds to the"
    " honest one. An interval is 95 % and allows for seeds and images: over images the bootstrap"
    " (1,000 resamples, the same images for all seeds and for both sides of a comparison, so that"
    " what is hard for both cancels; people with all their images where they are known), over"
    " seeds Student's of the differences, both joined by their squares (MOVER). {seeds} The column"
    " named resampled is the hierarchical bootstrap of seeds and images, which draws as many seeds"
    " with replacement as there are and so shows too little of their spread."
)
LIMITS = (
    "One small network, trained for few epochs at a constant learning rate: longer training leaves"
    " more epochs to select from and more to remember, a schedule that ends at 0 fewer. The sizes"
    " are of this network; which breaches pay is the finding.",
    "Several comparisons are made at once and their intervals are not corrected for that: of twenty"
    " breaches without effect one would show some.",
    "Selecting on test cannot give a negative number, whatever its interval: the maximum over the"
    " epochs is at least the accuracy of any other epoch.",
    "What is alike in train and test was found by perceptual hashes: copies that were cropped or"
    " turned otherwise are not found, and count as none.",
)


def build_study(
    answers: AllAnswers, results: Results, facts: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Price]]:
    """Returns the report, and the prices for its picture.

    Args:
      answers: experiment → seed → the answers of its run.
      results: experiment → its finished runs; their predictions are not used.
      facts: JSON values: `settings` (as reports of papers have them), `notes` (sentences on the
        data) and `missing` (experiment → why it has no run).
    """
    is_smoke = bool(facts["settings"]["smoke"])
    comparisons = comparisons_of(is_smoke)
    prices, not_compared = prices_of(comparisons, answers, facts["missing"])
    smoke = ["Smoke run: the numbers say nothing about the breaches."] * is_smoke
    report = {
        "title": TITLE,
        "study": "protocols",
        "settings": dict(facts["settings"]),
        "summary": {"sentences": [*smoke, *_sentences(prices, not_compared)]},
        "warnings": [*smoke, *facts["notes"]],
        "prices": [_price_json(price) for price in prices],
        "not_compared": not_compared,
        "same_training": _same_training(results),
        "runs": _runs(results, answers),
        "protocols": _breaches(results),
        "intervals": _INTERVALS.format(seeds=_seeds_text(prices)),
        "limits": list(LIMITS),
    }
    return to_json_types(report), prices


def _seeds_text(prices: Sequence[Price]) -> str:
    """Returns how many seeds the comparisons have, and what that does to the intervals."""
    fewest = min((len(price.by_seed) for price in prices), default=0)
    most = max((len(price.by_seed) for price in prices), default=0)
    if most < 2:
        return "No comparison has several seeds here, so that the latter is missing."
    number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"The latter is the wider, the fewer the seeds: here there are {number}."


def _sentences(prices: Sequence[Price], not_compared: Mapping[str, str]) -> list[str]:
    """Returns the findings in sentences."""
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
        largest = max(above, key=lambda price: price.mean)
        sentences.append(f"The most is added by {_named(largest)}: {points(largest)}.")
    if with_one_seed := sum(len(price.by_seed) < 2 for price in prices):
        sentences.append(
            f"{with_one_seed} of the comparisons have one seed: their intervals allow for the"
            " images alone, and another seed may give another answer."
        )
    if not_compared:
        sentences.append(f"{len(not_compared)} comparisons could not be made.")
    return sentences


def _named(price: Price) -> str:
    dataset = price.comparison.dataset
    return f"{price.comparison.breach!r} on {NAMES.get(dataset, dataset)}"


def points(price: Price) -> str:
    """Returns `+1.2 points (0.3 to 2.1)`."""
    low, high = 100 * price.low, 100 * price.high
    return f"{100 * price.mean:+.2f} points ({low:.2f} to {high:.2f})"


def _price_json(price: Price) -> dict[str, Any]:
    comparison = price.comparison
    return {
        "name": comparison.name,
        "dataset": comparison.dataset,
        "breach": comparison.breach,
        "meaning": comparison.meaning,
        "points": 100 * price.mean,
        "interval": [100 * price.low, 100 * price.high],
        "resampled": [100 * bound for bound in price.bootstrap],
        "by_seed": [100 * value for value in price.by_seed],
        "with_breach": price.with_breach,
        "honest": price.honest,
        "images": list(price.images),
        "people": price.people,
        "texts": _texts(price),
    }


def _texts(price: Price) -> dict[str, str]:
    low, high = (f"{100 * bound:+.2f}" for bound in (price.low, price.high))
    counts = sorted(set(price.images), reverse=True)
    people = f", {price.people} people" if price.people else ""
    seeds = f"; {len(price.by_seed)} seed{'s' * (len(price.by_seed) != 1)}"
    return {
        "points": f"{100 * price.mean:+.2f}",
        "interval": f"{low} to {high}",
        "resampled": " to ".join(f"{100 * bound:+.2f}" for bound in price.bootstrap),
        "with_breach": percentage(price.with_breach),
        "honest": percentage(price.honest),
        "images": " / ".join(f"{count:,}" for count in counts) + people + seeds,
    }


def _runs(results: Results, answers: AllAnswers) -> list[dict[str, Any]]:
    """Returns a row for each experiment: protocol, seeds and accuracies at the selected epoch."""
    rows = []
    for name, runs in results.items():
        images = {key: part["images"] for key, part in runs[0].splits.items()}
        accuracies = {
            split: [
                float(split_answers.correct.mean())
                for run in runs
                if (split_answers := answers.get(name, {}).get(run.seed, {}).get(split))
            ]
            for split in ("val", "test")
        }
        rows.append(
            {
                "experiment": name,
                "protocol": runs[0].facts["config"].get("protocol") or "ferjax's splits",
                "images": images,
                "seeds": [run.seed for run in runs],
                "epochs": [run.epochs["selected"] for run in runs],
                **accuracies,
                "texts": {
                    "images": " / ".join(f"{count:,}" for count in images.values()),
                    **{
                        split: ", ".join(percentage(value, 1) for value in values)
                        for split, values in accuracies.items()
                    },
                },
            }
        )
    return rows


def _breaches(results: Results) -> dict[str, str]:
    """Returns protocol → what it breaches, for those that were used."""
    used = {run.facts["config"].get("protocol") for runs in results.values() for run in runs}
    return {name: PROTOCOLS[name].breach for name in PROTOCOLS if name in used}


def _same_training(results: Results) -> dict[str, str]:
    """Returns data set → whether honest and swapped runs had the same training losses, in words."""
    texts = {}
    for name in NAMES:
        pairs = [
            (_losses(honest), _losses(swapped))
            for honest in results.get(f"{name}_honest", ())
            for swapped in results.get(f"{name}_swapped", ())
            if honest.seed == swapped.seed
        ]
        if pairs:
            equal = sum(one == other for one, other in pairs)
            texts[name] = (
                f"{equal} of {len(pairs)} seeds have the same training loss in every epoch in the"
                " honest and in the swapped run, which learn from the same images"
            )
    return texts


def _losses(run: Any) -> list[float]:
    return [line["loss"] for line in run.curves if line["split"] == "train"]
