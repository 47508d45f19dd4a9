"""P4: the claims of Yang, Zhang and Zheng and the figure that is redrawn."""

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.paper_table import Figure

NAMES = ("cnn3", "cnn4", "cnn5", "cnn6")
# Splits, and the number of pictures of Training in them as published.
_COMPLETE = ("train+val", 28_709)

# Rows of the tables of macro and of weighted averages. The weighted recall is the accuracy by
# definition, and both are printed with the same digits.
_MACRO_METRICS = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
MACRO = {
    3: (".47", ".53", ".56", ".46"),
    4: (".48", ".49", ".56", ".46"),
    5: (".43", ".47", ".51", ".41"),
    6: (".48", ".52", ".56", ".47"),
}
_WEIGHTED_METRICS = ("weighted_precision", "weighted_recall", "weighted_f1")
WEIGHTED = {
    3: (".61", ".47", ".51"),
    4: (".56", ".48", ".50"),
    5: (".55", ".43", ".46"),
    6: (".59", ".48", ".51"),
}


def _number(depth: int, metric: str, printed: str, where: str) -> Claim:
    """Returns the claim of one cell of a table."""
    words = metric.replace("_", " ").replace("f1", "F1")
    return Claim(
        name=f"{metric}_{depth}_layers",
        kind="number",
        text=f"The network of {depth} convolutional layers reaches a {words} of {printed}."
        if metric != "accuracy"
        else f"The network of {depth} convolutional layers reaches an accuracy, which is also its"
        f" weighted recall, of {printed}.",
        where=where,
        paper=float(printed),
        printed=printed,
        measure=Measure(f"cnn{depth}", metric, "val", "last"),
        honest=Measure(f"cnn{depth}", metric, "test", "selected"),
    )


CLAIMS = (
    Claim(
        name="pictures",
        kind="count",
        text="The csv file gives 28,711 pictures for training and validation together.",
        where="data",
        paper=28711,
        printed="28,711",
        measure=Measure("cnn3"),
        counted="train+val",
        complete=_COMPLETE,
    ),
    Claim(
        name="val_pictures",
        kind="count",
        text="24,000 of the pictures train the networks, the other 4,710 validate them.",
        where="data",
        paper=4710,
        printed="4,710",
        measure=Measure("cnn3"),
        counted="val",
        complete=_COMPLETE,
    ),
    *(
        _number(depth, metric, printed, "table of macro averages")
        for depth, row in MACRO.items()
        for metric, printed in zip(_MACRO_METRICS, row, strict=True)
    ),
    *(
        _number(depth, metric, printed, "table of weighted averages")
        for depth, row in WEIGHTED.items()
        for metric, printed in zip(_WEIGHTED_METRICS, row, strict=True)
        if metric != "weighted_recall"
    ),
    Claim(
        name="deeper_is_better",
        kind="trend",
        text="A deeper network tends to be better, from three convolutional layers to six.",
        where="conclusion",
        measure=Measure("cnn6", "macro_f1", "val", "last"),
        along=NAMES,
        honest=Measure("cnn6", "macro_f1", "test", "selected"),
        honest_along=NAMES,
    ),
    Claim(
        name="confusion_matrix",
        kind="figure",
        text="The networks are judged by a confusion matrix beside the scores of each class.",
        where="evaluation",
        measure=Measure("cnn6"),
        figure="confusion",
    ),
)

FIGURES = (
    Figure(
        name="confusion",
        kind="confusion",
        caption="Confusion matrix of the network of six layers on the validation pictures.",
        where="evaluation",
        experiment="cnn6",
        split="val",
        epoch="last",
    ),
)
