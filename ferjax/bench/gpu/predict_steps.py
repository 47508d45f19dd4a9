"""Predicts the time of a training step on each GPU from its counted work."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.bench.gpu.count_step import StepCounts, count_step
from ferjax.bench.scaling.cluster_hardware import GPUS, Accelerator
from ferjax.bench.scaling.predict_step_time import DEFAULT, Assumptions, compute_bounds
from ferjax.bench.scaling.step_costs import StepCosts
from ferjax.bench.suites.gpu_steps import STEPS, GpuStep


@dataclass(frozen=True)
class Prediction:
    """The predicted time of a step on one GPU.

    Attributes:
      step: name of the step.
      images: images per step.
      gpu: a key of `GPUS`.
      chip: name of the GPU and the precision of its products.
      counts: the work of the step.
      bounds: what bounds the step → seconds.
    """

    step: str
    images: int
    gpu: str
    chip: str
    counts: StepCounts
    bounds: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Returns the predicted seconds of the step: the longest of its bounds."""
        return max(self.bounds.values())

    @property
    def binding(self) -> str:
        """Returns the name of the longest bound."""
        return max(self.bounds, key=lambda name: self.bounds[name])

    @property
    def images_per_second(self) -> float:
        """Returns the predicted rate."""
        return self.images / self.seconds

    def to_json(self) -> dict[str, Any]:
        """Returns the prediction as JSON values."""
        return {
            "step": self.step,
            "gpu": self.gpu,
            "chip": self.chip,
            "predicted seconds": self.seconds,
            "bounds, seconds": dict(self.bounds),
            "binding": self.binding,
            "images per second": self.images_per_second,
            "flops": self.counts.flops,
            "products": self.counts.products,
            "least bytes": self.counts.moved_bytes,
            "state bytes": self.counts.state_bytes,
            "stored bytes": self.counts.stored_bytes,
        }


def predict_step(step: GpuStep) -> tuple[Prediction, ...]:
    """Returns the predictions of a step, one for each GPU; lowers the step, compiles nothing."""
    counts = count_step(step.parts()[0], step.arguments())
    return tuple(
        predict_on(counts, str(step), step.batch_size, gpu, chips[step.precision])
        for gpu, chips in GPUS.items()
    )


@functools.cache
def predictions_by_name(name: str) -> tuple[Prediction, ...]:
    """Returns the predictions of the step of that name; none for a case that is not predicted."""
    found = [step for step in STEPS if str(step) == name]
    return predict_step(found[0]) if found else ()


def predict_on(
    counts: StepCounts,
    step: str,
    images: int,
    gpu: str,
    chip: Accelerator,
    assumed: Assumptions = DEFAULT,
) -> Prediction:
    """Returns the prediction for one GPU, by the model of the suite `scaling`.

    Args:
      counts: the work of the step.
      step: its name.
      images: images per step.
      gpu: name of the GPU.
      chip: its peak and bandwidth.
      assumed: the assumptions of the model.
    """
    costs = StepCosts(
        model=step,
        recipe="",
        dataset="",
        image_size=0,
        batch=images,
        flops=counts.flops / images,
        products=counts.products,
        gradient_bytes=0,
        norm_channels=(),
        state_bytes=counts.state_bytes,
        moved_bytes=counts.moved_bytes,
    )
    return Prediction(step, images, gpu, chip.name, counts, compute_bounds(costs, chip, assumed))
