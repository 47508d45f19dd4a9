"""The cuts of the five papers, with the counts that the papers print."""

from dataclasses import replace

import numpy as np
import pytest

from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.data.splits.protocols.splits_of_papers import pool_cut_in_two
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

ROLES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


def split_of(name: str, counts: dict[str, int], classes: tuple[str, ...]) -> Split:
    labels = np.repeat(np.arange(len(classes)), [counts[c] for c in classes]).astype(np.int32)
    ids = tuple(f"{name}/{k}" for k in range(len(labels)))
    return Split(name, labels, ids, (1, 1, 1), lambda i: np.zeros((len(i), 1, 1, 1), np.uint8))


def fer2013(*on_disk: str) -> DatasetBundle:
    """Returns the splits of FER2013 with the published counts; ids begin with the split's name."""
    names = on_disk or ("train", "val", "test")
    published = PUBLISHED["fer2013"]
    classes = ordered_classes(published["Training"])
    splits = {name: split_of(name, published[ROLES[name]], classes) for name in names}
    return DatasetBundle(splits, classes, "made", {name: ROLES[name] for name in names})


def ckplus() -> DatasetBundle:
    """Returns CK+48's 981 images, a tenth of each class in val and in test as a fold has them."""
    counts = PUBLISHED["ckplus"]["all"]
    classes = ordered_classes(counts)
    tenth = {name: count // 10 for name, count in counts.items()}
    rest = {name: count - 2 * tenth[name] for name, count in counts.items()}
    sizes = {"train": rest, "val": tenth, "test": tenth}
    splits = {name: split_of(name, counts, classes) for name, counts in sizes.items()}
    return DatasetBundle(splits, classes, "made", dict.fromkeys(splits, "fold 1"),
                         ("by person",), cut_notes=("by person",))  # fmt: skip


def cut(name: str, bundle: DatasetBundle, seed: int = 0) -> DatasetBundle:
    return PROTOCOLS[name].arrange(bundle, seed, 0.1)


def sizes(bundle: DatasetBundle) -> dict[str, int]:
    return {name: len(split) for name, split in bundle.splits.items()}


def by_class(bundle: DatasetBundle, name: str = "test") -> dict[str, int]:
    counts = np.bincount(bundle.splits[name].labels, minlength=len(bundle.classes)).tolist()
    return dict(zip(bundle.classes, counts, strict=True))


def test_kumari_ckplus_has_the_column_sums_of_the_printed_matrix() -> None:
    found = cut("kumari", ckplus())
    assert sizes(found) == {"train": 688, "val": 293, "test": 293}
    assert by_class(found) == dict(
        anger=40, contempt=16, disgust=53, fear=22, happiness=62, sadness=25, surprise=75
    )
    assert found.notes == ()


def test_kumari_fer2013_has_the_column_sums_of_the_printed_matrix() -> None:
    found = cut("kumari", fer2013())
    printed = dict(
        anger=1526,
        disgust=250,
        fear=1866,
        happiness=3291,
        neutral=2229,
        sadness=2222,
        surprise=1525,
    )
    assert by_class(found) == printed
    assert sizes(found) == {"train": 35_887 - 12_909, "val": 12_909, "test": 12_909}


def test_iut_cuts_training_and_merges_the_two_tests() -> None:
    found = cut("iut", fer2013())
    assert sizes(found) == {"train": 22_968, "val": 5_741, "test": 7_178}
    assert found.sources["test"] == "PublicTest and PrivateTest"
    assert {name.partition("/")[0] for name in found.splits["val"].ids} == {"train"}
    assert {name.partition("/")[0] for name in found.splits["test"].ids} == {"val", "test"}
    assert found.notes == ()


def test_iut_without_private_test_says_so() -> None:
    found = cut("iut", fer2013("train", "val"))
    assert sizes(found) == {"train": 22_968, "val": 5_741, "test": 3_589}
    assert found.notes == (
        "PrivateTest is not on disk: the protocol was applied to the images that are there",
    )
    with pytest.raises(UserError, match="needs a test split on disk; found train"):
        cut("iut", fer2013("train"))


def test_yang_measures_on_what_24000_leave() -> None:
    found = cut("yang", fer2013())
    # P4 prints 4,710, but Training holds 28,709 images.
    assert sizes(found) == {"train": 24_000, "val": 4_709, "test": 3_589}
    assert found.notes == ("PublicTest is in no split",)
    whole = np.bincount(fer2013().splits["train"].labels)
    shares = np.bincount(found.splits["train"].labels) / whole
    np.testing.assert_allclose(shares, 24_000 / 28_709, atol=2e-3)


def test_yang_of_fewer_images_keeps_the_share() -> None:
    bundle = fer2013("train", "val")
    few = {name: split_of(name, dict.fromkeys(bundle.classes, 10), bundle.classes)
           for name in ("train", "val")}  # fmt: skip
    found = cut("yang", DatasetBundle(few, bundle.classes, "made", bundle.sources))
    assert sizes(found) == {"train": 59, "val": 11, "test": 70}
    assert found.sources["test"] == "PublicTest"
    assert found.notes == ("train is 59 of 70 images, as 24,000 is of 28,709",)
    with pytest.raises(UserError, match="needs a val split on disk"):
        cut("yang", fer2013("train"))


def test_liu_trains_on_all_of_train() -> None:
    published = PUBLISHED["rafdb"]
    classes = ordered_classes(published["train"])
    splits = {name: split_of(name, published[name], classes) for name in ("train", "test")}
    found = cut("liu", DatasetBundle(splits, classes, "made", {"train": "train", "test": "test"}))
    assert sizes(found) == {"train": 12_271, "val": 3_068, "test": 3_068}
    with pytest.raises(UserError, match="needs a test split on disk"):
        cut("liu", fer2013("train", "val"))


def test_farahani_cuts_a_fifth_and_keeps_no_val() -> None:
    counts = PUBLISHED["sfew1"]["all"]
    classes = ordered_classes(counts)
    splits = {"train": split_of("train", counts, classes)}
    found = cut("farahani", DatasetBundle(splits, classes, "made", {"train": "all"}))
    assert sizes(found) == {"train": 540, "val": 135, "test": 135}
    assert by_class(found)["disgust"] == 15


def test_another_seed_cuts_otherwise() -> None:
    one, other = (cut("kumari", ckplus(), seed).splits["test"].ids for seed in (0, 1))
    assert one != other
    assert len(one) == len(other)


def test_soft_labels_are_not_pooled() -> None:
    bundle = ckplus()
    soft = np.full((len(bundle.splits["train"]), 7), 1 / 7, np.float32)
    splits = {**bundle.splits, "train": replace(bundle.splits["train"], targets=soft)}
    with pytest.raises(UserError, match="--protocol with soft labels"):
        pool_cut_in_two(replace(bundle, splits=splits), 0, 0.3)
