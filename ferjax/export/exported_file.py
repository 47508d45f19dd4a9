"""What a format of `launch.export` is: its writer, its files, and the faces they are checked on."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.predict_and_export import ExportConfig
from ferjax.export.exported_network import ExportedNetwork

# The largest difference of a probability between ferjax and an export in float32.
TOLERANCE = 1e-5
# The least share of faces with ferjax's emotion: with fewer a file is no export of this network.
LEAST_AGREEMENT, LEAST_AGREEMENT_OF_INT8 = 0.99, 0.9


@dataclass(frozen=True)
class CheckFaces:
    """Faces on which exports are compared with the predictor.

    Attributes:
      images: uint8 [N, H, W, C], as the exports take them.
      labels: int [N], or None where they are not known.
      source: what they are, for the card: "500 faces of val of ferplus".
      real: whether they are photographs.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray | None = field(repr=False)
    source: str
    real: bool


@dataclass(frozen=True)
class FormatOptions:
    """What a writer gets beside the network.

    Attributes:
      config: of the command.
      faces: on which every file is checked.
      calibration: other faces, to find ranges of activations for int8; the same where there are too
        few.
      progress: whether progress is shown.
    """

    config: ExportConfig
    faces: CheckFaces
    calibration: CheckFaces
    progress: bool = True


@dataclass(frozen=True)
class ExportedFile:
    """A file, or folder, that a format has written.

    Attributes:
      path: of it.
      precision: `float32`, `float16` or `int8`.
      usage: the script in `usage/` that runs it in the check; None: only its size is stated.
      beside: further files that it needs, counted into its size.
      largest_difference: of a probability from ferjax's; above it the export fails. None: no bound.
      least_agreement: share of faces with ferjax's emotion; below it the export fails.
      python: the interpreter that runs the script; a converter's environment has its runtime.
      facts: JSON values that its row of the table keeps; `note` is shown below the table.
    """

    path: Path
    precision: str
    usage: str | None
    beside: tuple[Path, ...] = ()
    largest_difference: float | None = TOLERANCE
    least_agreement: float = LEAST_AGREEMENT
    python: str = sys.executable
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format that `launch.export` writes.

    Attributes:
      write: (network, folder, options) → the files, written into the folder.
      files: names of all that it may write; `{name}` is the export's name, `{module}` the same as
        a name of a Python module.
      usage: scripts of `usage/` that are copied beside them.
      require: raises `UserError` where a package that it needs is missing.
      fits: raises `UserError` where a network of this name has no such form.
      calibrated: those of the files that are only written where there are real faces of val.
    """

    write: Callable[[ExportedNetwork, Path, FormatOptions], Sequence[ExportedFile]]
    files: tuple[str, ...]
    usage: tuple[str, ...] = ()
    require: Callable[[], None] = lambda: None
    fits: Callable[[str], object] = lambda model: None
    calibrated: tuple[str, ...] = ()


def calibrated_on(options: FormatOptions) -> str:
    """Returns what an int8 file was calibrated on, in words for its note."""
    same = np.array_equal(options.calibration.images, options.faces.images)
    which = "the same as in the check: there are too few" if same else "others than in the check"
    return f"calibrated on {options.calibration.source}, {which}"


def module_name(name: str) -> str:
    """Returns the name of an export as one that Python can import."""
    word = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{word}" if word[:1].isdigit() else word
