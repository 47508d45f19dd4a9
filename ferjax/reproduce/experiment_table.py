"""`Experiment`: a training run, or a classical baseline, that a paper's claims are judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# paper: what the paper did, by its own protocol. honest: the same on ferjax's splits. reading: one
# hyper-parameter that the paper does not print, at another value. baseline: what the paper compares
# with. proposed: what the paper suggests and did not do.
ROLES = ("paper", "honest", "reading", "baseline", "proposed")


@dataclass(frozen=True)
class Experiment:
    """One row of a paper's table of experiments.

    Attributes:
      name: unique within the paper; also the name of its folder.
      role: one of `ROLES`.
      recipe: recipe of `ferjax.recipes` that it starts from; empty for a classical baseline.
      settings: `TrainConfig` field → value, where it differs from the recipe; for a classical
        baseline field of `BaselineConfig` → value.
      protocol: name of the paper's protocol, with which the report is stamped; None: ferjax's
        splits.
      reading: for the role `reading`: the field and the value that it tries, such as
        `("optimizer", "adam")`.
      needs: what must be at hand besides the data set, in words, such as weights that cannot be
        downloaded. An experiment that lacks one is listed as one that could not be run.
      one_seed: whether one seed serves, as for readings that only show a tendency.
      why: one sentence for the report: what the experiment is for.
    """

    name: str
    role: str
    recipe: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    reading: tuple[str, Any] | None = None
    needs: tuple[str, ...] = ()
    one_seed: bool = False
    why: str = ""
