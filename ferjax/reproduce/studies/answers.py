"""The answers of the study's runs: on val and test, on other views, with other labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ferjax.reproduce.run_result import RunResult


@dataclass(frozen=True)
class Answers:
    """A network's answers to the images of a split.

    Attributes:
      digest: digest of the images: equal for equal images in the same order.
      labels: uint8 [N], the true classes.
      predicted: uint8 [N], the most probable classes.
      people: N names of the people, empty where they are not known.
      only: name → bool [N], which of the images are in a part of the split.
    """

    digest: str
    labels: np.ndarray
    predicted: np.ndarray
    people: tuple[str, ...] = ()
    only: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def correct(self) -> np.ndarray:
        """Returns bool [N], whether each prediction is right."""
        return self.labels == self.predicted


# Experiment → seed → `val`, `test`, `test+flip` and so on → answers.
AllAnswers = Mapping[str, Mapping[int, Mapping[str, Answers]]]


def split_answers(
    result: RunResult, people: Sequence[str] = (), test_only: Mapping[str, np.ndarray] | None = None
) -> dict[str, Answers]:
    """Returns the answers of a run to `val` and `test` at its selected epoch.

    Args:
      result: the result of the run.
      people: the people in its test images, where they are known.
      test_only: parts of its test split: name → bool [N].
    """
    answers = {}
    for split in ("val", "test"):
        predictions = result.predictions.get((split, result.epochs["selected"]))
        if predictions is not None:
            is_test = split == "test"
            answers[split] = Answers(
                str(result.splits[split]["digest"]),
                predictions.labels,
                predictions.predicted.astype(np.uint8),
                tuple(people) if is_test else (),
                (test_only or {}) if is_test else {},
            )
    return answers
