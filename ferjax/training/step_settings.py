"""Settings of the training step: network, optimizer, loss, augmentation, fixed at compilation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import linen as nn

from ferjax.errors import UserError
from ferjax.images.augment import Augment, Augmentation
from ferjax.specs import InputSpec
from ferjax.training.losses import cross_entropy, multi_target

Loss = Callable[..., tuple[jax.Array, jax.Array]]


class Teacher(NamedTuple):
    """A trained network whose probabilities are a part of the targets (knowledge distillation).

    Attributes:
      model: the network; each batch contains its variables, in `teachers`.
      spec: how images become its input.
    """

    model: nn.Module
    spec: InputSpec


@dataclass(frozen=True, eq=False)
class StepSettings:
    """Everything about a training step that is fixed when the step is compiled.

    Attributes:
      model: the network, or with `stored_branch="trunk"` its head alone.
      optimizer: optimizer at a learning rate of 1; `TrainState.opt_state` is its state.
      rate: the learning rate as a function of the run's step.
      spec: how images become network input.
      seed: the run's seed; the random keys of every step are derived from it.
      augment: a preset; or a function (key, uint8 images [B, H, W, C], int32 index [B]) → images
        of the same shape, uint8 or float in [0, 255], which runs before `prepare`.
      loss: (logits float [B, K], targets int [B] or float [B, K], *, label_smoothing,
        class_weights) → loss float [B] and weight float [B] of every example.
      label_smoothing: share of the target that is spread over all classes, 0 to 1.
      class_weights: float [K], or None.
      frozen: regular expression on paths of parameters that are not trained. They are not
        differentiated, and layers below all trained layers have no backward pass.
      stored_branch: the branch whose stored output is `feature` of a batch: `trunk`, everything
        below the head; or the path of a submodule. None: the whole network is computed.
      rate_factors: tree with each trained parameter's factor on the learning rate, or None for 1.
      accumulate: number of parts that a batch is split into; their gradients are summed.
      teachers: networks whose mean probabilities, for the same augmented image, are blended into
        the targets. This comes before mixup and cutmix, which blend the targets of two images.
      teacher_weight: share of the teachers' probabilities in the targets.
      views: augmented views of each image in a step; the network sees B * views inputs.
      ema: decay of the moving average in `TrainState.ema`, or None.

    Raises:
      UserError: `multi_target`, whose targets are 0 or 1, with an augmentation that mixes images.
    """

    model: nn.Module
    optimizer: optax.GradientTransformationExtraArgs
    rate: optax.Schedule
    spec: InputSpec
    seed: int = 0
    augment: Augment | Augmentation = Augment()  # noqa: RUF009 (a frozen dataclass)
    loss: Loss = cross_entropy
    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None
    frozen: str | None = None
    stored_branch: str | None = None
    rate_factors: Any = None
    accumulate: int = 1
    views: int = 1
    teachers: tuple[Teacher, ...] = ()
    teacher_weight: float = 0.5
    ema: float | None = None

    def __post_init__(self) -> None:
        check_loss_fits(self.loss, self.augment)


def check_loss_fits(loss: Loss, augment: Augment | Augmentation) -> None:
    """Raises `UserError` for `multi_target`, whose targets are 0 or 1, with mixed images."""
    mixes = isinstance(augment, Augment) and (augment.mixup or augment.cutmix)
    if mixes and loss is multi_target:
        raise UserError(
            "--loss=multi_target takes targets of 0 and 1, and mixup and cutmix of --augment"
            " give shares of two images' classes. Give --augment=fer, which mixes nothing, or"
            " use --loss=cross_entropy."
        )


def check_loss_shapes(loss: Loss, losses: jax.Array, weights: jax.Array, batch: int) -> None:
    """Raises `UserError` if a loss did not return a loss and a weight for each example.

    A loss [B, K] would otherwise be an error of broadcasting, or a wrong sum if B is K.

    Args:
      loss: the function.
      losses: its losses, expected to be float [B].
      weights: its weights, expected to be float [B].
      batch: the number of examples B.
    """
    shapes = [np.shape(losses), np.shape(weights)]
    if shapes != [(batch,), (batch,)]:
        name = getattr(loss, "__name__", loss)
        raise UserError(
            f"the loss {name} returned losses {list(shapes[0])} and weights {list(shapes[1])}:"
            f" [{batch}] expected of both, one for each image of a batch."
        )
