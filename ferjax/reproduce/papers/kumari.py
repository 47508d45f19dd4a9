"""P1, Kumari: ResNet50, transferred from ImageNet to CK+ and to FER2013."""

from collections.abc import Mapping
from typing import Any

from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import OpenPoint
from ferjax.reproduce.papers.kumari_claims import CLAIMS, FIGURES
from ferjax.reproduce.papers.readings import Readings, reading_name, tried_values

__all__ = ["CLAIMS", "DATASETS", "EXPERIMENTS", "FIGURES", "OPEN_POINTS", "TITLE"]

TITLE = "P1 Kumari: ResNet50, transferred from ImageNet to CK+ and FER2013"
DATASETS = ("ckplus", "fer2013")

# Without ImageNet's weights ResNet50 is trained on FER2013 from random weights, and from weights
# that it learned on FER+. Two CPU cores train it at 48 px on about 140 images/s: 8,000 images x 10
# epochs take 10 minutes and the evaluations 2, both experiments with three seeds 1.2 hours. FER+ x
# 5 epochs take 15 minutes, once; seven readings with 1,000 images x 10 epochs take 12 minutes.
_FACES: Mapping[str, Any] = {"image_size": 48, "limit": 8000, "epochs": 10, "eval_every": 2}
_SIZE_DEPARTURE = "48 px, the faces' own size, instead of 128"
_FACES_DEPARTS = (_SIZE_DEPARTURE, "at most 8,000 images of each split", "10 epochs")
_RANDOM_WEIGHTS = "random weights instead of ImageNet's"
_FERPLUS_WEIGHTS = "weights of FER+ instead of ImageNet's"
_FEW_FACES = {**_FACES, "limit": 1000}
_FEW_DEPARTS = (_FERPLUS_WEIGHTS, _SIZE_DEPARTURE, "at most 1,000 images of each split")

# Values of the settings that the paper does not print, beside our reading.
_READINGS: Readings = {
    "optimizer": {"nesterov": {"optimizer": "nesterov"}, "adam": {"optimizer": "adam"}},
    "epochs": {"5": {"epochs": 5}, "20": {"epochs": 20}},
    "head_widths": {"none": {"head_widths": ()}, "1024": {"head_widths": (1024,)}},
}

EXPERIMENTS = (
    Experiment(
        "ckplus",
        "paper",
        "kumari_resnet50_ckplus",
        protocol="kumari",
        needs=("resnet50",),
        why="CK+ as the paper has it: 30 % of the images of each class are test, so that people"
        " are in train and in test.",
    ),
    Experiment(
        "ckplus_honest",
        "honest",
        "kumari_resnet50_ckplus",
        needs=("resnet50",),
        why="CK+ with other people in the test split than in train: the first of ten folds.",
    ),
    *(
        Experiment(
            f"{name}_random",
            role,
            "kumari_resnet50_ckplus",
            {"pretrained": "none"},
            protocol=protocol,
            stands_in_for=name,
            departs=(_RANDOM_WEIGHTS,),
            why="The same from random weights, where ImageNet's are not at hand.",
        )
        for name, role, protocol in (
            ("ckplus", "paper", "kumari"),
            ("ckplus_honest", "honest", None),
        )
    ),
    Experiment(
        "fer",
        "paper",
        "kumari_resnet50_fer2013",
        protocol="kumari",
        needs=("resnet50",),
        accelerator=True,
        why="FER2013, cut into as many test images of each class as the printed matrix has.",
    ),
    Experiment(
        "fer_honest",
        "honest",
        "kumari_resnet50_fer2013",
        protocol="publictest_is_test",
        needs=("resnet50",),
        accelerator=True,
        why="FER2013 with a test split that is read once.",
    ),
    Experiment(
        "fer_random",
        "paper",
        "kumari_resnet50_fer2013",
        {**_FACES, "pretrained": "none"},
        protocol="kumari",
        stands_in_for="fer",
        departs=(_RANDOM_WEIGHTS, *_FACES_DEPARTS),
        why="What ResNet50 reaches on FER2013 from random weights.",
    ),
    Experiment(
        "pretraining",
        "baseline",
        "default",
        {
            "model": "resnet50",
            "dataset": "ferplus",
            "image_size": 48,
            "epochs": 5,
            # Nothing selects the epoch: FER2013Valid, on which it would be selected, has the
            # pictures of PublicTest, which judge the runs that start here.
            "eval_every": 5,
            "batch_size": 64,
            "learning_rate": 0.05,
            "optimizer": "nesterov",
            "schedule": "cosine",
            "weight_decay": 5e-4,
            "augment": "flip",
            "normalization": "dataset",
        },
        one_seed=True,
        why="Weights of our own, learned on FER+'s training images, in place of ImageNet's; those"
        " of the last epoch.",
    ),
    Experiment(
        "fer_pretrained",
        "honest",
        "kumari_resnet50_fer2013",
        _FACES,
        protocol="publictest_is_test",
        after="pretraining",
        stands_in_for="fer_honest",
        departs=(_FERPLUS_WEIGHTS, *_FACES_DEPARTS),
        why="What ResNet50 reaches on FER2013 with weights of FER+, on a test split read once.",
    ),
    Experiment(
        "few_faces",
        "reading",
        "kumari_resnet50_fer2013",
        _FEW_FACES,
        protocol="publictest_is_test",
        after="pretraining",
        departs=(*_FEW_DEPARTS, "10 epochs"),
        one_seed=True,
        why="1,000 training images: what the readings beside it are compared with.",
    ),
    *(
        Experiment(
            reading_name(field, value),
            "reading",
            "kumari_resnet50_fer2013",
            {**_FEW_FACES, **changes},
            protocol="publictest_is_test",
            after="pretraining",
            departs=(*_FEW_DEPARTS, f"{changes.get('epochs', 10)} epochs"),
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
        text="The optimizer is not printed, only the learning rate of 0.01.",
        reading="SGD with momentum 0.9, to which 0.01 fits; Adam takes a tenth of it or less.",
        tried=tried_values("sgd", "few_faces", "optimizer", _READINGS),
    ),
    OpenPoint(
        name="epochs",
        text="The number of epochs is not printed.",
        reading="30; here 10, of fewer images.",
        tried=tried_values("10", "few_faces", "epochs", _READINGS),
    ),
    OpenPoint(
        name="added_layers",
        text="Extra layers stand on top of ResNet50; their number and widths are not printed.",
        reading="One dense layer of 512 between the pooled features and the softmax.",
        tried=tried_values("512", "few_faces", "head_widths", _READINGS),
    ),
    OpenPoint(
        name="ckplus_split",
        text="How CK+ is cut is not said. The printed matrix has 293 images: 30 % of each class of"
        " the 981 pictures of CK+48.",
        reading="A stratified cut of single images, 70 to 30, in which people are on both sides."
        " Beside it stands a cut between people.",
    ),
    OpenPoint(
        name="fer_split",
        text="The paper says FER+ and prints FER2013's seven classes, without contempt. Its matrix"
        " has 12,909 images, which is no published split.",
        reading="FER2013 pooled, and as many test images of each class as the matrix has. Beside"
        " it stands a test split that is read once.",
    ),
    OpenPoint(
        name="fer_slip",
        text="One sentence gives 97.6 % for FER+ too, against the table, the matrix and a final"
        " training loss of about 1.",
        reading="A slip: the 62.8 % of the matrix is what is held against ours.",
    ),
)
