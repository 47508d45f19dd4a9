"""The page of a model card says what somebody who uses the network has to know."""

import json

import pytest

from ferjax.export.card_page import card_page
from ferjax.weights.shipped import SHIPPED, find_card


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_states_data_errors_calibration_and_limits(name: str) -> None:
    path = find_card(name)
    assert path is not None
    card = json.loads(path.read_text("utf-8"))
    page = path.with_suffix(".md").read_text("utf-8")
    assert page == card_page(name, card)
    # Data, with the number of images of each class.
    for emotion, count in card["training"]["images"].items():
        assert f"{emotion} {count:,}" in page
    # Errors of each emotion, and in how many of its images its set holds it.
    sets = card["scores"]["prediction_sets"]["by_class"]
    for row in card["scores"]["per_class"]:
        cells = (row["recall"], row["precision"], sets[row["class"]])
        assert f"| {row['class']} | {' | '.join(f'{100 * cell:.2f} %' for cell in cells)} |" in page
    for row in card["scores"]["calibration"]["by_class"]:
        errors = f"{row['classwise_error']:.4f} | {row['top_label_error']:.4f}"
        assert f" | {errors} | {row['predicted']:,} | " in page
    for words in ("temperature", "expected calibration error", "Confusion matrix"):
        assert words in page
    for line in (*card["intended_use"], *card["limits"], card["licence"]["data"]):
        assert line in page
    # A card that is older than calibration by emotion says so.
    overall = {k: v for k, v in card["scores"]["calibration"].items() if k != "by_class"}
    older = {**card, "scores": {**card["scores"], "calibration": overall}}
    assert "The calibration error of each emotion is not stated" in card_page(name, older)
    assert "is not stated" not in page
    # Bfloat16 is exported in float32, in which the run itself was judged too.
    assert f"; the run itself {100 * card['scores']['accuracy_of_the_run']:.2f} %)" in page
    half = {**card, "config": {**card["config"], "precision": "bf16"}}
    assert "; the run itself, in float32, " in card_page(name, half)
    # People voted on FER+ alone.
    assert ("a tenth annotator agrees with them" in page) is (name == "fernet-ferplus")
