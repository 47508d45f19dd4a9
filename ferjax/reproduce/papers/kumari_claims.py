"""P1: the claims of Kumari, its two matrices, and the figures that are redrawn."""

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.paper_table import Figure

# The matrices as printed: rows are predicted classes, columns true ones.
CKPLUS_CLASSES = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
CKPLUS_PRINTED = (
    (38, 0, 0, 0, 0, 0, 0),
    (0, 14, 0, 0, 0, 1, 1),
    (0, 0, 53, 0, 0, 0, 0),
    (0, 0, 0, 21, 0, 0, 0),
    (1, 2, 0, 0, 62, 0, 0),
    (1, 0, 0, 0, 0, 24, 0),
    (0, 0, 0, 1, 0, 0, 74),
)
CKPLUS_RECALLS = ("95.0", "87.5", "100", "95.5", "100", "96.0", "98.7")
FER_CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
FER_PRINTED = (
    (921, 85, 411, 133, 165, 302, 168),
    (21, 109, 5, 1, 2, 5, 0),
    (77, 13, 509, 32, 66, 162, 84),
    (57, 6, 69, 2840, 187, 96, 82),
    (262, 11, 257, 156, 1528, 542, 67),
    (170, 25, 415, 73, 262, 1099, 19),
    (18, 1, 200, 56, 19, 16, 1105),
)
FER_RECALLS = ("60.4", "43.6", "27.3", "86.3", "68.6", "49.5", "72.5")

_DATASET_NAMES = {"ckplus": "CK+", "fer": "FER2013"}


def _transposed(matrix: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Returns a matrix with rows and columns exchanged."""
    return tuple(zip(*matrix, strict=True))


def _recall(name: str, emotion: str, printed: str) -> Claim:
    """Returns the claim of one cell in the margin of a matrix."""
    return Claim(
        name=f"recall_{name}_{emotion}",
        kind="number",
        text=f"On {_DATASET_NAMES[name]} {printed} % of the faces that show {emotion} are"
        " recognised.",
        where="confusion matrix",
        paper=float(printed) / 100,
        printed=f"{printed} %",
        # 100 is printed without a decimal; the other cells of the margin have one.
        rounding=0.0005,
        measure=Measure(name, "recall", "test", "last", emotion),
        honest=Measure(f"{name}_honest", "recall", "test", "selected", emotion),
    )


CLAIMS = (
    Claim(
        name="accuracy_ckplus",
        kind="number",
        text="ResNet50, trained on ImageNet and then on CK+, reaches 97.6 % on the test images.",
        where="abstract, results",
        paper=0.976,
        printed="97.6 %",
        measure=Measure("ckplus", "accuracy", "test", "last"),
        honest=Measure("ckplus_honest", "accuracy", "test", "selected"),
    ),
    Claim(
        name="loss_ckplus",
        kind="number",
        text="Its loss on the training images of CK+ is 0.0243 at the end.",
        where="results",
        paper=0.0243,
        printed="0.0243",
        measure=Measure("ckplus", "curve_loss", "train", "last"),
        honest=Measure("ckplus_honest", "curve_loss", "train", "last"),
    ),
    Claim(
        name="accuracy_fer",
        kind="number",
        text="The same network, trained on what the paper calls FER+, reaches 62.8 %.",
        where="abstract, results",
        paper=0.628,
        printed="62.8 %",
        measure=Measure("fer", "accuracy", "test", "last"),
        honest=Measure("fer_honest", "accuracy", "test", "selected"),
    ),
    *(
        _recall("ckplus", emotion, printed)
        for emotion, printed in zip(CKPLUS_CLASSES, CKPLUS_RECALLS, strict=True)
    ),
    *(
        _recall("fer", emotion, printed)
        for emotion, printed in zip(FER_CLASSES, FER_RECALLS, strict=True)
    ),
    *(
        Claim(
            name=f"{kind}_{name}",
            kind="figure",
            text=f"{shown} on {words}.",
            where="results",
            measure=Measure(name),
            figure=f"{kind}_{name}",
        )
        for name, words in _DATASET_NAMES.items()
        for kind, shown in (
            ("curves", "Accuracy and loss over the epochs"),
            ("confusion", "A confusion matrix with counts, percentages and margins"),
        )
    ),
)

FIGURES = (
    *(
        Figure(
            name=f"curves_{name}",
            kind="curves",
            caption=f"Accuracy and loss of ResNet50 on {words} over the epochs.",
            where="results",
            experiment=name,
        )
        for name, words in _DATASET_NAMES.items()
    ),
    Figure(
        name="confusion_ckplus",
        kind="confusion",
        caption="Confusion matrix of CK+; the paper prints it with rows and columns exchanged.",
        where="results",
        experiment="ckplus",
        epoch="last",
        matrix=_transposed(CKPLUS_PRINTED),
        classes=CKPLUS_CLASSES,
    ),
    Figure(
        name="confusion_fer",
        kind="confusion",
        caption="Confusion matrix of FER2013; the paper prints it with rows and columns exchanged,"
        " and 12,909 images in it.",
        where="results",
        experiment="fer",
        epoch="last",
        matrix=_transposed(FER_PRINTED),
        classes=FER_CLASSES,
    ),
)
