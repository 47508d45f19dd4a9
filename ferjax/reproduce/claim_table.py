"""`Claim`: one number, comparison or figure of a paper, and what decides whether it holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number of an experiment, recomputed from its stored predictions or its curves.

    Attributes:
      experiment: name of an `Experiment` of the paper.
      metric: name in `ferjax.reproduce.measures.METRICS`, such as `accuracy`, `macro_f1`, `recall`.
      split: `train`, `val` or `test`.
      epoch: `selected` or `last`.
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

    The kinds are: `number`, the paper prints `paper` for `measure`; `at_least` and `at_most`, it
    says that `measure` reaches or stays under `paper`; `better`, it says that `measure` is above
    `than` (for losses: below); `trend`, that the metric grows along `along`; `count`, that the data
    have `paper` of `fact`; `figure`, that it shows `figure`, which the report redraws; `statement`,
    anything else, which `untestable` must explain.

    Attributes:
      name: unique within the paper and stable, such as `macro_f1_6_layers`.
      kind: as above.
      text: the claim in one sentence, in our words.
      where: place in the paper, such as `Table 2` or `conclusion`.
      paper: the printed number; a share is in [0, 1].
      printed: the number as the paper prints it, such as `.47`; its last digit is the rounding.
      measure: what it is held against.
      than: for `better`: the other side.
      along: for `trend`: the experiments, in the order in which the metric is said to grow.
      fact: for `count`: name in `ferjax.reproduce.data_facts.FACTS`, and its argument.
      figure: for `figure`: name in the paper's table of figures.
      honest: the same as `measure` by the honest protocol, shown beside it where there is one.
      untestable: why it cannot be tested with what is at hand, in words; None: it can.
    """

    name: str
    kind: str
    text: str
    where: str
    paper: float | None = None
    printed: str = ""
    measure: Measure | None = None
    than: Measure | None = None
    along: tuple[str, ...] = ()
    fact: tuple[str, str] | None = None
    figure: str | None = None
    honest: Measure | None = None
    untestable: str | None = None


KINDS = ("number", "at_least", "at_most", "better", "trend", "count", "figure", "statement")
