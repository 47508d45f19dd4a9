"""P2: the claims of the Islamic University of Technology's paper, and its figures."""

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.paper_table import Figure

# Images of each class in all of FER2013, as the text has them.
CLASS_COUNTS = {
    "anger": 4953,
    "disgust": 547,
    "fear": 5121,
    "happiness": 8989,
    "sadness": 6077,
    "surprise": 4002,
    "neutral": 6198,
}
_COUNTED = ", ".join(f"{name} {count:,}" for name, count in CLASS_COUNTS.items())
# Splits, and the number of images in them in a complete copy of FER2013.
_COMPLETE = ("train+val+test", 35_887)


def _count(name: str, text: str, number: int, split: str) -> Claim:
    """Returns the claim of a number of images."""
    return Claim(
        name=name,
        kind="count",
        text=text,
        where="data",
        paper=number,
        printed=f"{number:,}",
        measure=Measure("custom_cnn"),
        counted=split,
        complete=_COMPLETE,
    )


CLAIMS = (
    _count("images", "FER2013 has 35,887 images.", 35_887, "train+val+test"),
    _count("train_images", "22,968 images train.", 22_968, "train"),
    _count("test_images", "7,178 images test.", 7_178, "test"),
    Claim(
        name="custom_cnn",
        kind="number",
        text="A custom convolutional network from random weights reaches about 50 %.",
        where="baseline",
        paper=0.50,
        printed="50 %",
        rounding=0.02,
        measure=Measure("custom_cnn", "accuracy", "test", "last"),
        honest=Measure("custom_cnn_honest", "accuracy", "test", "selected"),
    ),
    Claim(
        name="frozen_val",
        kind="number",
        text="With the ImageNet network frozen and a new head the validation accuracy is 49 %.",
        where="phase 1",
        paper=0.49,
        printed="49 %",
        measure=Measure("transfer", "curve_accuracy", "val", "phase_1"),
        honest=Measure("transfer_honest", "curve_accuracy", "val", "phase_1"),
    ),
    Claim(
        name="fine_tuned_val",
        kind="number",
        text="With all but the first 200 layers trained the validation accuracy is 64 %.",
        where="phase 2",
        paper=0.64,
        printed="64 %",
        measure=Measure("transfer", "accuracy", "val", "last"),
        honest=Measure("transfer_honest", "accuracy", "val", "last"),
    ),
    Claim(
        name="fine_tuned_test",
        kind="number",
        text="The fine-tuned network reaches 64 % on the test images.",
        where="conclusion",
        paper=0.64,
        printed="64 %",
        measure=Measure("transfer", "accuracy", "test", "last"),
        honest=Measure("transfer_honest", "accuracy", "test", "selected"),
    ),
    Claim(
        name="fine_tuned_better_than_frozen",
        kind="better",
        text="Fine-tuning the upper layers is better than training the head alone.",
        where="results",
        measure=Measure("transfer", "curve_accuracy", "val", "last"),
        than=Measure("transfer", "curve_accuracy", "val", "phase_1"),
        honest=Measure("transfer_honest", "curve_accuracy", "val", "last"),
        honest_than=Measure("transfer_honest", "curve_accuracy", "val", "phase_1"),
    ),
    Claim(
        name="transfer_better_than_custom",
        kind="better",
        text="The fine-tuned ImageNet network is better than the custom one.",
        where="conclusion",
        measure=Measure("transfer", "accuracy", "test", "last"),
        than=Measure("custom_cnn", "accuracy", "test", "last"),
        honest=Measure("transfer_honest", "accuracy", "test", "selected"),
        honest_than=Measure("custom_cnn_honest", "accuracy", "test", "selected"),
    ),
    Claim(
        name="histogram",
        kind="figure",
        text="The classes of FER2013 are unequal, from 8,989 happy faces to 547 of disgust.",
        where="data",
        measure=Measure("custom_cnn"),
        figure="histogram",
    ),
    Claim(
        name="augmentation",
        kind="figure",
        text="Training images are flipped, and rotated by up to a fifth of a full turn.",
        where="data",
        measure=Measure("custom_cnn"),
        figure="augmentation",
    ),
    Claim(
        name="curves",
        kind="figure",
        text="Accuracy and loss over the epochs of both phases.",
        where="results",
        measure=Measure("transfer"),
        figure="curves",
    ),
)

FIGURES = (
    Figure(
        name="histogram",
        kind="histogram",
        caption=f"Images of each class. The paper's copy has {_COUNTED}.",
        where="data",
        experiment="custom_cnn",
    ),
    Figure(
        name="augmentation",
        kind="augmentation",
        caption="Images and augmented copies of them, on drawn faces.",
        where="data",
        experiment="custom_cnn",
    ),
    Figure(
        name="curves",
        kind="curves",
        caption="Accuracy and loss over the epochs: first the head alone, then the upper layers.",
        where="results",
        experiment="transfer",
    ),
)
