"""Recipes of ferjax's side of the suite `speedrun`: all settings of a training, fixed before."""

from dataclasses import dataclass

from ferjax.bench.measuring.fixed_recipe import NATIVE_SIDE, check_phases, check_settings
from ferjax.errors import UserError
from ferjax.training.optimizers.optax_optimizers import OPTIMIZERS

FLIPS = ("alternating", "random", "none")


@dataclass(frozen=True)
class SpeedRecipe:
    """The settings of a training; nothing else but the seed and the faces determines a run.

    Attributes:
      phases: (side in pixels, epochs) of each phase, in order; a side is a multiple of 8, from 16
        to 48. Each side is compiled once.
      batch_size: faces of a step; the rest of an epoch is left out.
      crops: augmented versions of each face in a step, so that a network computes `crops` times
        `batch_size` images.
      optimizer: name of one of ferjax's optimizers, such as `nesterov` or `muon`.
      learning_rate: the highest rate.
      other_rate: factor on the rate of biases, batch norms and the head.
      peak_at: share of all steps after which the rate is highest; it rises and falls linearly.
      first_rate: the first rate as a share of the highest.
      last_rate: the last rate as a share of the highest.
      momentum: momentum of SGD.
      weight_decay: weight decay of the kernels.
      label_smoothing: share of the target that is spread over all classes.
      flip: `alternating`: a face is mirrored in every second epoch; `random`: with probability 1/2
        in each epoch; `none`.
      shift: largest shift in pixels of a face of 48; smaller faces are shifted in proportion.
      whitening: side of the patches whose principal components are the frozen first layer; 0: the
        first layer is trained as in `fernet_s`.
      stem_width: filters of a trained first layer.
      stage_sizes: number of residual blocks in each stage.
      widths: filters of each stage.
      dropout: rate before the head.
      ema: decay of the average of the parameters that is evaluated, or None.
      mirrored_views: whether probabilities are averaged over a face and its mirror image at the
        end.
      dtype: dtype of the computation, `float32` or `bfloat16`; parameters are float32.
      compile_ahead: whether programs that are needed later compile while the first steps run.
    """

    phases: tuple[tuple[int, int], ...] = ((48, 10),)
    batch_size: int = 256
    crops: int = 1
    optimizer: str = "nesterov"
    learning_rate: float = 0.2
    other_rate: float = 1.0
    peak_at: float = 0.25
    first_rate: float = 0.2
    last_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    flip: str = "alternating"
    shift: int = 4
    whitening: int = 0
    stem_width: int = 48
    stage_sizes: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (64, 128)
    dropout: float = 0.0
    ema: float | None = None
    mirrored_views: bool = True
    dtype: str = "float32"
    compile_ahead: bool = True

    def __post_init__(self) -> None:
        check_phases(self.phases)
        choices = {"flip": FLIPS, "optimizer": OPTIMIZERS, "dtype": ("float32", "bfloat16")}
        check_settings(self, choices)
        if self.crops < 1:
            raise UserError(f"crops={self.crops}: at least 1 expected.")

    @property
    def epochs(self) -> int:
        """Returns the epochs of all phases."""
        return sum(epochs for _, epochs in self.phases)


# Low resolution first: an epoch at 24 pixels costs a quarter of one at 48.
_PROGRESSIVE = ((24, 5), (32, 3), (NATIVE_SIDE, 2))

RECIPES: dict[str, SpeedRecipe] = {
    "full_size": SpeedRecipe(),
    "progressive": SpeedRecipe(phases=_PROGRESSIVE),
    "whitened": SpeedRecipe(phases=_PROGRESSIVE, whitening=4),
    "muon": SpeedRecipe(
        phases=_PROGRESSIVE,
        whitening=4,
        optimizer="muon",
        learning_rate=0.02,
        other_rate=0.2,
        weight_decay=0.02,
        batch_size=512,
    ),
}
