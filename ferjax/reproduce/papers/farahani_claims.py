"""P3: the claims of Farahani, and a figure of the over-fitting that it reports."""

from collections.abc import Mapping

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.paper_table import Figure

# Faces kept for train and test, and false detections removed from them, of each class.
KEPT = {
    "anger": (70, 19),
    "disgust": (57, 15),
    "fear": (72, 19),
    "happiness": (65, 18),
    "neutral": (78, 20),
    "sadness": (72, 20),
    "surprise": (75, 20),
}
REMOVED = {
    "anger": (9, 1),
    "disgust": (2, 1),
    "fear": (7, 2),
    "happiness": (15, 1),
    "neutral": (1, 1),
    "sadness": (7, 0),
    "surprise": (4, 1),
}
_BY_HAND = (
    "the 52 false detections were found by hand, and which they are was not published; ferjax has"
    " no such detections to train on"
)


def _by_class(counts: Mapping[str, tuple[int, int]]) -> str:
    """Returns `anger 70 + 19, disgust 57 + 15`: the images of each class for train and test."""
    return ", ".join(f"{name} {train} + {test}" for name, (train, test) in counts.items())


def _accuracy(experiment: str, split: str = "val") -> Measure:
    """Returns the measure of the median accuracy of the last epochs, which the paper prints.

    By the paper's protocol the test images are val too, so that they have a curve.
    """
    return Measure(experiment, "curve_stable_accuracy", split, "last")


def _number(
    name: str,
    text: str,
    printed: str,
    measure: Measure,
    honest: Measure | None = None,
    untestable: str | None = None,
) -> Claim:
    """Returns the claim of a printed accuracy in per cent."""
    return Claim(
        name=name,
        kind="number",
        text=text,
        where="results",
        paper=round(float(printed) / 100, 6),
        printed=f"{printed} %",
        measure=measure,
        honest=honest,
        untestable=untestable,
    )


_HONEST = Measure("resnet18_honest", "accuracy", "test", "selected")

CLAIMS = (
    Claim(
        name="faces_kept",
        kind="count",
        text="620 of SFEW's 675 stills are kept, for training and test together"
        f" ({_by_class(KEPT)}).",
        where="data",
        paper=620,
        printed="620",
        measure=Measure("base_cnn"),
        counted="train+test",
    ),
    _number(
        "base_cnn_train_with_false_faces",
        "The base network reaches 19.2 % on its training images, false detections among them.",
        "19.2",
        _accuracy("base_cnn", "train"),
        untestable=_BY_HAND,
    ),
    _number(
        "base_cnn_test_with_false_faces",
        "The base network reaches 15.8 % on the test images, false detections among them.",
        "15.8",
        _accuracy("base_cnn"),
        untestable=_BY_HAND,
    ),
    _number(
        "base_cnn_train",
        "The base network reaches 15.4 % on its training images without false detections.",
        "15.4",
        _accuracy("base_cnn", "train"),
    ),
    _number(
        "base_cnn_test",
        "The base network reaches 14.1 % on the test images without false detections.",
        "14.1",
        _accuracy("base_cnn"),
    ),
    Claim(
        name="false_faces_matter",
        kind="statement",
        text="False detections change the accuracy, so that they must be removed before training"
        f" (found in training and test: {_by_class(REMOVED)}).",
        where="discussion",
        untestable=_BY_HAND,
    ),
    _number(
        "resnet18_train",
        "ResNet18, all of it fine-tuned, reaches 98.3 % on its training images.",
        "98.3",
        _accuracy("resnet18", "train"),
        _accuracy("resnet18_honest", "train"),
    ),
    _number(
        "resnet18_test",
        "ResNet18, all of it fine-tuned, reaches 51.5 % on the test images.",
        "51.5",
        _accuracy("resnet18"),
        _HONEST,
    ),
    _number(
        "phog",
        "PHOG features reach 43.7 %.",
        "43.7",
        Measure("phog", "accuracy", "test", "last"),
    ),
    _number(
        "lpq",
        "LPQ features reach 46.3 %.",
        "46.3",
        Measure("lpq", "accuracy", "test", "last"),
    ),
    Claim(
        name="resnet18_better_than_phog",
        kind="better",
        text="The fine-tuned ResNet18 is better than PHOG features.",
        where="results",
        measure=Measure("resnet18", "accuracy", "test", "last"),
        than=Measure("phog", "accuracy", "test", "last"),
        honest=_HONEST,
        honest_than=Measure("phog", "accuracy", "test", "last"),
    ),
    Claim(
        name="resnet18_better_than_lpq",
        kind="better",
        text="The fine-tuned ResNet18 is better than LPQ features.",
        where="results",
        measure=Measure("resnet18", "accuracy", "test", "last"),
        than=Measure("lpq", "accuracy", "test", "last"),
        honest=_HONEST,
        honest_than=Measure("lpq", "accuracy", "test", "last"),
    ),
    Claim(
        name="resnet18_over_fits",
        kind="better",
        text="The fine-tuned ResNet18 over-fits: it is better on its training images than on the"
        " test images.",
        where="discussion",
        measure=_accuracy("resnet18", "train"),
        than=_accuracy("resnet18"),
        honest=_accuracy("resnet18_honest", "train"),
        honest_than=_accuracy("resnet18_honest"),
    ),
    Claim(
        name="freezing_helps",
        kind="better",
        text="Early layers should be frozen instead of tuning all, against the over-fitting.",
        where="conclusion",
        measure=Measure("resnet18_frozen", "accuracy", "test", "last"),
        than=Measure("resnet18", "accuracy", "test", "last"),
    ),
)

FIGURES = (
    Figure(
        name="curves_resnet18",
        kind="curves",
        caption="Accuracy and loss of ResNet18, all of it fine-tuned; the paper has no such figure,"
        " but says that it over-fits.",
        where="discussion",
        experiment="resnet18",
    ),
)
