"""`TrainConfig`: all flags of launch.train with defaults, help, bounds and choices."""

from dataclasses import dataclass

from ferjax.config.field_combinations import LARGEST_SEED, check_combinations
from ferjax.config.fields import check_fields, config_field, expand_home

# The names of test-time augmentations; the module that defines them imports JAX.
TTA = ("none", "flip", "ten_crop")


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run, one flag of `launch.train` for each field."""

    model: str = config_field("", "Network; see --list.")
    dataset: str = config_field("", "Data set; see --list.")
    data_dir: str | None = config_field(
        None,
        "Folder (or csv file) of the data set. Default: $FERJAX_DATA/<dataset>, then"
        " data/<dataset>.",
        free=True,
    )
    workdir: str | None = config_field(
        None,
        "Run directory. Default: runs/<model>-<dataset>-<recipe>-s<seed>, followed by the flags"
        " that change the recipe, like -lr0.01-noaugment.",
        free=True,
    )
    recipe: str | None = config_field(
        None, "Name of a recipe. Default: the paper's for this model and data set, else 'default'."
    )
    epochs: int | tuple[int, ...] = config_field(
        20,
        "Passes over the training split. A comma list gives one value for each phase. With"
        " --resume, +N trains a finished run N longer, if its schedule is constant.",
        low=1,
    )
    batch_size: int = config_field(64, "Images per step, on all devices together.", low=1)
    learning_rate: float | tuple[float, ...] = config_field(
        1e-3, "Peak learning rate; never rescaled. One value, or one for each phase.", above=0
    )
    optimizer: str = config_field(
        "adam",
        "Optimizer; nesterov is sgd with Nesterov momentum, sam is sharpness-aware sgd, muon leaves"
        " head, biases and norms to Adam with Nesterov momentum.",
        choices=("sgd", "nesterov", "adam", "adamw", "radam", "lamb", "sam", "muon"),
    )
    momentum: float = config_field(0.9, "Momentum of sgd, nesterov, sam; 0: none.", low=0, high=1)
    weight_decay: float = config_field(
        0.0,
        "Weight decay of kernels only: decoupled with adamw, lamb and muon, else added to the"
        " gradient.",
        low=0,
    )
    schedule: str | tuple[str, ...] = config_field(
        "constant",
        "Learning rate schedule of the run. One value, or one for each phase.",
        choices=(
            "constant",
            "step",
            "exponential",
            "inverse_time",
            "cosine",
            "one_cycle",
            "plateau",
            "cosine_restarts",
        ),
    )
    decay_rate: float | None = config_field(
        None,
        "For step, exponential and plateau: factor of the learning rate; for inverse_time: decay"
        " per step. Default: 0.1, 0.95, 0.1; 1e-6.",
        above=0,
    )
    decay_epochs: float | None = config_field(
        None,
        "For step and exponential: epochs between two factors; for plateau: evaluations without"
        " improvement before a factor; for cosine_restarts: epochs of a cycle. Default: 30, 1; 10;"
        " 10.",
        above=0,
    )
    warmup_epochs: float = config_field(
        0.0, "Epochs of linear warm-up in each phase; not with one_cycle.", low=0
    )
    clip_norm: float | None = config_field(
        None, "Clip the global norm of the gradient to this value.", above=0
    )
    accumulate: int = config_field(
        1, "Gradient accumulation: split a batch into this many parts to save memory.", low=1
    )
    views: int = config_field(
        1,
        "Augmented views of each image in a step: it is read and decoded once, and the network sees"
        " batch_size x views inputs.",
        low=1,
    )
    ema: float | None = config_field(
        None,
        "Decay per step of an exponential moving average of the parameters. Selection and report"
        " use the average; the report shows the raw parameters too.",
        above=0,
        high=1,
    )
    patience: int | None = config_field(
        None, "Stop a phase after this many evaluations without improvement on val.", low=1
    )
    freeze: str | tuple[str, ...] = config_field(
        "none",
        "Parameters that are not trained: none, all_but_head, or a regular expression for whole"
        " parameter paths. One value, or one for each phase.",
    )
    backbone_factor: float = config_field(
        1.0, "Factor of the learning rate for all parameters but the head.", above=0
    )
    layer_decay: float = config_field(
        1.0, "Factor of the learning rate from each layer to the one below it.", above=0
    )
    feature_cache: str = config_field(
        "auto",
        "Store the features of a frozen branch for each image on disk; auto: if this is exact,"
        " saves time and fits on the disk.",
        choices=("auto", "on", "off"),
    )
    feature_gigabytes: float = config_field(
        8.0, "Largest size on disk of --feature_cache=auto, in GB.", above=0, free=True
    )
    image_size: int | None = config_field(None, "Side of the network's input in pixels.", low=1)
    channels: int | None = config_field(
        None, "1 (grey) or 3 (RGB). Default: those of the data set.", choices=(1, 3)
    )
    normalization: str | None = config_field(
        None,
        "unit: [0, 1]; dataset: by mean and standard deviation of each channel of the training"
        " split; weights: as the pretrained weights were trained. Default: weights if there are"
        " pretrained weights, else unit.",
        choices=("unit", "dataset", "weights"),
    )
    pretrained: str | None = config_field(
        None,
        "Pretrained weights: imagenet (the network's default weights), a name of launch.convert"
        " --list, a URL, a file, a folder of launch.convert; or another run's directory, or a"
        " recogniser that comes with ferjax (fernet-ferplus, fernet-fer2013), from which outputs of"
        " equal emotions are taken; none: random weights, also against the recipe. With --guide:"
        " the weights of the guide.",
    )
    offline: bool = config_field(
        False, "Download nothing; weights must be in the cache.", free=True
    )
    augment: str = config_field(
        "none",
        "Augmentation of the training split. flip: horizontal flip; standard: flip, shift by up to"
        " a tenth of the side; paper: flip, rotation by up to 0.2 of a full turn (P2); fer: flip,"
        " shift, rotation by up to 10 degrees, zoom, colour, erasing; strong: all of these in other"
        " strengths, crops, mixup and cutmix.",
        choices=("none", "flip", "standard", "paper", "fer", "strong"),
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
    teacher: tuple[str, ...] = config_field(
        (),
        "Distillation: comma list of run directories, or of recognisers that come with ferjax. The"
        " mean of their probabilities for the same augmented image is a part of each target.",
    )
    teacher_weight: float = config_field(
        0.5, "Share of the teachers' probabilities in each target.", above=0, high=1
    )
    class_weights: str = config_field(
        "none",
        "Weight of each class in the loss; inverse: N / (K * count); effective: by effective number"
        " of samples.",
        choices=("none", "inverse", "effective"),
    )
    dropout: float | None = config_field(
        None, "Dropout rate. Default: that of the network.", low=0, high=1
    )
    stochastic_depth: float | None = config_field(
        None,
        "For efficientnet: probability of dropping the deepest block, decreasing to 0 at the first"
        " block. Default: 0.",
        low=0,
        high=1,
    )
    jumper: str | None = config_field(None, "For awei: the residual jumper. Default: input.")
    guide: str | None = config_field(
        None,
        "For awei: none, or vgg16, a frozen guide network that adds its features. Default: none.",
    )
    guide_input: str = config_field(
        "weights",
        "Normalization of the guide's input. weights: as its weights were trained; shared: the same"
        " as for awei.",
        choices=("weights", "shared"),
    )
    stem: str | None = config_field(
        None,
        "For resnet: imagenet (7x7, stride 2, max pool) or small (3x3, stride 1, no pool: for"
        " images of 48 pixels). Default: imagenet.",
    )
    pooling: str | None = config_field(
        None, "For vgg: flatten (7x7, the published classifier) or mean. Default: flatten."
    )
    head_widths: tuple[int, ...] | None = config_field(
        None,
        "Comma list: widths of dense layers between features and logits. Default: those of the"
        " network.",
    )
    num_classes: int | None = config_field(
        None,
        "For synthetic and affectnet: 7, or 8 with contempt; for ckplus: 6, 7 or 8. Default: 7.",
        low=2,
    )
    angles: str | None = config_field(
        None,
        "For kdef: frontal, half (with the half profiles) or all (with the full profiles too)."
        " Default: frontal.",
    )
    labels: str | None = config_field(
        None,
        "For ferplus: how votes become training labels: majority, probability, crossentropy or"
        " multi_target. Default: majority.",
    )
    folds: int | None = config_field(
        None,
        "Cross-validation: split train and val into this many folds, by subject if the data set"
        " names subjects. Each fold is test once; val is --val_fraction of all images, out of the"
        " next fold; all others are train: 80 % with 10 folds, 70 % with 5, 57 % with 3. One run"
        " for each in WORKDIR/fold_NN, and a report with the pooled confusion matrix.",
        low=2,
    )
    protocol: str | None = config_field(
        None,
        "Cut and label the data by a protocol that is not ferjax's own, such as a paper's; reports"
        " are stamped with what it breaches. See --list. Default: ferjax's own splits.",
    )
    fold: int | None = config_field(
        None, "Train only this one of --folds: it is test, val comes out of the next.", low=1
    )
    cache_dir: str | None = config_field(
        None, "Folder of decoded images: written once, memory-mapped by later runs.", free=True
    )
    on_bad_image: str = config_field(
        "error",
        "What to do with an unreadable image: error, or skip and count it.",
        choices=("error", "skip"),
    )
    balance: bool = config_field(
        False, "Draw every class equally often in training: instead of --class_weights."
    )
    limit: int | None = config_field(None, "Use this many images of each split, stratified.", low=1)
    val_fraction: float = config_field(
        0.1,
        "Share of train held out as val if the data set has none; with --folds the share of all"
        " images, at most one fold.",
        above=0,
        high=0.9,
    )
    split_seed: int = config_field(0, "Seed of the split into train and val, or folds.", low=0)
    tta: str = config_field(
        "none",
        "Test-time augmentation: its scores are reported in addition; selection still uses the val"
        " accuracy without it.",
        choices=TTA,
        free=True,
    )
    seed: int = config_field(
        0, "Seed of initialisation, order, augmentation and dropout.", low=0, high=LARGEST_SEED
    )
    seeds: tuple[int, ...] = config_field(
        (),
        "Comma list: train one run for each seed, in WORKDIR/seed_N, and report mean and standard"
        " deviation.",
    )
    on_nan: str = config_field(
        "stop",
        "If loss, gradient or parameters are not finite: stop; rollback: continue from the last"
        " checkpoint, once, with a tenth of the learning rate.",
        choices=("stop", "rollback"),
        free=True,
    )
    eval_every: int = config_field(
        1, "Evaluate on val every this many epochs; each epoch is saved.", low=1
    )
    save_minutes: float = config_field(
        10.0, "Save a checkpoint within an epoch every this many minutes.", above=0, free=True
    )
    on_save_error: str = config_field(
        "stop",
        "If a checkpoint or metrics line cannot be saved, as on a full disk: stop, with the last"
        " good checkpoint on disk; continue: warn, train on, and try again at the next save.",
        choices=("stop", "continue"),
        free=True,
    )
    tensorboard: bool = config_field(
        False, "Write the metrics to WORKDIR/tensorboard too (extra tensorboard).", free=True
    )
    profile: bool = config_field(
        False,
        "Trace 5 calls of the step into WORKDIR/profile, for https://ui.perfetto.dev.",
        free=True,
    )
    images_on_device: str = config_field(
        "auto",
        "Keep the training images on the devices; auto: on a GPU or TPU, if they take at most an"
        " eighth of its memory.",
        choices=("auto", "on", "off"),
        free=True,
    )
    steps_per_call: int = config_field(
        1,
        "Training steps of one program call, at most; more than 1 is for small networks on a GPU"
        " or TPU, and slow on a CPU. Saves and Ctrl-C wait for the end of a call.",
        low=1,
        free=True,
    )
    shard_params: bool = config_field(
        False, "Split parameters and optimizer state over the devices.", free=True
    )
    resume: bool = config_field(
        False, "Continue the run in --workdir, or start it if there is none.", free=True
    )
    overwrite: bool = config_field(
        False,
        "Start anew where --workdir holds a run: that is moved to WORKDIR.old-1, .old-2 and so on.",
        free=True,
    )
    smoke: bool = config_field(
        False, "Shrink the recipe to under a minute, to check that everything works."
    )
    progress: bool = config_field(
        True, "A line for each epoch; on a terminal also progress bars.", free=True
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_combinations(self)
