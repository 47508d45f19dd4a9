"""`Claim`: one number, comparison or figure of a paper, and how it is judged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number of an experiment, recomputed from its stored predictions or its curves.

    Attributes:
      experiment: name of an `Experiment` of the paper.
      metric: name in `ferjax.reproduce.judging.metrics.METRICS`, such as `accuracy`, `macro_f1`,
        `recall`, which are computed from predictions; metrics named `curve_...` are read from
        metrics.jsonl.
      split: `train`, `val` or `test`.
      epoch: `selected` or `last`; for a metric of the curves also `phase_1`, the last epoch of the
        first phase.
      emotion: for the metrics of one class: its canonical name.
    """

    experiment: str
    metric: str = "accuracy"
    split: str = "test"
    epoch: str = "selected"
    emotion: str | None = None


@dataclass(frozen=True)
class Claim:
    """One row of a ledger.

    The kinds are:
    `number`: the paper prints the number `paper` for `measure`.
    `at_least`, `at_most`: the paper says that `measure` reaches `paper`, or stays under it.
    `better`: the paper says that `measure` is above `than` (for losses: below).
    `trend`: the paper says that the metric of `measure` grows along `along`.
    `count`: the paper says that `counted` has `paper` images.
    `figure`: the paper shows `figure`, which the report redraws.
    `statement`: anything else; `untestable` must say why it is not tested.

    Attributes:
      name: unique within the paper and stable; letters, digits and `_`: `macro_f1_6_layers`.
      kind: as above.
      text: the claim in one sentence, in our words.
      where: place in the paper, such as `Table 2` or `conclusion`.
      paper: the printed number; a share is in [0, 1].
      printed: the number as the paper prints it, such as `.47` or `97.6 %`; half a unit of its last
        digit is the rounding.
      rounding: half-width of the printed number where its digits do not tell it, as for "about
        50 %"; None: the digits of `printed` tell it, and a bound is exact.
      measure: our number, with which the claim is compared. For `count`: its `experiment` names the
        data.
      than: for `better`: the other side of the comparison.
      along: for `trend`: the experiments, in the order in which the metric is said to grow; the one
        of `measure` is among them.
      counted: for `count`: the split whose images are counted, or several as `train+val`.
      complete: for `count`: splits, written like `counted`, and the number of images in them in a
        complete copy of the data. A copy with another number cannot judge the claim.
      figure: for `figure`: name in the paper's table of figures.
      honest: the same as `measure` by the honest protocol, shown beside it; None: there is none.
      honest_than: the same as `than` by the honest protocol.
      honest_along: the same as `along` by the honest protocol.
      other_data: whether the claim can be judged on a proxy data set too; None: comparisons and
        trends can, numbers cannot.
      untestable: why it cannot be tested with what is at hand, in words; None: it can be tested.
    """

    name: str
    kind: str
    text: str
    where: str
    paper: float | None = None
    printed: str = ""
    rounding: float | None = None
    measure: Measure | None = None
    than: Measure | None = None
    along: tuple[str, ...] = ()
    counted: str | None = None
    complete: tuple[str, int] | None = None
    figure: str | None = None
    honest: Measure | None = None
    honest_than: Measure | None = None
    honest_along: tuple[str, ...] = ()
    other_data: bool | None = None
    untestable: str | None = None


KINDS = ("number", "at_least", "at_most", "better", "trend", "count", "figure", "statement")
