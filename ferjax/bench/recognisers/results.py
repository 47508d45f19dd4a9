"""Results of the suite `recognisers`, and their JSON form."""

import dataclasses
import statistics
from dataclasses import dataclass
from typing import Any

from ferjax.bench.recognisers.scored_faces import Score


@dataclass(frozen=True)
class Result:
    """The measurements of one recogniser.

    Attributes:
      name: the recogniser's name.
      preprocessing: `own`, `best`, or empty.
      scores: name of the faces → scores.
      core_seconds: processor time of one face within a batch, over all cores, one number a round.
      seconds: wall time of a call with one face, one number a round.
    """

    name: str
    preprocessing: str
    scores: dict[str, Score]
    core_seconds: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def faces_per_core_second(self) -> float:
        """Returns the median rate."""
        return 1 / statistics.median(self.core_seconds)

    @property
    def milliseconds(self) -> float:
        """Returns the median time of one face."""
        return 1000 * statistics.median(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Returns the result as JSON values."""
        return {
            **dataclasses.asdict(self),
            "faces_per_core_second": self.faces_per_core_second,
            "milliseconds": self.milliseconds,
        }


@dataclass(frozen=True)
class SuiteResult:
    """The measurements of the suite.

    Attributes:
      faces: name of the faces → the split's name in the data set.
      results: in the order of the tables.
      notes: the files from which the peers were read, and the packages that were not found.
    """

    faces: dict[str, str]
    results: tuple[Result, ...]
    notes: tuple[str, ...]
