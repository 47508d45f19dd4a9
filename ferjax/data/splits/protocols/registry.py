"""Registry of the protocols that `--protocol` takes: what each breaches, and how it cuts the data.

Without `--protocol` the splits are ferjax's: val selects the epoch, test is read once, and no
person is in both if people are known. Every other protocol is requested by name, and reports state
it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferjax.data.splits.protocols import splits_of_papers, splits_to_study
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError, unknown_name

# (bundle with the splits on disk, split seed, share of train that becomes val if cut) → bundle
Arrange = Callable[[DatasetBundle, int, float], DatasetBundle]


@dataclass(frozen=True)
class Protocol:
    """A way to cut and label a data set that is not ferjax's.

    Attributes:
      breach: a sentence for reports: what the protocol does, and what is wrong with its numbers.
      arrange: makes train, val and test of the splits on disk.
      datasets: names of the data sets that it applies to; empty: all.
      options: options of the data set's loader that it sets.
      is_breach: whether its numbers are worth less than those of ferjax's splits.
      selects_on_test: whether the test images choose the epoch.
    """

    breach: str
    arrange: Arrange
    datasets: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    is_breach: bool = True
    selects_on_test: bool = False


# Class → its images in P1's confusion matrix of FER2013 / its images in the published data set.
_KUMARI_FER2013 = {
    "anger": 1526 / 4953,
    "disgust": 250 / 547,
    "fear": 1866 / 5121,
    "happiness": 3291 / 8989,
    "neutral": 2229 / 6198,
    "sadness": 2222 / 6077,
    "surprise": 1525 / 4002,
}
_FER = ("fer2013", "ferplus")


def _kumari(on_disk: DatasetBundle, seed: int, _: float) -> DatasetBundle:
    # The class lists of CK+ have contempt, or no neutral faces.
    is_fer2013 = "neutral" in on_disk.classes and "contempt" not in on_disk.classes
    shares = _KUMARI_FER2013 if is_fer2013 else 0.3
    return splits_of_papers.pool_cut_in_two(on_disk, seed, shares)


def _farahani(on_disk: DatasetBundle, seed: int, _: float) -> DatasetBundle:
    return splits_of_papers.pool_cut_in_two(on_disk, seed, 0.2)


def _yang(on_disk: DatasetBundle, seed: int, _: float) -> DatasetBundle:
    return splits_of_papers.train_cut_in_two(on_disk, seed, kept=24_000, whole=28_709)


PROTOCOLS: dict[str, Protocol] = {
    "kumari": Protocol(
        "P1's: CK+ is cut 70/30 and FER2013 as P1's matrix has it, image by image, so that frames"
        " of one person are in train and in test; the test images also select the epoch.",
        _kumari,
        ("ckplus", "fer2013"),
        selects_on_test=True,
    ),
    "iut": Protocol(
        "P2's: val is a fifth of Training, and test is PublicTest and PrivateTest merged, so that"
        " its numbers cannot be compared with those on PrivateTest.",
        splits_of_papers.cut_train_and_merge_the_rest,
        ("fer2013",),
    ),
    "farahani": Protocol(
        "P3's: 80 % train, 20 % test and no val, so that nothing selects: the paper takes the"
        " median of the last epochs. Read the last epoch; the selected one was chosen on test.",
        _farahani,
        ("sfew",),
        selects_on_test=True,
    ),
    "yang": Protocol(
        "P4's: 24,000 of Training train, and the others, which the paper calls validation and"
        " measures, select the epoch: of val read the last epoch, which nothing has selected.",
        _yang,
        ("fer2013",),
    ),
    "liu": Protocol(
        "P5's: what the paper calls validation is RAF-DB's test split, which selects the epoch.",
        splits_of_papers.whole_train_val_is_test,
        ("rafdb",),
        selects_on_test=True,
    ),
    "select_on_test": Protocol(
        "The epoch is selected on the test images, so that their accuracy is too good.",
        splits_to_study.select_on_test,
        selects_on_test=True,
    ),
    "merged": Protocol(
        "All images are pooled and cut at random, so that the test split is not the published one,"
        " and what is alike in it and in train stays.",
        splits_to_study.merged,
    ),
    "swapped": Protocol(
        "Val and test are exchanged: the test split selects the epoch, and the accuracy is that of"
        " the validation split.",
        splits_to_study.swapped,
    ),
    "publictest_is_test": Protocol(
        "No breach: PrivateTest is not on disk, so PublicTest is test and val is cut from Training."
        " The numbers cannot be compared with those on PrivateTest.",
        splits_to_study.public_test_is_test,
        _FER,
        is_breach=False,
    ),
    "without_duplicates": Protocol(
        "No breach: training images that test images show too, also mirrored or slightly changed,"
        " are left out.",
        splits_to_study.without_duplicates,
        is_breach=False,
    ),
    "shared_subjects": Protocol(
        "The cut is made image by image, so that the same people are in train and in test.",
        splits_to_study.shared_subjects,
    ),
    "argmax_of_ten": Protocol(
        "Every label is the highest of FER+'s ten columns, also without a majority, so that train,"
        " val and test are other images than those of FER+'s rules.",
        splits_to_study.honest_splits,
        ("ferplus",),
        {"argmax_of": ("train", "val", "test")},
    ),
    "argmax_of_ten_train": Protocol(
        "Every training label is the highest of FER+'s ten columns, also without a majority; val"
        " and test are as in FER+'s rules.",
        splits_to_study.honest_splits,
        ("ferplus",),
        {"argmax_of": ("train",)},
    ),
    "argmax_of_ten_test": Protocol(
        "Every label of val and test is the highest of FER+'s ten columns, also without a majority,"
        " so that other images are judged than by FER+'s rules.",
        splits_to_study.honest_splits,
        ("ferplus",),
        {"argmax_of": ("val", "test")},
    ),
}


def named_protocol(name: str, dataset: str, folds: int | None = None) -> Protocol:
    """Returns a protocol after checking that it applies to the data set.

    Raises:
      UserError: an unknown name, a data set that it does not apply to, or folds.
    """
    protocol = _named(name)
    if protocol.datasets and dataset not in protocol.datasets:
        raise UserError(
            f"--protocol={name} is of {', '.join(protocol.datasets)}, not of --dataset={dataset}."
            " Leave the flag out, or see --list."
        )
    if folds:
        raise UserError(
            f"--protocol={name} with --folds={folds}: both say how the data are cut. Leave one of"
            " the two out."
        )
    return protocol


def _named(name: str) -> Protocol:
    """Returns a protocol by its name."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def selects_on_test(name: str | None) -> bool:
    """Returns whether the test images choose the epoch by this protocol; never for None."""
    return name is not None and _named(name).selects_on_test


