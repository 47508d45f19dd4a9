"""Load a trained network from its run directory: model, parameters, input and class names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from ferjax.config.given_files import fitting_values
from ferjax.errors import UserError, unknown_name
from ferjax.models.registry import create_model
from ferjax.runtime.finite_arrays import not_finite
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec, spec_from_json
from ferjax.training.run_directory.checkpoints import read_meta, restore_variables
from ferjax.training.state import init_variables

_ADVICE = "Copy the run again, or train it again."


@dataclass(frozen=True)
class LoadedRun:
    """A trained network with its variables, input and class names.

    Attributes:
      model: the Linen module.
      variables: `params` and `batch_stats`, numpy.
      spec: how images become its input.
      classes: names of its logits.
      step: the step at which these parameters were saved.
      epoch: number of finished epochs at that step.
      meta: the whole meta of that checkpoint, or the model card of a weights file.
    """

    model: nn.Module
    variables: dict[str, Any]
    spec: InputSpec
    classes: tuple[str, ...]
    step: int
    epoch: int
    meta: dict[str, Any]

    def identity(self, source: str | Path) -> str:
        """Returns a text that differs for other parameters; `source` is where they were loaded."""
        saved = f"step {self.step}, saved {self.meta.get('saved')}"
        return self.meta.get("sha256") or f"{Path(source).resolve()}, {saved}"


def load_run(run_dir: str | Path, checkpoint: str = "selected", *, raw: bool = False) -> LoadedRun:
    """Returns the network of a run; only its checkpoints are read.

    Args:
      run_dir: the run's directory.
      checkpoint: `selected` (best on val) or `last`.
      raw: whether to return the trained parameters even if the run has their moving average.

    Raises:
      UserError: no such directory, no such checkpoint yet, or one that is damaged or holds NaN.
    """
    if checkpoint not in ("selected", "last"):
        raise unknown_name("--checkpoint", checkpoint, ("selected", "last"))
    run_dir = Path(run_dir).expanduser()
    step, meta = read_meta(run_dir)
    with fitting_values(run_dir / "checkpoints" / str(step), _ADVICE):
        epoch = meta["epoch"]
        if checkpoint == "selected":
            if not meta["best"]:
                raise UserError(f"{run_dir}: no epoch has been evaluated yet, so none is selected.")
            step, epoch = int(meta["best"]["step"]), int(meta["best"]["epoch"])
            meta = read_meta(run_dir, step)[1]
        spec, classes = spec_from_json(meta["spec"]), tuple(map(str, meta["classes"]))
        averaged = () if raw else tuple(map(str, meta.get("averaged", ())))
        model, abstract = described_network(meta, classes, spec, run_dir)
    variables = restore_variables(run_dir, step, abstract, averaged)
    if broken := not_finite(flatten(variables)):
        raise UserError(
            f"{run_dir / 'checkpoints' / str(step)}: {broken}: the file is damaged, or the network"
            " diverged before it was saved. Copy the run again, or train it again."
        )
    return LoadedRun(model, variables, spec, classes, step, epoch, meta)


def described_network(
    meta: Mapping[str, Any], classes: Sequence[str], spec: InputSpec, where: str | Path
) -> tuple[nn.Module, dict[str, Any]]:
    """Returns a network that a file describes, and the shapes of its variables.

    Args:
      meta: contains `model`, the name of the network, and `fields`, its module fields.
      classes: names of its logits.
      spec: how images become its input.
      where: the run or file, for the error.

    Raises:
      UserError: an unknown network, or one that cannot be built with these fields and this input.
    """
    try:
        model = create_model(meta["model"], len(classes), **meta["fields"])
        return model, jax.eval_shape(lambda: init_variables(model, spec, seed=0))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except Exception as error:  # flax and jax have errors of their own for a wrong size
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{where}: the network that it describes cannot be built ({type(error).__name__}:"
            f" {reason}). {_ADVICE}"
        ) from None


def check_probabilities(probabilities: np.ndarray, source: str | Path) -> np.ndarray:
    """Returns the probabilities float [N, K]; raises `UserError` if one of them is not finite.

    Args:
      probabilities: probabilities of images, from the network of a run.
      source: the run, for the message.
    """
    rows = np.flatnonzero(~np.isfinite(probabilities).all(-1))
    if len(rows):
        raise UserError(
            f"{source}: its network gives probabilities that are not finite for {len(rows):,} of"
            f" {len(probabilities):,} images. Its weights are damaged or diverged: use another"
            " checkpoint, or train again with a lower --learning_rate."
        )
    return probabilities
