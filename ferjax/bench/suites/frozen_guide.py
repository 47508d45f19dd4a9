"""Suite `guide`: training steps with a frozen branch (features stored or computed) or without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ferjax.bench.measuring.case import OURS, Build, Case
from ferjax.bench.measuring.train_step_case import random_batch, step_parts, step_run
from ferjax.runs.frozen_branch import GUIDE
from ferjax.training.augmented_views import TRUNK
from ferjax.training.freezing import frozen_pattern

# The peers are other steps of ferjax.
COMPUTED, NO_GUIDE, WHOLE = "computed", "no guide", "trained whole"
_BATCH = 8


@dataclass(frozen=True)
class Step:
    """One side of a case.

    Attributes:
      arguments: the arguments of `step_parts`.
      feature: shape of an image's stored features, if `stored_branch` is set.
    """

    arguments: Mapping[str, Any]
    feature: tuple[int, ...] = ()

    def parts(self) -> tuple[Callable[..., Any], Callable[[], Any], dict[str, np.ndarray]]:
        """Returns the step, the function that creates its state, and its batch."""
        batch = random_batch(self.arguments["side"], self.arguments["channels"], _BATCH)
        if self.feature:
            shape = (_BATCH, 1, *self.feature)
            batch["feature"] = np.random.default_rng(1).random(shape, np.float32)
        if self.arguments.get("stored_branch") == TRUNK:
            batch["image"] = np.zeros((_BATCH, 1, 1, 1), np.uint8)
        return *step_parts(**self.arguments), batch

    def build(self) -> Build:
        """Returns the side's builder."""
        return lambda: step_run(*self.parts(), plain=False)


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    return tuple(_case(name, sides) for name, sides in steps().items())


def steps() -> dict[str, dict[str, Step]]:
    """Returns the sides of each case by name, ferjax's own first."""
    awei = dict(model="awei", side=224, channels=3, optimizer="adam")
    guided = dict(awei, fields={"guide": "vgg16"}, frozen="guide/.*")
    whole = dict(model="resnet50", side=128, channels=3, optimizer="sgd")
    head = dict(whole, frozen=frozen_pattern("all_but_head", None))
    return {
        "awei guide=vgg16, stored": {
            OURS: Step(dict(guided, stored_branch=GUIDE), (7, 7, 512)),
            COMPUTED: Step(guided),
            NO_GUIDE: Step(awei),
        },
        "resnet50 head only": {OURS: Step(head), WHOLE: Step(whole)},
        "resnet50 head only, stored": {
            OURS: Step(dict(head, stored_branch=TRUNK), (2048,)),
            COMPUTED: Step(head),
            WHOLE: Step(whole),
        },
    }


def _case(name: str, sides: Mapping[str, Step]) -> Case:
    ours, settings = sides[OURS], sides[OURS].arguments

    def arguments() -> tuple[Any, ...]:
        _, init, batch = ours.parts()
        return *jax.eval_shape(init), batch

    return Case(
        name=name,
        shape="{0}x{side}x{side}x{channels}, {optimizer}".format(_BATCH, **settings),
        function=lambda *arguments: ours.parts()[0](*arguments),
        arguments=arguments,
        sides={label: step.build() for label, step in sides.items()},
        images=_BATCH,
        quick=GUIDE in name,
    )
