"""The study of protocols: its experiments, and the comparisons that give the price of each breach.

A breach is priced against an honest run of the same network, seed and number of epochs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ferjax.reproduce.experiment_table import Experiment

TITLE = "The price of each breach of a protocol"
DATASETS = ("fer2013", "ferplus", "ckplus")

# Two CPU cores train cnn3 on 720 to 1,000 images/s: a run on FER2013 or FER+ takes 3 to 4 minutes,
# a small run on CK+ 30 s. All runs with three seeds took 98 minutes.
_NETWORK: Mapping[str, Any] = {
    "model": "cnn3",
    "image_size": 48,
    "dropout": 0.1,
    "augment": "flip",
    "label_smoothing": 0.0,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "learning_rate": 1e-3,
    # As in much public code: a schedule that ends at 0 leaves less to select.
    "schedule": "constant",
}
_FACES = {**_NETWORK, "batch_size": 128, "epochs": 6}
_PEOPLE = {**_NETWORK, "dataset": "ckplus", "batch_size": 32, "epochs": 20}
# Every second of ten folds: half of the people are in a test split once.
FOLDS = (1, 3, 5, 7, 9)

# Suffix of the experiments on FER2013 and FER+ → (protocol, why).
_OF_FACES = {
    "honest": ("publictest_is_test", "Val selects the epoch, test is read once."),
    "swapped": ("swapped", "Trained on the same images; test selects the epoch, val is reported."),
    "merged": ("merged", "All images pooled and cut at random, in the same sizes."),
    "without_duplicates": (
        "without_duplicates",
        "Trained without the images that test shows too.",
    ),
}


def _experiment(
    name: str, settings: Mapping[str, Any], protocol: str | None, why: str
) -> Experiment:
    role = "honest" if protocol in (None, "publictest_is_test", "without_duplicates") else "breach"
    return Experiment(name, role, "default", settings, protocol, why=why)


EXPERIMENTS = (
    *(
        _experiment(f"{dataset}_{suffix}", {**_FACES, "dataset": dataset}, protocol, why)
        for dataset in ("fer2013", "ferplus")
        for suffix, (protocol, why) in _OF_FACES.items()
    ),
    _experiment(
        "ferplus_argmax_train",
        {**_FACES, "dataset": "ferplus"},
        "argmax_of_ten_train",
        "Trained on labels that are the highest of the ten columns.",
    ),
    *(
        _experiment(
            f"ckplus_fold_{fold}",
            {**_PEOPLE, "folds": 10, "fold": fold},
            None,
            f"Fold {fold} of ten, by person.",
        )
        for fold in FOLDS
    ),
    *(
        _experiment(
            f"ckplus_shared_{fold}",
            {**_PEOPLE, "split_seed": fold},
            "shared_subjects",
            "A cut of the same sizes, image by image.",
        )
        for fold in FOLDS
    ),
)

# What --smoke trains: every data set, both sides of every kind of comparison.
SMOKE_EXPERIMENTS = (
    "fer2013_honest",
    "fer2013_swapped",
    "ferplus_honest",
    "ferplus_argmax_train",
    "ckplus_fold_1",
    "ckplus_shared_1",
)


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
      experiments: the experiments whose runs are used; the images of several are pooled.
      images: the images that were classified: `test` or `val` at the selected epoch, `test+flip`,
        `test+ten_crop`, or `argmax_test`, the test images with the highest of ten columns as label.
      only: the part of these images that counts. Empty: all; `majority` (of `argmax_test`): those
        with a majority; `unique`, `duplicated` (of `test`): those that train lacks, or shows too.
    """

    experiments: tuple[str, ...]
    images: str = "test"
    only: str = ""


@dataclass(frozen=True)
class Comparison:
    """A breach on a data set: the accuracy of one side minus that of the other.

    Attributes:
      name: unique; letters, digits and `_`.
      dataset: name of the data set.
      breach: what is done, in a few words.
      meaning: one sentence: what is compared, and what the number says.
      with_breach: the side with the breach.
      honest: the side without it.
    """

    name: str
    dataset: str
    breach: str
    meaning: str
    with_breach: Side
    honest: Side


