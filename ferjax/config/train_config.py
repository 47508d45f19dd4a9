"""`TrainConfig` and its like: the one source of flags, defaults, help and validation."""

from dataclasses import dataclass

from ferjax.config.field_combinations import LARGEST_SEED, check_together
from ferjax.config.fields import check_fields, config_field

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
    epochs: int | tuple[int, ...] = config_field(
        20, "Passes over the training split. A comma list makes phases, one value each.", low=1
    )
    batch_size: int = config_field(64, "Images a step, over all devices together.", low=1)
    learning_rate: float | tuple[float, ...] = config_field(
        1e-3, "Peak learning rate; never rescaled. One value, or one a phase.", above=0
    )
    optimizer: str = config_field(
        "adam",
        "Optimizer; nesterov is sgd with Nesterov's momentum, sam sharpness-aware sgd.",
        choices=("sgd", "nesterov", "adam", "adamw", "radam", "lamb", "sam", "muon"),
    )
    momentum: float = config_field(0.9, "Momentum of sgd, nesterov, sam; 0: none.", low=0, high=1)
    weight_decay: float = config_field(
        0.0,
        "On kernels only: decoupled with adamw, lamb and muon, else added to the gradient.",
        low=0,
    )
    schedule: str | tuple[str, ...] = config_field(
        "constant",
        "Learning rate over the run, or over each phase. One value, or one a phase.",
        choices=(
            "constant",
            "step",
            "exponential",
            "inverse_time",
            "cosine",
            "one_cycle",
            "plateau",
        ),
    )
    decay_rate: float | None = config_field(
        None,
        "Of step, exponential and plateau: factor; of inverse_time: share a step. Default: 0.1,"
        " 0.95, 0.1; 1e-6.",
        above=0,
    )
    decay_epochs: float | None = config_field(
        None,
        "Epochs between two such factors; of plateau: evaluations without gain before one."
        " Default: 30, 1; 10.",
        above=0,
    )
    warmup_epochs: float = config_field(
        0.0, "Linear warm-up, in epochs of each phase; not with one_cycle.", low=0
    )
    clip_norm: float | None = config_field(None, "Largest norm of the whole gradient.", above=0)
    accumulate: int = config_field(
        1, "Parts that a batch is cut into, whose gradients are summed: less memory.", low=1
    )
    ema: float | None = config_field(
        None,
        "Decay, a step, of a moving average of the parameters, which is then what is selected and"
        " reported, the raw ones beside it.",
        above=0,
        high=1,
    )
    patience: int | None = config_field(
        None, "Stop a phase after so many evaluations without gain on val.", low=1
    )
    freeze: str | tuple[str, ...] = config_field(
        "none",
        "What is not trained: none, all_but_head, or a regular expression on whole parameter"
        " paths. One value, or one a phase.",
    )
    backbone_factor: float = config_field(
        1.0, "Learning rate of all but the head, over the head's.", above=0
    )
    layer_decay: float = config_field(
        1.0, "Learning rate of a layer, over that of the next one towards the head.", above=0
    )
    feature_cache: str = config_field(
        "auto",
        "Keep on disk what a frozen branch makes of each image: auto, where that is exact, pays"
        " and fits.",
        choices=("auto", "on", "off"),
    )
    feature_gigabytes: float = config_field(
        8.0, "Most that --feature_cache=auto may fill.", above=0, free=True
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
        " --list, a URL, a file, a folder of launch.convert, or another run's directory, whose"
        " outputs are kept by emotion; none declines a recipe's. With --guide: the guide's.",
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
    stochastic_depth: float | None = config_field(
        None,
        "Of efficientnet: probability that the deepest block is left out, falling to 0 at the"
        " first. Default: 0.",
        low=0,
        high=1,
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
        high=LARGEST_SEED,
    )
    seeds: tuple[int, ...] = config_field(
        (),
        "Comma list: train once for each seed, in WORKDIR/seed_N, and report mean and deviation.",
    )
    on_nan: str = config_field(
        "stop",
        "A loss that is not finite: stop; rollback: back to the last checkpoint, once, with a tenth"
        " of the learning rate.",
        choices=("stop", "rollback"),
    )
    eval_every: int = config_field(
        1, "Evaluate on val every so many epochs; each epoch is saved.", low=1
    )
    save_minutes: float = config_field(
        10.0, "Save within an epoch every so many minutes.", above=0, free=True
    )
    on_save_error: str = config_field(
        "stop",
        "A checkpoint or line that cannot be saved, as on a full disk: stop, the last good"
        " checkpoint kept; continue: say so, train on, and try again at the next save.",
        choices=("stop", "continue"),
        free=True,
    )
    tensorboard: bool = config_field(
        False, "Write the metrics to WORKDIR/tensorboard too (extra tensorboard).", free=True
    )
    profile: bool = config_field(
        False,
        "Trace 5 steady steps into WORKDIR/profile; open its perfetto_trace.json.gz at"
        " https://ui.perfetto.dev.",
        free=True,
    )
    shard_params: bool = config_field(
        False, "Split parameters and optimizer state over the devices.", free=True
    )
    resume: bool = config_field(False, "Continue the run in --workdir, or start it.", free=True)
    smoke: bool = config_field(False, "Shrink the recipe to under a minute, to see that all works.")
    progress: bool = config_field(True, "Progress bars on a terminal.", free=True)

    def __post_init__(self) -> None:
        check_fields(self)
        check_together(self)


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
