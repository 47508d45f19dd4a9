"""Recipes of PyTorch's sides of the suite `speedrun`: all settings of a training, fixed before."""

from dataclasses import dataclass

from ferjax.bench.measuring.fixed_recipe import NATIVE_SIDE, check_phases, check_settings

_CHOICES = {
    "optimizer": ("sgd", "nesterov", "adam", "adamw"),
    "schedule": ("cosine", "one_cycle"),
    "flip": ("alternating", "random", "none"),
    "dtype": ("float32", "bfloat16"),
}


@dataclass(frozen=True)
class TorchRecipe:
    """The settings of a training in PyTorch; those of ferjax's recipes have the same names.

    Attributes:
      phases: (side in pixels, epochs) of each phase, in order.
      batch_size: faces of a step; the rest of an epoch is left out.
      optimizer: `sgd` (with momentum), `nesterov`, `adam` or `adamw`.
      learning_rate: the highest rate.
      schedule: `cosine`, from the highest rate to 0; `one_cycle`, PyTorch's `OneCycleLR`.
      peak_at: share of all steps after which the rate of `one_cycle` is highest.
      momentum: momentum of SGD.
      weight_decay: weight decay of all parameters.
      label_smoothing: share of the target that is spread over all classes.
      flip: as in ferjax's recipes.
      shift: largest shift in pixels of a face of 48.
      whitening: side of the patches of the frozen first layer; 0: it is trained.
      stem_width: filters of a trained first layer.
      stage_sizes: number of residual blocks in each stage.
      widths: filters of each stage.
      dropout: rate before the head.
      mirrored_views: whether probabilities are averaged over a face and its mirror image at the
        end.
      same_augmentation: whether network and augmentation follow ferjax's recipe, from data that are
        resident on the device; else a `DataLoader` reads the faces one by one.
      channels_last: whether images and kernels have the memory format channels_last.
      compiled: whether torch.compile is used.
      dtype: dtype of the layers, `float32` or `bfloat16` (autocast); parameters are float32.
    """

    phases: tuple[tuple[int, int], ...]
    batch_size: int
    optimizer: str
    learning_rate: float
    schedule: str
    peak_at: float = 0.25
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    flip: str = "random"
    shift: int = 0
    whitening: int = 0
    stem_width: int = 48
    stage_sizes: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (64, 128)
    dropout: float = 0.0
    mirrored_views: bool = False
    same_augmentation: bool = False
    channels_last: bool = False
    compiled: bool = False
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_phases(self.phases)
        check_settings(self, _CHOICES)


TORCH_RECIPES: dict[str, TorchRecipe] = {
    # A usual script: SGD with momentum, cosine, random flips, one size.
    "torch_plain": TorchRecipe(
        phases=((NATIVE_SIDE, 15),),
        batch_size=128,
        optimizer="sgd",
        learning_rate=0.05,
        schedule="cosine",
    ),
    # ferjax's default recipe with PyTorch's own fast settings, in float32 like ferjax's side.
    "torch_best": TorchRecipe(
        phases=((24, 5), (32, 3), (NATIVE_SIDE, 2)),
        batch_size=256,
        optimizer="nesterov",
        learning_rate=0.2,
        schedule="one_cycle",
        label_smoothing=0.1,
        flip="alternating",
        shift=4,
        whitening=4,
        mirrored_views=True,
        same_augmentation=True,
        channels_last=True,
        compiled=True,
    ),
}
