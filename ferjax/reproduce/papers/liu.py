"""P5, Liu: "Awei", a five-layer network with a residual jumper and the guidance of VGG16."""

from collections.abc import Mapping
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import OpenPoint
from ferjax.reproduce.papers.liu_claims import CLAIMS, FIGURES

__all__ = ["CLAIMS", "DATASETS", "EXPERIMENTS", "FIGURES", "OPEN_POINTS", "TITLE"]

TITLE = "P5 Liu: a residual jumper and the guidance of VGG16, on RAF-DB"
DATASETS = ("rafdb",)

# Faces of FER2013 replace those of RAF-DB, at the largest side that two CPU cores can afford for
# three seeds: at 96 px with batches of 8 they train about 70 images/s. 2,000 images x 20 epochs
# take 9.5 minutes and the evaluations 2: three networks with three seeds take 1.7 hours, the two
# that the paper proposes 1.2 hours, and the honest one 35 minutes. VGG16's features of the 4,000
# images are computed once for each cut, in 3 minutes. Eight readings with 500 images, of whichever
# data are at hand, take 25 minutes.
_FACES: Mapping[str, Any] = {"image_size": 96, "limit": 2000, "eval_every": 2}
_FEW_FACES = {**_FACES, "limit": 500}
_SIZE_DEPARTURE = "96 px instead of 224"


def _pair(
    name: str,
    role: str,
    why: str,
    protocols: tuple[str | None, str | None] = ("liu", None),
    **options: Any,
) -> tuple[Experiment, Experiment]:
    """Returns an experiment on RAF-DB, which takes hours on a CPU, and its stand-in on FER2013.

    Args:
      name: name of the experiment.
      role: role of both.
      why: what both are for.
      protocols: protocol on RAF-DB, and protocol on FER2013.
      **options: other fields of both.
    """
    settings = options.pop("settings", {})
    recipe = options.pop("recipe", "liu_awei_rafdb")
    printed = Experiment(
        name,
        role,
        recipe,
        settings,
        protocol=protocols[0],
        accelerator=True,
        why=why,
        **options,
    )
    stand_in = Experiment(
        f"{name}_faces",
        role,
        recipe,
        {**settings, **_FACES, "dataset": "fer2013"},
        protocol=protocols[1],
        stands_in_for=name,
        departs=("2,000 faces of each split of FER2013 instead of RAF-DB", _SIZE_DEPARTURE),
        why=why,
        **options,
    )
    return printed, stand_in


def _reading(
    name: str, why: str, guided: bool = False, **settings: Any
) -> tuple[Experiment, Experiment]:
    """Returns a reading with few faces of RAF-DB, and its stand-in with as many of FER2013."""
    recipe = "liu_awei_rafdb_guided" if guided else "liu_awei_rafdb"
    common: dict[str, Any] = {
        "needs": ("vgg16",) if guided else (),
        "one_seed": True,
        "why": why,
    }
    few = {**settings, **_FEW_FACES}
    return (
        Experiment(
            name,
            "reading",
            recipe,
            few,
            protocol="liu",
            departs=("at most 500 images of each split", _SIZE_DEPARTURE),
            **common,
        ),
        Experiment(
            f"{name}_faces",
            "reading",
            recipe,
            {**few, "dataset": "fer2013"},
            stands_in_for=name,
            departs=("500 faces of each split of FER2013 instead of RAF-DB", _SIZE_DEPARTURE),
            **common,
        ),
    )


EXPERIMENTS = (
    *_pair(
        "plain",
        "paper",
        "The five convolutions alone.",
        settings={"jumper": "none"},
    ),
    *_pair("jumper", "paper", "The five convolutions with the jumper from the image."),
    *_pair(
        "guided",
        "paper",
        "Jumper and the frozen VGG16, whose features are added before the dropout.",
        recipe="liu_awei_rafdb_guided",
        needs=("vgg16",),
    ),
    *_pair(
        "guided_honest",
        "honest",
        "Jumper and VGG16, with a val that selects the epoch and a test split that is read once.",
        protocols=(None, "publictest_is_test"),
        recipe="liu_awei_rafdb_guided",
        needs=("vgg16",),
    ),
    *_pair(
        "staged",
        "proposed",
        "The staged jumper, from layer 1 to 3 and from 3 to 5, that the paper suggests.",
        settings={"jumper": "staged"},
    ),
    *_pair(
        "double",
        "proposed",
        "Two steps of convolution and pool in the jumper, which the paper suggests.",
        settings={"jumper": "double"},
    ),
    *_reading(
        "few_faces",
        "The jumper with 500 training images: what the readings beside it are compared with.",
    ),
    *_reading(
        "jumper_from_conv1",
        "The jumper starts from the first convolution instead of the image.",
        jumper="conv1",
    ),
    *_reading(
        "learning_rate_0_0003",
        "A third of the learning rate.",
        learning_rate=3e-4,
    ),
    *_reading(
        "learning_rate_0_0001",
        "A tenth of the learning rate.",
        learning_rate=1e-4,
    ),
    *_reading(
        "optimizer_sgd",
        "Stochastic gradient descent with momentum.",
        optimizer="sgd",
        learning_rate=1e-2,
    ),
    *_reading(
        "optimizer_radam",
        "Rectified Adam, which starts in smaller steps.",
        optimizer="radam",
    ),
    *_reading(
        "few_faces_guided",
        "Jumper and VGG16 with 500 training images: what the next reading is compared with.",
        guided=True,
    ),
    *_reading(
        "guide_as_is",
        "VGG16 sees the same [0, 1] image instead of one normalised as it was trained.",
        guided=True,
        guide_input="shared",
    ),
)

OPEN_POINTS = (
    OpenPoint(
        name="jumper_source",
        text="The jumper carries the image through; its arrow in the figure could also start at the"
        " first convolution.",
        reading="It starts at the input image, as the sentence says.",
        tried=(("image", "few_faces"), ("first convolution", "jumper_from_conv1")),
        split="val",
        epoch="last",
    ),
    OpenPoint(
        name="learning_rate",
        text="The learning rate is not printed.",
        reading="0.001, Adam's usual one.",
        tried=(
            ("0.001", "few_faces"),
            ("0.0003", "learning_rate_0_0003"),
            ("0.0001", "learning_rate_0_0001"),
        ),
        split="val",
        epoch="last",
    ),
    OpenPoint(
        name="optimizer",
        text="The optimizer is not printed.",
        reading="Adam, the usual choice beside batches of 8 and 20 epochs.",
        tried=(
            ("Adam, 0.001", "few_faces"),
            ("SGD with momentum 0.9, 0.01", "optimizer_sgd"),
            ("rectified Adam, 0.001", "optimizer_radam"),
        ),
        split="val",
        epoch="last",
    ),
    OpenPoint(
        name="guide_input",
        text="All images are scaled to [0, 1]; whether VGG16 sees these or its own normalisation is"
        " not said.",
        reading="The same pixels, normalised as VGG16 was trained.",
        tried=(("its own normalisation", "few_faces_guided"), ("[0, 1]", "guide_as_is")),
        split="val",
        epoch="last",
    ),
    OpenPoint(
        name="validation",
        text="What the paper calls validation is not said to be cut from the training images.",
        reading="RAF-DB's test split, which therefore also selects. The last epoch is measured,"
        " which nothing has selected. On FER2013 it is val, which selects too.",
    ),
    OpenPoint(
        name="vgg",
        text="Which VGG guides, and what of it is frozen, is not said in one place.",
        reading="VGG16 with ImageNet weights up to its last pool, all of it frozen.",
    ),
)
