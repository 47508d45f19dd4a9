"""P2, Islamic University of Technology: EfficientNet-B1 on FER2013, in two phases."""

from collections.abc import Mapping
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import OpenPoint
from ferjax.reproduce.papers.iut_claims import CLAIMS, FIGURES
from ferjax.reproduce.papers.readings import Readings, reading_name, tried_values

__all__ = ["CLAIMS", "DATASETS", "EXPERIMENTS", "FIGURES", "OPEN_POINTS", "TITLE"]

TITLE = "P2 Islamic University of Technology: EfficientNet-B1 on FER2013 in two phases"
DATASETS = ("fer2013",)

# The baseline is the network of four layers of P4, with the batches and the augmentation that this
# paper prints. With a dropout of 0.5 and a constant rate of 0.001 it stayed at 45 % in ten epochs:
# a baseline that is too weak would flatter the transfer. One CPU core trains 22,968 images x 10
# epochs in 10 minutes.
_CUSTOM: Mapping[str, Any] = {
    "model": "cnn4",
    "dataset": "fer2013",
    "optimizer": "adam",
    "learning_rate": 2e-3,
    "schedule": "one_cycle",
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "dropout": 0.1,
    "batch_size": 64,
    "epochs": 10,
    "augment": "paper",
}

# EfficientNet-B0 at 64 px. The head learns from stored features. One CPU core trains the upper
# layers on about 180 images/s: 22,968 images x 5 epochs take 11 minutes.
_B0_DEPARTS = (
    "EfficientNet-B0 instead of B1",
    "64 px instead of 224",
    "20 and 5 epochs instead of 50 and 100",
    "3e-4 in the second phase instead of 1e-5, for so few epochs",
    "flips alone, without rotation, so that features can be stored",
)
# The limit applies to each split: all three have more than 2,000 images.
_FEW: Mapping[str, Any] = {"limit": 2000}
_FEW_DEPARTS = (*_B0_DEPARTS, "at most 2,000 images of each split")

# Values of the settings that the paper does not print, beside our reading.
_READINGS: Readings = {
    "optimizer": {
        "radam": {"optimizer": "radam"},
        "nesterov": {"optimizer": "nesterov", "learning_rate": (1e-2, 3e-3)},
    },
    "freeze": {
        "last stage": {"freeze": ("all_but_head", r"stem_.*|stage[1-6]_.*")},
        "nothing": {"freeze": ("all_but_head", "none")},
    },
    "stochastic_depth": {
        "0": {"stochastic_depth": 0.0},
        "0.4": {"stochastic_depth": 0.4},
    },
}

EXPERIMENTS = (
    Experiment(
        "custom_cnn",
        "paper",
        "default",
        _CUSTOM,
        protocol="iut",
        why="The baseline from random weights; the paper does not describe its network.",
    ),
    Experiment(
        "custom_cnn_honest",
        "honest",
        "default",
        _CUSTOM,
        protocol="publictest_is_test",
        why="The baseline with a test split that is read once.",
    ),
    Experiment(
        "transfer",
        "paper",
        "iut_efficientnet_b1_fer2013",
        protocol="iut",
        needs=("efficientnet_b1",),
        accelerator=True,
        why="EfficientNet-B1: first the head alone, then all but the first 200 layers.",
    ),
    Experiment(
        "transfer_b0",
        "paper",
        "iut_efficientnet_b0_fer2013",
        protocol="iut",
        needs=("efficientnet_b0",),
        stands_in_for="transfer",
        departs=_B0_DEPARTS,
        why="The two phases with the smaller sibling, whose weights are in a published package.",
    ),
    Experiment(
        "transfer_honest",
        "honest",
        "iut_efficientnet_b1_fer2013",
        protocol="publictest_is_test",
        needs=("efficientnet_b1",),
        accelerator=True,
        why="EfficientNet-B1 in the two phases, with a test split that is read once.",
    ),
    Experiment(
        "transfer_b0_honest",
        "honest",
        "iut_efficientnet_b0_fer2013",
        protocol="publictest_is_test",
        needs=("efficientnet_b0",),
        stands_in_for="transfer_honest",
        departs=_B0_DEPARTS,
        why="The smaller sibling in the two phases, with a test split that is read once.",
    ),
    Experiment(
        "few_faces",
        "reading",
        "iut_efficientnet_b0_fer2013",
        _FEW,
        protocol="iut",
        needs=("efficientnet_b0",),
        departs=_FEW_DEPARTS,
        one_seed=True,
        why="2,000 training images: what the readings beside it are compared with.",
    ),
    *(
        Experiment(
            reading_name(field, value),
            "reading",
            "iut_efficientnet_b0_fer2013",
            {**_FEW, **changes},
            protocol="iut",
            needs=("efficientnet_b0",),
            departs=_FEW_DEPARTS,
            one_seed=True,
            why=f"What {field} moves: {value}.",
        )
        for field, values in _READINGS.items()
        for value, changes in values.items()
    ),
)


OPEN_POINTS = (
    OpenPoint(
        name="optimizer",
        text="The optimizer is not printed.",
        reading="Adam, to which the printed learning rates fit.",
        tried=tried_values("adam", "few_faces", "optimizer", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="boundary",
        text="The first 200 layers stay frozen; how layers are counted is not said.",
        reading="Keras's list, which ends within block 5b; here the same place of EfficientNet-B0.",
        tried=tried_values("within block 5b", "few_faces", "freeze", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="stochastic_depth",
        text="The rate of stochastic depth is not printed.",
        reading="0.2, Keras's own.",
        tried=tried_values("0.2", "few_faces", "stochastic_depth", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="decay",
        text="A decay of 1e-6 is printed and tied to neither phase.",
        reading="Keras's inverse decay per step, in both phases. It takes 1 % of the rate in 10,000"
        " steps, too little to measure.",
    ),
    OpenPoint(
        name="custom_network",
        text="The custom network that reaches about 50 % is not described.",
        reading="P4's network of four layers, with a dropout of 0.1, Adam, one cycle to 0.002,"
        " batches of 64 and 10 epochs.",
    ),
    OpenPoint(
        name="frozen_accuracy",
        text="The first phase has 49 % in the results and 45 to 46 % in the text.",
        reading="49 % is held against ours.",
    ),
    OpenPoint(
        name="labels",
        text="The text numbers 3 sad and 4 happy, its table 3 happy and 4 sad.",
        reading="The table's, which is the order of the csv file: 8,989 faces are happy.",
    ),
    OpenPoint(
        name="test_images",
        text="The 7,178 test images are PublicTest and PrivateTest merged.",
        reading="Reproduced by the protocol's name; beside it stands a test split that is read"
        " once.",
    ),
)
