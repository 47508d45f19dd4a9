"""`Paper`: what a paper's module holds, its figures and the points that it leaves open."""

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
      experiment: whose run (its first seed; a confusion matrix sums over the seeds) is drawn.
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
    """Something that the paper does not print, our reading, and what the reading moves.

    Attributes:
      name: unique within the paper; letters, digits and `_`.
      text: what is open, in one sentence.
      reading: what ferjax takes, and why, in words.
      tried: (value in words, name of the experiment) of each value tried, our reading among them.
      metric: what is compared.
      split: of the metric.
      epoch: of the metric.
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
    """All that is known of a paper.

    A module `ferjax.reproduce.papers.NAME` holds the literals `TITLE`, `DATASETS`, `EXPERIMENTS`,
    `CLAIMS`, `FIGURES` and `OPEN_POINTS`.

    Attributes:
      name: such as `yang`; of the flag `--paper`.
      title: such as `P4 Yang, Zhang, Zheng: depth-varied CNNs on FER2013`.
      datasets: names of the data sets that it uses.
      experiments: in the order in which they are run.
      claims: its ledger.
      figures: that are redrawn.
      open_points: that the paper leaves open.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]
    figures: tuple[Figure, ...]
    open_points: tuple[OpenPoint, ...]
