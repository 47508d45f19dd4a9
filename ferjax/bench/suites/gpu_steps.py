"""Training steps at the sizes of a GPU, the first cases of suite `gpu`; they are also predicted."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import BARE, OURS, XLA, Case, Run
from ferjax.bench.measuring.pytorch_training import gpu_train_peers
from ferjax.bench.measuring.train_step_case import random_batch, step_parts, step_run
from ferjax.bench.pytorch import networks
from ferjax.data.pipeline.stacked_batches import stack_batches

# Precision of `--precision` → dtype of the activations; parameters are always float32.
_DTYPES = {"f32": "float32", "bf16": "bfloat16"}


@dataclass(frozen=True)
class GpuStep:
    """A training step of the suite.

    Attributes:
      model: the network's name.
      side: side of the images, pixels.
      channels: channels of the images.
      batch_size: images per step.
      optimizer: as in `train_case`.
      precision: `f32` or `bf16`.
      fields: fields of the network.
    """

    model: str
    side: int
    channels: int
    batch_size: int
    optimizer: str
    precision: str
    fields: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        words = [self.model, *(f"{name}={value}" for name, value in self.fields.items())]
        return f"{' '.join(words)}, {self.side} px, {self.precision}, {self.batch_size} images"

    def parts(self, several: bool = False) -> tuple[Callable[..., Any], Callable[[], Any]]:
        """Returns the pure step and the function that creates its state: see `step_parts`."""
        fields = {**self.fields, "dtype": jax.numpy.dtype(_DTYPES[self.precision])}
        return step_parts(
            self.model, self.side, self.channels, self.optimizer, fields, several=several
        )

    def batch(self) -> dict[str, np.ndarray]:
        """Returns a random batch on the host."""
        return random_batch(self.side, self.channels, self.batch_size)

    def arguments(self) -> tuple[Any, ...]:
        """Returns the abstract state, sums and batch."""
        batch = {
            name: jax.ShapeDtypeStruct((self.batch_size, *rows.shape[1:]), rows.dtype)
            for name, rows in random_batch(self.side, self.channels, 1).items()
        }
        return (*jax.eval_shape(self.parts()[1]), batch)


# The first compiles in seconds, so that a report exists soon.
STEPS = (
    GpuStep("cnn6", 48, 1, 512, "adamw", "f32"),
    GpuStep("resnet50", 224, 3, 256, "sgd", "bf16"),
    GpuStep("resnet18", 48, 3, 512, "sgd", "bf16", MappingProxyType({"stem": "small"})),
    GpuStep("awei", 224, 3, 64, "adam", "f32", MappingProxyType({"jumper": "input"})),
    GpuStep("efficientnet_b1", 224, 3, 128, "sgd", "bf16"),
)


# The papers' shortest step, of which the host's part is largest; steps in a call, and calls.
_SHORTEST, _STEPS_PER_CALL, _CALLS = GpuStep("cnn3", 48, 1, 128, "adam", "f32"), 16, 4

# Network → the same in PyTorch, without dropout, which would draw other masks.
_TWINS: dict[str, Callable[[], Any]] = {
    "awei": lambda: networks.awei("input", 224),
    "cnn6": lambda: networks.depth_cnn(6),
    "efficientnet_b1": lambda: networks.torchvision_network(
        "efficientnet_b1", dropout=0.0, stochastic_depth_prob=0.0
    ),
    "resnet18": networks.small_stem_resnet18,
    "resnet50": lambda: networks.torchvision_network("resnet50"),
}


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite.

    The peer is PyTorch with the same precision. Only the jumper has plain XLA as a second one: on a
    GPU the other steps are plain XLA themselves.
    """
    return (*map(_case, STEPS), _calls_case())


def _case(step: GpuStep) -> Case:
    def build(plain: bool) -> Run:
        return step_run(*step.parts(), step.batch(), plain=plain)

    sides = {OURS: functools.partial(build, False)}
    if "jumper" in step.fields:
        sides[XLA] = functools.partial(build, True)
    return Case(
        name=str(step),
        shape=f"{step.batch_size}x{step.side}x{step.side}x{step.channels}, {step.optimizer}",
        function=lambda *arguments: step.parts()[0](*arguments),
        arguments=step.arguments,
        sides=sides,
        peers=gpu_train_peers(
            _TWINS[step.model], step.optimizer, step.batch, autocast=step.precision == "bf16"
        ),
        images=step.batch_size,
        quick=True,
    )


def _calls_case() -> Case:
    """Returns the case of `--steps_per_call`: calls of several steps against single steps."""
    step, count = _SHORTEST, _STEPS_PER_CALL * _CALLS
    stack = [step.batch()] * _STEPS_PER_CALL
    return Case(
        name=f"{count} steps of {step}, {_STEPS_PER_CALL} a call",
        shape=f"{step.batch_size}x{step.side}x{step.side}x{step.channels}, {step.optimizer}",
        function=None,
        arguments=lambda: (),
        sides={
            OURS: lambda: step_run(
                *step.parts(several=True),
                stack_batches(stack, _STEPS_PER_CALL),
                plain=False,
                times=_CALLS,
            ),
            BARE: lambda: step_run(*step.parts(), step.batch(), plain=False, times=count),
        },
        bytes=count * step.batch()["image"].nbytes,
        images=count * step.batch_size,
        quick=True,
    )
