"""P4, Yang, Zhang and Zheng: networks of three to six convolutional layers on FER2013."""

from collections.abc import Mapping
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import OpenPoint
from ferjax.reproduce.papers.readings import Readings, reading_name, tried_values
from ferjax.reproduce.papers.yang_claims import CLAIMS, FIGURES

__all__ = ["CLAIMS", "DATASETS", "EXPERIMENTS", "FIGURES", "OPEN_POINTS", "TITLE"]

TITLE = "P4 Yang, Zhang, Zheng: convolutional networks of three to six layers on FER2013"
DATASETS = ("fer2013",)

DEPTHS = (3, 4, 5, 6)

# The same settings at every depth, so that only the depth differs. Two CPU cores train cnn3, cnn4,
# cnn5 and cnn6 on 900 to 1,300, 570 to 900, 430 to 650 and 380 to 500 images/s. One seed of all
# four takes 27 to 39 minutes; three seeds with evaluations and reports take 1.5 to 2.2 hours. The
# readings, 15 runs of cnn3 on 6,000 images x 10 epochs with one seed, take 15 to 25 minutes.
_SETTINGS: Mapping[str, Any] = {
    "epochs": 13,
    "batch_size": 64,
    "dropout": 0.05,
    "weight_decay": 0.05,
    "augment": "standard",
    "label_smoothing": 0.0,
    "class_weights": "effective",
    "eval_every": 2,
}
_FEW: Mapping[str, Any] = {**_SETTINGS, "epochs": 10, "limit": 6000}
_DEPARTS = ("6,000 training images instead of 24,000",)

# Values of the settings that the paper does not print, beside our reading, tried on cnn3.
_READINGS: Readings = {
    "optimizer": {
        "adam": {"optimizer": "adam", "weight_decay": 0.0},
        "sgd": {"optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 5e-4},
    },
    "learning_rate": {"0.0005": {"learning_rate": 5e-4}, "0.008": {"learning_rate": 8e-3}},
    "epochs": {"4": {"epochs": 4}, "20": {"epochs": 20}},
    "batch_size": {"32": {"batch_size": 32}, "256": {"batch_size": 256}},
    "dropout": {"0": {"dropout": 0.0}, "0.5": {"dropout": 0.5}},
    "augment": {"none": {"augment": "none"}, "flip": {"augment": "flip"}},
    "class_weights": {
        "none": {"class_weights": "none"},
        "inverse": {"class_weights": "inverse"},
    },
}


EXPERIMENTS = (
    *(
        Experiment(
            name=f"cnn{depth}",
            role="paper",
            recipe=f"yang_cnn{depth}_fer2013",
            settings=_SETTINGS,
            protocol="yang",
            why=f"The network of {depth} layers as in the paper: five of six images of Training"
            " train it, the others judge it; the test split, which the paper leaves out, judges it"
            " honestly.",
        )
        for depth in DEPTHS
    ),
    Experiment(
        name="cnn3_few",
        role="reading",
        recipe="yang_cnn3_fer2013",
        settings=_FEW,
        protocol="yang",
        departs=_DEPARTS,
        one_seed=True,
        why="6,000 training images: what the readings beside it are compared with.",
    ),
    *(
        Experiment(
            name=reading_name(field, value),
            role="reading",
            recipe="yang_cnn3_fer2013",
            settings={**_FEW, **changes},
            protocol="yang",
            departs=_DEPARTS,
            one_seed=True,
            why=f"What {field} moves: {value}.",
        )
        for field, values in _READINGS.items()
        for value, changes in values.items()
    ),
)

# Field → (what the paper leaves open, our reading with its reason, our value).
_NOT_PRINTED = {
    "optimizer": (
        "The optimizer is not printed.",
        "AdamW with a weight decay of 0.05, which needs the least tuning of the usual ones.",
        "adamw",
    ),
    "learning_rate": (
        "The learning rate and its schedule are not printed.",
        "One cycle with its peak at 0.002, which trains these networks in few epochs.",
        "0.002",
    ),
    "epochs": (
        "The number of epochs is not printed.",
        "13 at every depth, which two CPU cores can afford for three seeds; 10 for the values"
        " tried.",
        "10",
    ),
    "batch_size": (
        "The batch size is not printed.",
        "64: twice the steps of 128 in the same epochs.",
        "64",
    ),
    "dropout": (
        "There is dropout between the dense layers; its rate is not printed.",
        "0.05 at every depth: with 0.25 and more the shallow networks under-fit in so few epochs.",
        "0.05",
    ),
    "augment": (
        "No augmentation is mentioned, and none is ruled out.",
        "Horizontal flips, and shifts by up to a tenth: with flips alone three layers learned the"
        " training pictures by heart (macro F1 on val: 0.53, with shifts 0.57).",
        "standard",
    ),
    "class_weights": (
        "Whether rare classes weigh more in the loss is not said. The printed macro recalls are"
        " above the accuracies, so that rare classes are recognised more often than frequent ones.",
        "By the effective number of images: disgust weighs about three times as much as happiness.",
        "effective",
    ),
}

OPEN_POINTS = (
    *(
        OpenPoint(
            name=field,
            text=open_text,
            reading=f"{reading} Tried on three layers and 6,000 images.",
            tried=tried_values(value, "cnn3_few", field, _READINGS),
            metric="macro_f1",
            split="val",
            epoch="last",
        )
        for field, (open_text, reading, value) in _NOT_PRINTED.items()
    ),
    OpenPoint(
        name="widths",
        text="The widths are in a figure that is lost; those of the dense layers are not printed.",
        reading="32, 64, 128, 256, 512, 512 filters and one dense layer of 256; not varied: no"
        " setting changes them.",
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
        reading="The images of validation, at the last epoch, which nothing has selected. Beside"
        " it stands the test split, which selects nothing, at the epoch that validation selected.",
    ),
)
