"""Class counts against published ones: permuted labels are refused, smaller copies are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.published_class_counts import PUBLISHED, published_counts
from ferjax.errors import UserError

# Data sets whose classes all have different counts; in FER+ two classes have equal counts.
DATASETS = st.sampled_from(["fer2013", "rafdb"])
TOTALS = {
    ("fer2013", "Training"): 28709,
    ("fer2013", "PublicTest"): 3589,
    ("fer2013", "PrivateTest"): 3589,
    ("fer2013", "PublicTest+PrivateTest"): 7178,
    ("rafdb", "train"): 12271,
    ("rafdb", "test"): 3068,
    ("ferplus", "FER2013Train"): 25060,
    ("ferplus", "FER2013Valid"): 3199,
    ("ferplus", "FER2013Test"): 3153,
}


def splits_of(dataset: str) -> list[str]:
    return [split for name, split in TOTALS if name == dataset]


def permuted(counts: dict[str, int], order: tuple[int, ...]) -> dict[str, int]:
    names = list(counts)
    return {names[j]: counts[name] for name, j in zip(names, order, strict=True)}


@pytest.mark.parametrize(("dataset", "split"), TOTALS)
def test_totals_are_the_published_ones_and_pass_without_a_note(dataset: str, split: str) -> None:
    counts = published_counts(dataset, split)
    assert sum(counts.values()) == TOTALS[dataset, split]
    assert check_counts(dataset, {split: counts}, "x.csv") == ()


@settings(deadline=None)
@given(DATASETS, st.permutations(range(7)), st.data())
def test_every_permutation_of_the_full_counts_is_refused(
    dataset: str, order: list[int], data: st.DataObject
) -> None:
    splits = data.draw(st.lists(st.sampled_from(splits_of(dataset)), min_size=1, unique=True))
    found = {s: permuted(published_counts(dataset, s), tuple(order)) for s in splits}
    if order == list(range(7)):
        assert check_counts(dataset, found, "x.csv") == ()
        return
    with pytest.raises(UserError, match="permuted"):
        check_counts(dataset, found, "x.csv")


@settings(deadline=None)
@given(DATASETS, st.floats(0, 1), st.data())
def test_a_part_of_every_class_gets_a_note_and_no_error(
    dataset: str, share: float, data: st.DataObject
) -> None:
    splits = data.draw(st.lists(st.sampled_from(splits_of(dataset)), min_size=1, unique=True))
    found = {
        split: {name: int(share * n) for name, n in published_counts(dataset, split).items()}
        for split in splits
    }
    assert len(check_counts(dataset, found, "x.csv")) == (0 if share == 1 else len(splits))


@settings(deadline=None)
@given(DATASETS, st.integers(0, 50), st.data())
def test_small_subsets_of_any_distribution_get_notes_and_no_error(
    dataset: str, most: int, data: st.DataObject
) -> None:
    split = splits_of(dataset)[0]
    found = {name: data.draw(st.integers(0, most)) for name in published_counts(dataset, split)}
    gaps, *suspicion = check_counts(dataset, {split: found}, "x.csv")
    assert gaps.startswith(f"{split}: ")
    assert all("fit another order" in note for note in suspicion)
    assert len(suspicion) <= 1


def test_random_subsets_of_any_size_get_a_note() -> None:
    rng = np.random.default_rng(0)
    for dataset, split in TOTALS:
        counts = published_counts(dataset, split)
        for share in (0.05, 0.3, 0.6, 0.9, 0.98):
            size = int(share * sum(counts.values()))
            draw = rng.multivariate_hypergeometric(list(counts.values()), size)
            found = dict(zip(counts, draw.tolist(), strict=True))
            assert len(check_counts(dataset, {split: found}, "x.csv")) == 1


def test_balanced_copies_are_no_permutation() -> None:
    for count in (10, 436, 3000, 8000):
        found = dict.fromkeys(published_counts("fer2013", "Training"), count)
        assert len(check_counts("fer2013", {"Training": found}, "x.csv")) == 1


def test_a_validation_cut_counts_as_train() -> None:
    counts = published_counts("rafdb", "train")
    cut = {name: n // 10 for name, n in counts.items()}
    rest = {name: n - cut[name] for name, n in counts.items()}
    assert check_counts("rafdb", {"train": rest, "val": cut}, "x") == ()


def test_a_split_without_published_counts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "mine", {"train": {"anger": 5, "fear": 7}})
    found = {split: {"anger": 5, "fear": 7} for split in ("train", "test")}
    with pytest.raises(UserError, match=r"class_counts\.py: mine has counts of train, none"):
        check_counts("mine", found, "x")


def test_the_note_has_the_numbers() -> None:
    found = published_counts("rafdb", "train") | {"anger": 690, "neutral": 2526}
    (note,) = check_counts("rafdb", {"train": found}, "x.csv")
    assert note == "train: 12,258 images, 12,271 published (anger -15, neutral +2)"


def test_the_error_names_file_classes_and_counts() -> None:
    alphabetical = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    counts = published_counts("fer2013", "Training")
    by_number = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    # Folders 0 to 6 numbered alphabetically, read with the csv's numbering.
    found = {right: counts[wrong] for right, wrong in zip(by_number, alphabetical, strict=True)}
    with pytest.raises(UserError) as caught:
        check_counts("fer2013", {"Training": found}, "faces/fer2013.csv")
    text = str(caught.value)
    for part in (
        "faces/fer2013.csv",
        "sadness (4,965 images, published 4,830) counts like neutral (4,965)",
        "surprise (4,830 images, published 3,171) counts like sadness (4,830)",
        "neutral (3,171 images, published 4,965) counts like surprise (3,171)",
        "--dataset=folder",
    ):
        assert part in text
    assert "anger" not in text
