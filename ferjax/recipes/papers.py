"""Recipes: tables of each paper's hyper-parameters (P1 to P5), and a default for every model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A setting that a paper does not state is ferjax's choice, called a reading below.
# P4 (Yang) states neither optimizer, learning rate, batch size, epochs nor augmentation: all are
# readings.
_YANG = dict(
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="one_cycle",
    weight_decay=0.01,
    label_smoothing=0.1,
    batch_size=128,
    epochs=15,
    image_size=48,
    augment="standard",
)
# With shift, label smoothing and dropout of cnn6 the shallower networks under-fit (cnn3 at epoch 9:
# 47 % on train, 52 % on val; without shift and smoothing 48 % and 52 % at epoch 8).
_YANG_FLIP = {**_YANG, "augment": "flip", "label_smoothing": 0.0}
_YANG_SHALLOW = {**_YANG_FLIP, "dropout": 0.25, "epochs": 10}
# P5 (Liu); optimizer and learning rate are readings.
_LIU = dict(
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=8,
    epochs=20,
    image_size=224,
    jumper="input",
    dropout=0.5,
)
_LIU_GUIDED = {**_LIU, "guide": "vgg16", "pretrained": "imagenet"}
# P5 for two CPU cores: a small input with zero mean, and the staged jumper that P5 suggests.
_LIU_SMALL = {
    **_LIU,
    "jumper": "staged",
    "image_size": 64,
    "batch_size": 32,
    "epochs": 4,
    "schedule": "one_cycle",
    "normalization": "dataset",
}
# P5 on drawn faces in less than a minute on two CPU cores. A quarter of the pixels needs a quarter
# of the time; with P5's dropout of 0.5 the network under-fits in so few epochs.
_QUICK_AWEI = {**_LIU_SMALL, "image_size": 32, "dropout": 0.1, "learning_rate": 2e-3, "epochs": 5}
# P3 (Farahani); batch size and epochs are readings.
_FARAHANI = dict(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    batch_size=64,
    epochs=30,
    image_size=120,
    normalization="dataset",
)
_FARAHANI_BASE = {**_FARAHANI, "momentum": 0.5, "dropout": 0.5}
_FARAHANI_RESNET = {**_FARAHANI, "pretrained": "imagenet"}
# P3 concludes that early layers should be frozen. Which layers are early is a reading: the stem and
# two of the four stages.
_FARAHANI_FROZEN = {**_FARAHANI_RESNET, "freeze": r"stem_.*|stage[12]_.*"}
# A default must be trainable on two CPU cores from random weights: a third of the epochs.
_FARAHANI_SMALL = {**_FARAHANI, "epochs": 10}
_KUMARI_SMALL = dict(
    optimizer="sgd", learning_rate=0.01, momentum=0.9, batch_size=16, epochs=10, image_size=128
)
# P1 (Kumari); optimizer, epochs and the width of the additional dense layer are readings.
_KUMARI = {**_KUMARI_SMALL, "epochs": 30, "head_widths": (512,), "pretrained": "imagenet"}
# Random weights do not need the published classifier, which has nine tenths of all parameters.
_VGG_SMALL = dict(
    optimizer="sgd",
    momentum=0.9,
    learning_rate=0.01,
    batch_size=32,
    epochs=10,
    image_size=64,
    pooling="mean",
    head_widths=(),
)
# P2 (IUT): its head, learning rate and batch size; the optimizer is a reading. The image is small
# enough for two CPU cores.
_IUT_SMALL = dict(
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=64,
    epochs=10,
    image_size=128,
    dropout=0.5,
)
# P2 used Keras. Weights, rate of stochastic depth, decay of the learning rate and the 200 frozen
# layers, which end within a block, are those of Keras.
_IUT = {
    **_IUT_SMALL,
    "image_size": 224,
    "augment": "paper",
    "pretrained": "keras_in1k_notop",
    "stochastic_depth": 0.2,
    "epochs": (50, 100),
    "learning_rate": (1e-3, 1e-5),
    "schedule": "inverse_time",
    "decay_rate": 1e-6,
    "freeze": (
        "all_but_head",
        r"stem_.*|stage[1-4]_.*|stage5_block0/.*|stage5_block1/(expand|dw|se)_.*",
    ),
}
# P2 for two CPU cores: EfficientNet-B0 at 64 px, a few epochs, the second phase at thirty times
# the rate. The frozen layers end where B1's do, which is the 143rd of B0's 237 in Keras; the same
# share, 140 layers, ends in that block too. With flips alone the first phase stores its features.
_IUT_B0 = {
    **_IUT,
    "image_size": 64,
    "augment": "flip",
    "pretrained": "imagenet",
    "epochs": (20, 5),
    "learning_rate": (1e-3, 3e-4),
}
# The recogniser that comes with ferjax. Two CPU cores train it in under two hours.
_FERNET = dict(
    optimizer="nesterov",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    warmup_epochs=1.0,
    batch_size=128,
    epochs=30,
    image_size=48,
    normalization="dataset",
    augment="fer",
    label_smoothing=0.1,
    ema=0.999,
)
# The votes are soft targets already.
_BEST_FERNET_VOTES = {**_FERNET, "epochs": 75, "labels": "crossentropy", "label_smoothing": 0.0}
# FER2013 and FER+ have the same training faces, so it starts from the weights of `fernet-ferplus`.
_BEST_FERNET = {**_FERNET, "pretrained": "fernet-ferplus", "learning_rate": 0.05, "epochs": 50}
# For a user's few hundred faces, in a minute on two CPU cores: first the head, then all layers at a
# hundredth of its rate. At a tenth the trunk lost its pretrained features in 20 epochs.
_FINETUNE = dict(
    pretrained="fernet-ferplus",
    freeze=("all_but_head", "none"),
    epochs=(10, 20),
    optimizer="adamw",
    learning_rate=(1e-2, 1e-4),
    weight_decay=0.01,
    schedule="cosine",
    batch_size=32,
    image_size=48,
    augment="flip",
    label_smoothing=0.1,
)
# Like the best public results from scratch (LetheSec, usef-kh): several crops in a step, and a stem
# that keeps a last map of 6x6. A GPU needs ten minutes, two CPU cores need days.
_BEST_RESNET = {
    **_FERNET,
    "stem": "small",
    "views": 4,
    "epochs": 60,
    "dropout": 0.2,
    "precision": "bf16",
}
_BEST_RESNET_VOTES = {**_BEST_RESNET, "labels": "crossentropy", "label_smoothing": 0.0}


@dataclass(frozen=True)
class Recipe:
    """A model and a data set with the settings that differ from the defaults of `TrainConfig`.

    Attributes:
      model: name of the model.
      dataset: name of the data set.
      settings: `TrainConfig` field → value.
      source: the paper, such as `P5 Liu`, or `ferjax`.
      by_name: whether only `--recipe` selects it, never its model and data set alone.
    """

    model: str
    dataset: str
    settings: Mapping[str, Any]
    source: str
    by_name: bool = False


# Recipe name: <paper, quick, best or finetune>_<model>_<dataset>, and _<variant> for a variant.
# Without --recipe the first one of a model and data set is taken. Architecture and hyper-parameters
# are those of the papers, splits are ferjax's. docs/results has measured minutes and accuracies.
RECIPES: dict[str, Recipe] = {
    # python -m launch.train --model=resnet50 --dataset=ckplus
    "kumari_resnet50_ckplus": Recipe("resnet50", "ckplus", _KUMARI, "P1 Kumari"),
    # python -m launch.train --model=resnet50 --dataset=fer2013
    "kumari_resnet50_fer2013": Recipe("resnet50", "fer2013", _KUMARI, "P1 Kumari"),
    # python -m launch.train --model=efficientnet_b1 --dataset=fer2013
    "iut_efficientnet_b1_fer2013": Recipe("efficientnet_b1", "fer2013", _IUT, "P2 IUT"),
    # python -m launch.train --recipe=iut_efficientnet_b0_fer2013
    "iut_efficientnet_b0_fer2013": Recipe(
        "efficientnet_b0", "fer2013", _IUT_B0, "P2 IUT", by_name=True
    ),
    # python -m launch.train --model=base_cnn --dataset=sfew
    "farahani_base_cnn_sfew": Recipe("base_cnn", "sfew", _FARAHANI_BASE, "P3 Farahani"),
    # python -m launch.train --model=resnet18 --dataset=sfew
    "farahani_resnet18_sfew": Recipe("resnet18", "sfew", _FARAHANI_RESNET, "P3 Farahani"),
    # python -m launch.train --recipe=farahani_resnet18_sfew_frozen
    "farahani_resnet18_sfew_frozen": Recipe("resnet18", "sfew", _FARAHANI_FROZEN, "P3 Farahani"),
    # python -m launch.train --model=cnn3 --dataset=fer2013, and so on
    "yang_cnn3_fer2013": Recipe("cnn3", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn4_fer2013": Recipe("cnn4", "fer2013", _YANG_SHALLOW, "P4 Yang"),
    "yang_cnn5_fer2013": Recipe("cnn5", "fer2013", _YANG_FLIP, "P4 Yang"),
    "yang_cnn6_fer2013": Recipe("cnn6", "fer2013", _YANG, "P4 Yang"),
    # python -m launch.train --recipe=best_fernet_s_ferplus (this trained `fernet-ferplus`)
    "best_fernet_s_ferplus": Recipe("fernet_s", "ferplus", _BEST_FERNET_VOTES, "ferjax"),
    # python -m launch.train --recipe=best_fernet_s_fer2013 (this trained `fernet-fer2013`)
    "best_fernet_s_fer2013": Recipe("fernet_s", "fer2013", _BEST_FERNET, "ferjax"),
    # python -m launch.train --model=fernet_s --dataset=folder
    "finetune_fernet_s_folder": Recipe("fernet_s", "folder", _FINETUNE, "ferjax"),
    # python -m launch.train --recipe=best_resnet18_fer2013, on a GPU
    "best_resnet18_fer2013": Recipe("resnet18", "fer2013", _BEST_RESNET, "ferjax", by_name=True),
    "best_resnet18_ferplus": Recipe(
        "resnet18", "ferplus", _BEST_RESNET_VOTES, "ferjax", by_name=True
    ),
    # python -m launch.train --model=awei --dataset=rafdb
    "liu_awei_rafdb": Recipe("awei", "rafdb", _LIU, "P5 Liu"),
    # python -m launch.train --model=awei --dataset=synthetic
    "quick_awei_synthetic": Recipe("awei", "synthetic", _QUICK_AWEI, "ferjax"),
    # python -m launch.train --recipe=liu_awei_rafdb_guided
    "liu_awei_rafdb_guided": Recipe("awei", "rafdb", _LIU_GUIDED, "P5 Liu"),
}

# Recipe `default` of each model: the settings of its paper at a size that any machine can train.
DEFAULTS: dict[str, Mapping[str, Any]] = {
    "awei": _LIU_SMALL,
    "base_cnn": _FARAHANI_BASE,
    "cnn3": _YANG,
    "cnn4": _YANG,
    "cnn5": _YANG,
    "cnn6": _YANG,
    "efficientnet_b0": _IUT_SMALL,
    "efficientnet_b1": _IUT_SMALL,
    "efficientnet_b2": _IUT_SMALL,
    "fernet_s": _FERNET,
    "resnet18": _FARAHANI_SMALL,
    "resnet34": _FARAHANI_SMALL,
    "resnet50": _KUMARI_SMALL,
    "resnet101": _KUMARI_SMALL,
    "resnet152": _KUMARI_SMALL,
    "vgg16": _VGG_SMALL,
    "vgg19": _VGG_SMALL,
}
