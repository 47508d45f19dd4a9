"""`Paper`: the tables of a paper's module, with its figures and the points that it leaves open."""

from dataclasses import dataclass

from ferjax.reproduce.claim_table import Claim
from ferjax.reproduce.experiment_table import Experiment

# curves: accuracy and loss over the epochs; emotions: accuracy of each emotion over the epochs;
# confusion: confusion matrix with margins; histogram: images of each class; augmentation: images
# and augmented copies of them (drawn faces, so that a report shows no person).
FIGURE_KINDS = ("curves", "emotions", "confusion", "histogram", "augmentation")


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, redrawn from our runs.

    Attributes:
      name: unique within the paper; letters, digits and `_`.
      kind: one of `FIGURE_KINDS`.
      caption: one sentence.
      where: place in the paper, such as `Figure 3`.
      experiment: the experiment whose first seed is drawn; a confusion matrix sums over its seeds.
      split: for `confusion`.
      epoch: for `confusion`: `selected` or `last`.
      matrix: for `confusion`: the printed counts, rows true classes, columns predicted ones, in the
        order of `classes`, drawn beside ours.
      classes: of `matrix`: canonical names.
    """

    name: str
    kind: str
    caption: str
    where: str
    experiment: str
    split: str = "test"
    epoch: str = "selected"
    matrix: tuple[tuple[int, ...], ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenPoint:
    """Something that the paper does not print, our reading, and the effect of the reading.

    Attributes:
      name: unique within the paper; letters, digits and `_`.
      text: what is open, in one sentence.
      reading: what ferjax assumes, and why, in words.
      tried: (value in words, name of the experiment) of each value tried, including our reading.
      metric: metric by which the values are compared.
      split: split of the metric.
      epoch: epoch of the metric.
    """

    name: str
    text: str
    reading: str
    tried: tuple[tuple[str, str], ...] = ()
    metric: str = "accuracy"
    split: str = "test"
    epoch: str = "selected"


@dataclass(frozen=True)
class Paper:
    """The tables of a paper.

    A module `ferjax.reproduce.papers.NAME` holds the literals `TITLE`, `DATASETS`, `EXPERIMENTS`,
    `CLAIMS`, `FIGURES` and `OPEN_POINTS`.

    Attributes:
      name: value of the flag `--paper`, such as `yang`.
      title: such as `P4 Yang, Zhang, Zheng: depth-varied CNNs on FER2013`.
      datasets: names of the data sets that it uses.
      experiments: in the order in which they are run.
      claims: its ledger.
      figures: the figures that are redrawn.
      open_points: the points that the paper leaves open.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]
    figures: tuple[Figure, ...]
    open_points: tuple[OpenPoint, ...]