def _comparisons_on_faces(dataset: str) -> tuple[Comparison, ...]:
    def side(suffix: str, images: str = "test", only: str = "") -> Side:
        return Side((f"{dataset}_{suffix}",), images, only)

    honest = side("honest")
    rows = {
        "select_on_test": (
            "epoch selected on test",
            "The same training and the same images, at the epoch that these images select instead"
            " of the one that val selects. The mean cannot be negative, the interval can.",
            side("swapped", "val"),
            honest,
        ),
        "swapped": (
            "val and test exchanged",
            "The accuracy on val at the epoch that test selects, above the honest one on test: the"
            " two splits differ in difficulty, and what it says depends on the two splits.",
            side("swapped"),
            honest,
        ),
        "merged": (
            "splits merged and cut at random",
            "Another training and other test images of the same number. Most of its interval is"
            " the chance of which images are test.",
            side("merged"),
            honest,
        ),
        "flip": (
            "unstated mirror views",
            "The same parameters and images; the probabilities of an image and of its mirror image"
            " are averaged.",
            side("honest", "test+flip"),
            honest,
        ),
        "ten_crop": (
            "unstated ten crops",
            "The same parameters and images; the probabilities of ten crops are averaged.",
            side("honest", "test+ten_crop"),
            honest,
        ),
        "duplicates_counted": (
            "test images that train shows are counted",
            "The same parameters: all test images, above those that train does not show. Images"
            " with copies may also be easier than others.",
            honest,
            side("honest", only="unique"),
        ),
        "duplicates_trained": (
            "trained on copies of test images",
            "All test images: trained with the copies, above trained without them.",
            honest,
            side("without_duplicates"),
        ),
        "duplicates_remembered": (
            "the same, on the copied images alone",
            "Only the test images that train shows: trained with the copies, above trained without"
            " them.",
            side("honest", only="duplicated"),
            side("without_duplicates", only="duplicated"),
        ),
    }
    return tuple(Comparison(f"{dataset}_{name}", dataset, *fields) for name, fields in rows.items())


_MAJORITY = Side(("ferplus_honest",), "argmax_test", "majority")

COMPARISONS = (
    *_comparisons_on_faces("fer2013"),
    *_comparisons_on_faces("ferplus"),
    Comparison(
        "ferplus_argmax_train",
        "ferplus",
        "trained on the highest of ten columns",
        "Other training labels, the same test images: those with a majority.",
        Side(("ferplus_argmax_train",)),
        Side(("ferplus_honest",)),
    ),
    Comparison(
        "ferplus_argmax_test",
        "ferplus",
        "judged by the highest of ten columns",
        "The same parameters: test images with and without a majority, above those with one.",
        Side(("ferplus_honest",), "argmax_test"),
        _MAJORITY,
    ),
    Comparison(
        "ferplus_argmax_both",
        "ferplus",
        "trained and judged so",
        "Both at once, above the honest run on test images with a majority.",
        Side(("ferplus_argmax_train",), "argmax_test"),
        _MAJORITY,
    ),
    Comparison(
        "ckplus_shared_people",
        "ckplus",
        "cut by image, so that people are shared",
        "The images of five cuts of the same sizes, image by image, above those of five folds by"
        " person.",
        Side(tuple(f"ckplus_shared_{fold}" for fold in FOLDS)),
        Side(tuple(f"ckplus_fold_{fold}" for fold in FOLDS)),
    ),
)


def comparisons_of(smoke: bool) -> tuple[Comparison, ...]:
    """Returns the comparisons; those of `--smoke` have one fold of people."""

    def first(side: Side) -> Side:
        return replace(side, experiments=side.experiments[:1])

    if not smoke:
        return COMPARISONS
    return tuple(
        replace(one, with_breach=first(one.with_breach), honest=first(one.honest))
        for one in COMPARISONS
    )
