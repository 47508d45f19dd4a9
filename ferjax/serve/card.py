"""Description of a server's network: facts for the page, values for /api/card."""

from collections.abc import Mapping
from typing import Any

from ferjax.export.card_page import accuracy_text, coverage_line, network_text
from ferjax.report.pages.markdown_tables import percentage
from ferjax.serve.explanations import available_methods
from ferjax.serve.limits import Limits
from ferjax.serve.recogniser import Recogniser


def card_values(recogniser: Recogniser, limits: Limits, rate: int) -> dict[str, Any]:
    """Returns the answer of /api/card.

    Args:
      recogniser: the network.
      limits: the limits of requests.
      rate: requests a minute of one address; 0 for any number.
    """
    return {
        "name": recogniser.name,
        "classes": list(recogniser.classes),
        "sets": recogniser.coverage if recogniser.set_threshold is not None else None,
        "limits": {
            "upload_bytes": limits.upload_bytes,
            "pixels": limits.pixels,
            "pictures": limits.pictures,
            "faces": limits.faces,
            "frames": limits.frames,
            "requests_a_minute": rate or None,
        },
        "methods": available_methods(recogniser.explainer),
        "card": dict(recogniser.card),
    }


def card_facts(card: Mapping[str, Any]) -> dict[str, str]:
    """Returns the main facts of a card, name → value; empty for a run, which has no card."""
    scores, training = card.get("scores"), card.get("training")
    if not scores or not training:
        return {}
    images = sum(training["images"].values())
    facts = {
        "network": network_text(card),
        "trained on": f"{images:,} faces of {training['data set']}",
        "measured on": str(scores["split"]),
        "accuracy": accuracy_text(scores),
        "balanced accuracy": percentage(scores["mean_class_accuracy"]),
    }
    if sets := scores.get("prediction_sets"):
        facts |= coverage_line(sets)
    return {**facts, **{f"licence of the {k}": v for k, v in card.get("licence", {}).items()}}


def recalls(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Returns for each emotion its name, its recall and its number of images, as text."""
    rows = card.get("scores", {}).get("per_class", ())
    return [(row["class"], percentage(row["recall"]), f"{row['support']:,}") for row in rows]
