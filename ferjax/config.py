"""`TrainConfig` and its like: the one source of flags, defaults, help and validation."""

from dataclasses import dataclass

from ferjax.config_fields import check_fields, config_field
from ferjax.errors import UserError

# JAX makes keys from 32 bits: a larger seed would repeat a smaller one's run.
_LARGEST_SEED = 2**32 - 1
# `tta.VIEWS` by name; that module needs JAX.
_TTA = ("none", "flip", "ten_crop")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run. One flag of `launch.train` for each field."""

    model: str = config_field("", "Network; see --list.")
    dataset: str = config_field("", "Data set; see --list.")
    data_dir: str | None = config_field(
        None,
        "Data set's folder (or csv file). Default: $FERJAX_DATA/<dataset>, then data/<dataset>.",
        free=True,
    )
    workdir: str | None = config_field(
        None, "Run directory. Default: runs/<model>-<dataset>-<recipe>-s<seed>.", free=True
    )
    recipe: str | None = config_field(
        None, "Named recipe. Default: the paper's for this model and data set, else 'default'."
    )
    epochs: int = config_field(20, "Passes over the training split.", low=1)
    batch_size: int = config_field(64, "Images a step, over all devices together.", low=1)
    learning_rate: float = config_field(1e-3, "Peak learning rate; never rescaled.", above=0)
    optimizer: str = config_field("adam", "Optimizer.", choices=("sgd", "adam", "adamw"))
    momentum: float = config_field(0.9, "Momentum of sgd; 0 for none.", low=0, high=1)
    weight_decay: float = config_field(
        0.0, "On kernels only: decoupled with adamw, else added to the gradient.", low=0
    )
    schedule: str = config_field(
        "constant", "Learning rate over the run.", choices=("constant", "cosine", "one_cycle")
    )
    warmup_epochs: float = config_field(
        0.0, "Linear warm-up, in epochs; not with one_cycle.", low=0
    )
    image_size: int | None = config_field(None, "Side of the network's input, pixels.", low=1)
    channels: int | None = config_field(
        None, "1 (grey) or 3 (RGB). Default: the data set's.", choices=(1, 3)
    )
    normalization: str | None = config_field(
        None,
        "unit: [0, 1]; dataset: minus mean, over deviation of the training split per channel;"
        " weights: as the pretrained weights were trained. Default: weights where there are, else"
        " unit.",
        choices=("unit", "dataset", "weights"),
    )
    pretrained: str | None = config_field(
        None,
        "Start from these weights: imagenet (the network's default), a name of launch.convert"
        " --list, a URL, a file, or a folder of launch.convert. With --guide: the guide's.",
    )
    offline: bool = config_field(
        False, "Download nothing; weights must be in the cache.", free=True
    )
    augment: str = config_field(
        "none",
        "On the training split: flip; standard: flip, shift by up to a tenth of the side; paper:"
        " flip, turn by up to 0.2 of a full turn (P2); strong: all of these, crops, colour,"
        " erasing, mixup and cutmix.",
        choices=("none", "flip", "standard", "paper", "strong"),
    )
    loss: str = config_field(
        "cross_entropy",
        "Training loss; multi_target is for ferplus with --labels=multi_target.",
        choices=("cross_entropy", "focal", "multi_target"),
    )
    precision: str = config_field(
        "f32",
        "bf16: activations in bfloat16; f64 needs JAX_ENABLE_X64=1.",
        choices=("f32", "bf16", "f64"),
    )
    label_smoothing: float = config_field(
        0.0, "Share of the target spread over all classes.", low=0, high=1
    )
    class_weights: str = config_field(
        "none",
        "Loss weight of a class; inverse: N / (K * count); effective: by effective number.",
        choices=("none", "inverse", "effective"),
    )
    dropout: float | None = config_field(
        None, "Dropout rate. Default: the network's.", low=0, high=1
    )
    jumper: str | None = config_field(None, "Residual jumper of awei. Default: input.")
    guide: str | None = config_field(
        None, "none, or vgg16: a frozen network whose features awei adds. Default: none."
    )
    guide_input: str = config_field(
        "weights",
        "weights: the guide sees the image as its weights were trained; shared: as awei does.",
        choices=("weights", "shared"),
    )
    pooling: str | None = config_field(
        None, "Of vgg: flatten (7x7, the published classifier) or mean. Default: flatten."
    )
    head_widths: tuple[int, ...] | None = config_field(
        None, "Comma list: dense layers between features and logits. Default: the network's."
    )
    num_classes: int | None = config_field(
        None, "Of synthetic: 7, or 8 with contempt; of ckplus: 6, 7 or 8. Default: 7.", low=2
    )
    labels: str | None = config_field(
        None,
        "How ferplus's votes become training labels: majority, probability, crossentropy or"
        " multi_target. Default: majority.",
    )
    folds: int | None = config_field(
        None,
        "Cut train and val anew into so many folds, by person where the data set names persons,"
        " train on each in WORKDIR/fold_NN, and report mean, deviation and the pooled matrix.",
        low=3,
    )
    fold: int | None = config_field(
        None, "Of --folds, this one alone: it is test, the next is val.", low=1
    )
    cache_dir: str | None = config_field(
        None, "Folder of decoded images: made once, mapped by every later run.", free=True
    )
    on_bad_image: str = config_field(
        "error", "An unreadable image: error, or skip and count it.", choices=("error", "skip")
    )
    balance: bool = config_field(False, "Draw every class equally often in training.")
    limit: int | None = config_field(None, "Use this many images of each split, stratified.", low=1)
    val_fraction: float = config_field(
        0.1, "Share of train held out as val where the data set has none.", above=0, high=0.9
    )
    split_seed: int = config_field(0, "Seed of that cut, apart from --seed.", low=0)
    tta: str = config_field(
        "none",
        "Test-time augmentation: the report holds its numbers beside the plain ones; selection"
        " stays on plain val accuracy.",
        choices=_TTA,
        free=True,
    )
    seed: int = config_field(
        0,
        "Seed of initialisation, order, augmentation and dropout.",
        low=0,
        high=_LARGEST_SEED,
    )
    seeds: tuple[int, ...] = config_field(
        (),
        "Comma list: train once for each seed, in WORKDIR/seed_N, and report mean and deviation.",
    )
    eval_every: int = config_field(
        1, "Evaluate on val every so many epochs; each epoch is saved.", low=1
    )
    save_minutes: float = config_field(
        10.0, "Save within an epoch every so many minutes.", above=0, free=True
    )
    resume: bool = config_field(False, "Continue the run in --workdir, or start it.", free=True)
    smoke: bool = config_field(False, "Shrink the recipe to under a minute, to see that all works.")
    progress: bool = config_field(True, "Progress bars on a terminal.", free=True)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.schedule == "one_cycle" and self.warmup_epochs:
            raise UserError(
                f"--warmup_epochs={self.warmup_epochs}: one_cycle has a warm-up of its own."
                " Leave the flag out, or use --schedule=cosine."
            )
        if self.warmup_epochs > self.epochs:
            raise UserError(
                f"--warmup_epochs={self.warmup_epochs} is longer than --epochs={self.epochs}."
            )
        for seed in self.seeds:
            if not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
                raise UserError(
                    f"--seeds names {seed!r}: expected whole numbers, at least 0 and at most"
                    f" {_LARGEST_SEED}."
                )
        if self.loss == "multi_target" and self.label_smoothing:
            raise UserError(
                f"--label_smoothing={self.label_smoothing}: multi_target smooths by itself (FER+)."
                " Leave the flag out."
            )
        if self.fold is not None and self.fold > (self.folds or 0):
            raise UserError(f"--fold={self.fold} of --folds={self.folds}: expected 1 to --folds.")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"--seeds={','.join(map(str, self.seeds))} names a seed twice.")


@dataclass(frozen=True)
class EvalConfig:
    """What `launch.evaluate` evaluates. One flag for each field.

    Without `dataset`, `data_dir` and `split` the run's own report is made anew.
    """

    workdir: str = config_field("", "Run directory to evaluate.")
    dataset: str | None = config_field(None, "Data set. Default: the run's own.")
    data_dir: str | None = config_field(
        None, "Data set's folder (or csv file). Default: the run's own."
    )
    split: str | None = config_field(
        None,
        "Split. Default: test, or val where there is no test.",
        choices=("train", "val", "test"),
    )
    tta: str = config_field("none", "Test-time augmentation.", choices=_TTA)
    checkpoint: str = config_field("selected", "Which parameters.", choices=("selected", "last"))
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        check_fields(self)
