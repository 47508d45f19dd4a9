"""A recogniser under comparison: a callable from grey faces to probabilities of named classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# The side of FER2013's faces, in pixels.
SIDE = 48
# Preprocessing of a peer: that of its library by default, or the face resized to the input size of
# the network.
OWN, BEST = "own", "best"


@dataclass(frozen=True)
class Recogniser:
    """A recogniser of ferjax or of another project.

    Attributes:
      name: the name of the project or run.
      classes: canonical emotion names, in the order of the columns.
      probabilities: uint8 [N, 48, 48, 1] → float [N, K]; rows sum to 1.
      preprocessing: `OWN` or `BEST`; empty for a recogniser that has only one.
    """

    name: str
    classes: tuple[str, ...]
    probabilities: Callable[[np.ndarray], np.ndarray]
    preprocessing: str = ""

    @property
    def label(self) -> str:
        """Returns the name, with the preprocessing where there are several."""
        return f"{self.name}, {self.preprocessing}" if self.preprocessing else self.name
