"""The printed numbers agree with each other: matrices with recalls, classes with totals."""

from fractions import Fraction

import pytest

from ferjax.reproduce.papers import farahani_claims, iut_claims, kumari_claims, yang_claims
from ferjax.reproduce.papers.find_paper import find_paper


@pytest.mark.parametrize(
    ("figure", "images", "printed", "accuracy"),
    [
        # Sums, recalls and accuracies by hand from PAPERS.md, P1.
        ("confusion_ckplus", 293, kumari_claims.CKPLUS_RECALLS, "97.6"),
        ("confusion_fer", 12_909, kumari_claims.FER_RECALLS, "62.8"),
    ],
)
def test_p1_matrices_give_the_printed_recalls_and_accuracies(
    figure: str, images: int, printed: tuple[str, ...], accuracy: str
) -> None:
    found = next(one for one in kumari_claims.FIGURES if one.name == figure)
    rows = found.matrix
    assert sum(map(sum, rows)) == images
    right = [row[k] for k, row in enumerate(rows)]
    for hit, row, text in zip(right, rows, printed, strict=True):
        assert abs(100 * Fraction(hit, sum(row)) - Fraction(text)) <= Fraction(1, 20)
    assert round(100 * sum(right) / images, 1) == float(accuracy)


def test_p1_matrix_of_ckplus_has_three_tenths_of_each_class_of_ckplus48() -> None:
    ck48 = (135, 54, 177, 75, 207, 84, 249)  # anger contempt disgust fear happy sadness surprise
    found = next(one for one in kumari_claims.FIGURES if one.name == "confusion_ckplus")
    for row, whole in zip(found.matrix, ck48, strict=True):
        assert abs(sum(row) - 0.3 * whole) < 1


def test_p1_claims_are_the_printed_ones() -> None:
    paper = {claim.name: claim for claim in kumari_claims.CLAIMS}
    assert paper["recall_fer_fear"].paper == pytest.approx(0.273)
    assert paper["recall_ckplus_happiness"].paper == 1.0
    assert paper["accuracy_fer"].paper == 0.628


def test_p2_classes_add_up_to_all_of_fer2013() -> None:
    total = sum(iut_claims.CLASS_COUNTS.values())
    counts = {claim.name: claim.paper or 0 for claim in iut_claims.CLAIMS}
    assert total == counts["images"] == 35_887
    # The 5,741 validation images are what is left.
    assert counts["train_images"] + 5_741 + counts["test_images"] == total
    assert counts["train_images"] + 5_741 == 28_709
    histogram = next(one for one in iut_claims.FIGURES if one.name == "histogram")
    assert "happiness 8,989, sadness 6,077" in histogram.caption


def test_p3_faces_kept_removed_and_not_found_add_up_to_the_stills() -> None:
    kept = [sum(pair) for pair in farahani_claims.KEPT.values()]
    assert sum(kept) == 620 == sum(train for train, _ in farahani_claims.KEPT.values()) + 131
    raw = {name: 75 if name == "disgust" else 100 for name in farahani_claims.KEPT}
    not_found = {
        name: raw[name] - sum(farahani_claims.KEPT[name]) - sum(farahani_claims.REMOVED[name])
        for name in raw
    }
    assert sum(raw.values()) == 675
    assert not_found == {
        "anger": 1,
        "disgust": 0,
        "fear": 0,
        "happiness": 1,
        "neutral": 0,
        "sadness": 1,
        "surprise": 0,
    }
    assert sum(map(sum, farahani_claims.REMOVED.values())) == 52
    texts = {claim.name: claim.text for claim in farahani_claims.CLAIMS}
    assert "happiness 65 + 18" in texts["faces_kept"]
    assert "happiness 15 + 1" in texts["false_faces_matter"]


def test_p4_weighted_recall_is_the_accuracy() -> None:
    for depth, (accuracy, *_) in yang_claims.MACRO.items():
        assert yang_claims.WEIGHTED[depth][1] == accuracy
    numbers = [claim for claim in yang_claims.CLAIMS if claim.kind == "number"]
    assert len(numbers) == 16 + 8
    best = next(claim for claim in numbers if claim.name == "macro_f1_6_layers")
    assert best.paper == max(float(row[3]) for row in yang_claims.MACRO.values()) == 0.47


def test_p4_gives_one_picture_more_than_it_uses_and_two_more_than_there_are() -> None:
    counts = {claim.name: claim.paper for claim in yang_claims.CLAIMS if claim.kind == "count"}
    assert counts["pictures"] == 28_711
    assert counts["val_pictures"] == 4_710
    assert 28_711 - (24_000 + 4_710) == 1
    assert all(
        claim.complete == ("train+val", 28_709) for claim in yang_claims.CLAIMS if claim.counted
    )


def test_p5_has_its_three_networks_and_two_figures_of_each() -> None:
    paper = find_paper("liu")
    assert {figure.name for figure in paper.figures} == {
        f"{kind}_{name}"
        for kind in ("curves", "emotions")
        for name in ("plain", "jumper", "guided")
    }
