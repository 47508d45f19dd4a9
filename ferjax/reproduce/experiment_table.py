"""`Experiment`: a training run, or a classical baseline, by which a paper's claims are judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# paper: an experiment of the paper, by its own protocol; on other data, to which that may not
# apply, by the splits of these data. honest: the same on ferjax's splits. reading: one
# hyper-parameter that the paper does not print, at another value. baseline: an experiment with
# which the paper compares its own, or a training whose weights others start from. proposed: an
# experiment that the paper suggests and did not run. breach: an honest run with one rule of the
# protocol broken, for the study of protocols.
ROLES = ("paper", "honest", "reading", "baseline", "proposed", "breach")


@dataclass(frozen=True)
class Experiment:
    """One row of a paper's table of experiments.

    Attributes:
      name: unique within the paper; letters, digits and `_`; also the name of its folder.
      role: one of `ROLES`.
      recipe: recipe of `ferjax.recipes` that it starts from; `default` with `model` and `dataset`
        among the settings; empty for a classical baseline.
      settings: `TrainConfig` field → value, where it differs from the recipe; for a classical
        baseline field of `BaselineConfig` → value, with `dataset` among them.
      protocol: name of the paper's protocol, with which the report is stamped; None: ferjax's
        splits.
      needs: names of pretrained weights in `ferjax.reproduce.needed_weights.WEIGHTS`, such as
        `resnet50`. `--weights resnet50=FILE` gives them; else the recipe's own are fetched. An
        experiment that lacks them is listed as one that could not be run.
      after: name of an experiment above it in the table. Its run with the same seed, or with its
        only seed, becomes `pretrained`.
      accelerator: whether it is run on an accelerator only, because it takes days on a CPU.
      stands_in_for: name of the experiment that it replaces where that one cannot be run, for lack
        of its data set, its weights or an accelerator; see `stand_ins`.
      departs: differences between the settings and what the paper prints, each in words such as
        `64 px instead of 224`. A verdict that uses this experiment is marked as one by proxy.
      one_seed: whether one seed is enough, as for readings that only show a tendency.
      why: one sentence for the report: what the experiment is for.
    """

    name: str
    role: str
    recipe: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    needs: tuple[str, ...] = ()
    after: str | None = None
    accelerator: bool = False
    stands_in_for: str | None = None
    departs: tuple[str, ...] = ()
    one_seed: bool = False
    why: str = ""
