"""P4, Yang, Zhang and Zheng: networks of three to six convolutional layers on FER2013."""

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Figure, OpenPoint

TITLE = "P4 Yang, Zhang, Zheng: convolutional networks of three to six layers on FER2013"
DATASETS = ("fer2013",)

DEPTHS = (3, 4, 5, 6)
NAMES = tuple(f"cnn{depth}" for depth in DEPTHS)
HONEST = tuple(f"{name}_honest" for name in NAMES)

# Two CPU cores train cnn3, 4, 5, 6 on 1,300, 1,000, 700, 500 images/s. One seed of all four by one
# protocol, 24,000 images x 8, 8, 10, 10 epochs: 148 + 192 + 343 + 480 s = 19.4 minutes; three seeds
# by two protocols 117 minutes, the evaluations of every epoch and eight compilations about 15 more.
# The readings, 12 runs of cnn3 with one seed: 30 minutes.
_EPOCHS = {3: 8, 4: 8, 5: 10, 6: 10}

# Values of the settings that the paper does not print, beside our reading, tried on cnn3.
_READINGS = {
    "optimizer": {
        "adam": {"optimizer": "adam", "weight_decay": 0.0},
        "sgd": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 5e-4},
    },
    "learning_rate": {"0.0005": {"learning_rate": 5e-4}, "0.008": {"learning_rate": 8e-3}},
    "epochs": {"4": {"epochs": 4}, "16": {"epochs": 16}},
    "batch_size": {"64": {"batch_size": 64}, "512": {"batch_size": 512}},
    "dropout": {"0": {"dropout": 0.0}, "0.5": {"dropout": 0.5}},
    "augment": {"none": {"augment": "none"}, "standard": {"augment": "standard"}},
}


def _settings(depth: int) -> dict[str, object]:
    """Returns what differs from the recipe of this depth."""
    return {"epochs": _EPOCHS[depth], "class_weights": "effective"}


def _reading(field: str, value: str) -> str:
    """Returns the name of the experiment that tries this value."""
    return f"{field}_{value}".replace(".", "_")


EXPERIMENTS = (
    *(
        Experiment(
            name=f"cnn{depth}",
            role="paper",
            recipe=f"yang_cnn{depth}_fer2013",
            settings=_settings(depth),
            protocol="yang",
            why=f"The network of {depth} layers as in the paper: 24,000 of Training train it, the"
            " other 4,710 judge it.",
        )
        for depth in DEPTHS
    ),
    *(
        Experiment(
            name=f"cnn{depth}_honest",
            role="honest",
            recipe=f"yang_cnn{depth}_fer2013",
            settings=_settings(depth),
            protocol="publictest_is_test",
            why=f"The network of {depth} layers; a tenth of Training selects the epoch, PublicTest"
            " is read once.",
        )
        for depth in DEPTHS
    ),
    *(
        Experiment(
            name=_reading(field, value),
            role="reading",
            recipe="yang_cnn3_fer2013",
            settings={**_settings(3), **changes},
            protocol="yang",
            reading=(field, changes[field]),
            one_seed=True,
            why=f"What {field} moves: {value}.",
        )
        for field, values in _READINGS.items()
        for value, changes in values.items()
    ),
)

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
        honest=Measure(f"cnn{depth}_honest", metric, "test", "selected"),
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
        fact=("images", "train+val"),
    ),
    Claim(
        name="train_pictures",
        kind="count",
        text="24,000 of the pictures train the networks.",
        where="data",
        paper=24000,
        printed="24,000",
        measure=Measure("cnn3"),
        fact=("images", "train"),
    ),
    Claim(
        name="val_pictures",
        kind="count",
        text="4,710 of the pictures validate the networks.",
        where="data",
        paper=4710,
        printed="4,710",
        measure=Measure("cnn3"),
        fact=("images", "val"),
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
        honest=Measure("cnn6_honest", "macro_f1", "test", "selected"),
        honest_along=HONEST,
    ),
    Claim(
        name="confusion_matrix",
        kind="figure",
        text="The networks are judged by a confusion matrix beside the scores of each class.",
        where="evaluation",
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

# Field → (what the paper leaves open, our reading and its reason, the value that we take).
_SILENCES = {
    "optimizer": (
        "The optimizer is not printed.",
        "AdamW with a weight decay of 0.01, which needs the least tuning of the usual ones.",
        "adamw",
    ),
    "learning_rate": (
        "The learning rate and its schedule are not printed.",
        "One cycle with its peak at 0.002, which trains these networks in few epochs.",
        "0.002",
    ),
    "epochs": (
        "The number of epochs is not printed.",
        "8 for three and four layers and 10 for five and six, which two CPU cores can afford for"
        " three seeds.",
        "8",
    ),
    "batch_size": ("The batch size is not printed.", "128.", "128"),
    "dropout": (
        "There is dropout between the dense layers; its rate is not printed.",
        "0.25 for three and four layers, 0.5 for five and six: the shallow ones under-fit.",
        "0.25",
    ),
    "augment": (
        "No augmentation is mentioned, and none is ruled out.",
        "Horizontal flips, and shifts too for six layers.",
        "flip",
    ),
}

OPEN_POINTS = (
    *(
        OpenPoint(
            name=field,
            text=silence,
            reading=f"{reading} Tried on the network of three layers.",
            tried=((value, "cnn3"), *((v, _reading(field, v)) for v in _READINGS[field])),
            metric="macro_f1",
            split="val",
            epoch="last",
        )
        for field, (silence, reading, value) in _SILENCES.items()
    ),
    OpenPoint(
        name="widths",
        text="The widths are in a figure that is lost; those of the dense layers are not printed.",
        reading="32, 64, 128, 256, 512, 512 filters and one dense layer of 256; not varied.",
    ),
    OpenPoint(
        name="pools",
        text="Six 2x2 pools do not fit 48 pixels, and the paper does not say which are left out.",
        reading="A block pools while the map is even and its half is at least 3: four pools.",
    ),
    OpenPoint(
        name="batch_norm",
        text="A layer is called NB and not explained.",
        reading="Batch normalisation after every convolution; not varied.",
    ),
    OpenPoint(
        name="measured_split",
        text="The tables do not name the pictures that they were measured on, nor the epoch.",
        reading="The 4,710 of validation, at the last epoch, which nothing has selected. Beside"
        " it stands PublicTest, at the epoch that a tenth of Training selected.",
    ),
)
