"""P3, Farahani: ResNet18, fine-tuned on a few hundred film stills of SFEW."""

from collections.abc import Mapping
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import OpenPoint
from ferjax.reproduce.papers.farahani_claims import CLAIMS, FIGURES
from ferjax.reproduce.papers.readings import Readings, reading_name, tried_values

__all__ = ["CLAIMS", "DATASETS", "EXPERIMENTS", "FIGURES", "OPEN_POINTS", "TITLE"]

TITLE = "P3 Farahani: ResNet18, fine-tuned on SFEW"
DATASETS = ("sfew",)

# 489 faces of FER2013 replace the training faces of SFEW, and the weights of a ResNet18 that
# learned FER+ replace those of ImageNet. Two CPU cores train ResNet18 at 64 px on about 200
# images/s: 489 images x 30 epochs take 75 s, FER+ x 5 epochs take 11 minutes, once. The base
# network at 120 px takes a minute. Five networks and six readings with three seeds take about an
# hour and a quarter.
_FACES: Mapping[str, Any] = {"dataset": "fer2013", "limit": 489}
_SMALL_FACES: Mapping[str, Any] = {**_FACES, "image_size": 64}
_FACES_DEPARTURE = (
    "489 faces of each split of FER2013, in the shares of its classes, instead of SFEW's"
)
# A classical baseline is evaluated on all images of val and test.
_BASELINE_FACES_DEPARTURE = _FACES_DEPARTURE.replace("of each split", "of Training")
_NETWORK_DEPARTURES = ("weights of FER+ instead of ImageNet's", "64 px instead of 120")

# Values of the settings that the paper does not print, beside our reading.
_READINGS: Readings = {
    "batch_size": {"16": {"batch_size": 16}, "256": {"batch_size": 256}},
    "epochs": {"15": {"epochs": 15}, "60": {"epochs": 60}},
    "dropout": {"0": {"dropout": 0.0}, "0.25": {"dropout": 0.25}},
}
_RESNET_RECIPES = {
    "resnet18": "farahani_resnet18_sfew",
    "resnet18_frozen": "farahani_resnet18_sfew_frozen",
}
_WHY = {
    "resnet18": "ResNet18 with ImageNet's weights, every layer of it trained.",
    "resnet18_frozen": "The same with the stem and two of four stages frozen, as it advises.",
}

EXPERIMENTS = (
    Experiment(
        "base_cnn",
        "paper",
        "farahani_base_cnn_sfew",
        protocol="farahani",
        why="The base network of two convolutions, from random weights.",
    ),
    Experiment(
        "base_cnn_faces",
        "paper",
        "farahani_base_cnn_sfew",
        _FACES,
        stands_in_for="base_cnn",
        departs=(_FACES_DEPARTURE,),
        why="The base network of two convolutions, from random weights.",
    ),
    *(
        Experiment(
            name,
            "paper" if name == "resnet18" else "proposed",
            recipe,
            protocol="farahani",
            needs=("resnet18",),
            why=_WHY[name],
        )
        for name, recipe in _RESNET_RECIPES.items()
    ),
    Experiment(
        "resnet18_honest",
        "honest",
        "farahani_resnet18_sfew",
        needs=("resnet18",),
        why="ResNet18 on ferjax's splits of SFEW: val selects the epoch, test is read once.",
    ),
    Experiment(
        "pretraining",
        "baseline",
        "default",
        {
            "model": "resnet18",
            "dataset": "ferplus",
            "image_size": 64,
            "epochs": 5,
            # Nothing selects the epoch: FER2013Valid, on which it would be selected, has the
            # pictures of PublicTest, which judge the runs that start here.
            "eval_every": 5,
            "learning_rate": 0.05,
            "optimizer": "nesterov",
            "schedule": "cosine",
            "weight_decay": 5e-4,
            "augment": "flip",
        },
        one_seed=True,
        why="Weights of our own, learned on FER+'s training images, in place of ImageNet's; those"
        " of the last epoch.",
    ),
    *(
        Experiment(
            f"{name}_faces",
            "paper" if name == "resnet18" else "proposed",
            recipe,
            _SMALL_FACES,
            after="pretraining",
            stands_in_for=name,
            departs=(_FACES_DEPARTURE, *_NETWORK_DEPARTURES),
            why=_WHY[name].replace("ImageNet's weights", "weights of FER+"),
        )
        for name, recipe in _RESNET_RECIPES.items()
    ),
    Experiment(
        "resnet18_honest_faces",
        "honest",
        "farahani_resnet18_sfew",
        _SMALL_FACES,
        protocol="publictest_is_test",
        after="pretraining",
        stands_in_for="resnet18_honest",
        departs=(_FACES_DEPARTURE, *_NETWORK_DEPARTURES),
        why="ResNet18 with weights of FER+: val selects the epoch, test is read once.",
    ),
    Experiment(
        "resnet18_random",
        "baseline",
        "farahani_resnet18_sfew",
        {**_SMALL_FACES, "pretrained": "none"},
        departs=(_FACES_DEPARTURE, "random weights instead of ImageNet's", "64 px instead of 120"),
        why="What ResNet18 reaches on as few faces from random weights.",
    ),
    *(
        Experiment(
            features,
            "baseline",
            "",
            {"features": features, "dataset": "sfew"},
            departs=("ferjax's splits of SFEW instead of the paper's cut",),
            why=f"{features.upper()} features and a support vector machine.",
        )
        for features in ("phog", "lpq")
    ),
    *(
        Experiment(
            f"{features}_faces",
            "baseline",
            "",
            {"features": features, **_FACES},
            stands_in_for=features,
            departs=(_BASELINE_FACES_DEPARTURE,),
            why=f"{features.upper()} features and a support vector machine.",
        )
        for features in ("phog", "lpq")
    ),
    *(
        Experiment(
            reading_name(field, value),
            "reading",
            "farahani_base_cnn_sfew",
            {**_FACES, **changes},
            departs=(_FACES_DEPARTURE,),
            why=f"What {field} moves: {value}.",
        )
        for field, values in _READINGS.items()
        for value, changes in values.items()
    ),
)


OPEN_POINTS = (
    OpenPoint(
        name="batch_size",
        text="The batch size is not printed.",
        reading="64, that of PyTorch's example whose base network this is. Tried on the base"
        " network and FER2013's faces.",
        tried=tried_values("64", "base_cnn_faces", "batch_size", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="epochs",
        text="The number of epochs is not printed, only that medians of the last ones are taken.",
        reading="30, and the median of the last quarter. Tried on the base network and FER2013's"
        " faces.",
        tried=tried_values("30", "base_cnn_faces", "epochs", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="dropout",
        text="The base network has dropout twice; its rates are not printed.",
        reading="0.5, that of PyTorch's example. Tried on the base network and FER2013's faces.",
        tried=tried_values("0.5", "base_cnn_faces", "dropout", _READINGS),
        epoch="last",
    ),
    OpenPoint(
        name="widths",
        text="Widths and padding of the base network are not printed.",
        reading="10 and 20 filters without padding, a dense layer of 50, as in PyTorch's example;"
        " not varied: no setting changes them.",
    ),
    OpenPoint(
        name="early_layers",
        text="Early layers should be frozen; which are early is not said.",
        reading="The stem and two of four stages; not varied.",
    ),
    OpenPoint(
        name="split",
        text="80 % train and 20 % test, kept fixed, without a validation split.",
        reading="A stratified cut by the protocol's name; the last epoch is measured, which nothing"
        " has selected.",
    ),
)