def stamp(*names: str | None) -> list[str]:
    """Returns a sentence for each protocol, for reports of runs with them; none for None."""
    sentences = []
    for name, protocol in _distinct(names):
        kind = "not ferjax's splits" if protocol.is_breach else "asked for by name"
        sentences.append(f"protocol {name}, {kind}: {protocol.breach}")
    return sentences


def stamped_summary(summary: str, *names: str | None) -> str:
    """Returns the headline of a report, with the names of the protocols before its numbers."""
    protocols = _distinct(names)
    if not protocols:
        return summary
    breach = " (a breach, see the warnings)" * any(protocol.is_breach for _, protocol in protocols)
    return f"protocol {', '.join(name for name, _ in protocols)}{breach}: {summary}"


def protocol_rows(*names: str | None) -> dict[str, str]:
    """Returns the rows `name` and `breach` of a report's protocol block; none for None."""
    protocols = _distinct(names)
    if not protocols:
        return {}
    return {
        "name": ", ".join(name for name, _ in protocols),
        "breach": " ".join(protocol.breach for _, protocol in protocols),
    }


def _distinct(names: Iterable[str | None]) -> list[tuple[str, Protocol]]:
    """Returns (name, protocol) of each different name; None is left out."""
    return [(name, _named(name)) for name in dict.fromkeys(names) if name is not None]
