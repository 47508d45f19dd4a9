"""Types of `launch.export`: formats, their options, the files they write, faces for the check."""

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
# The least share of faces for which an export names ferjax's emotion; below it the export fails.
LEAST_AGREEMENT, LEAST_AGREEMENT_OF_INT8 = 0.99, 0.9


@dataclass(frozen=True)
class CheckFaces:
    """Faces on which exports are compared with the predictor.

    Attributes:
      images: uint8 [N, H, W, C], as the exports take them.
      labels: int [N], or None if they are not known.
      source: description of the faces for the card: "500 faces of val of ferplus".
      real: whether they are images of a data set, not drawn faces.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray | None = field(repr=False)
    source: str
    real: bool


@dataclass(frozen=True)
class FormatOptions:
    """Options of a format's writer.

    Attributes:
      config: the config of the command.
      faces: the faces on which every file is checked.
      calibration: other faces, from which int8 finds the ranges of activations; the same faces if
        there are too few.
      progress: whether to show progress.
    """

    config: ExportConfig
    faces: CheckFaces
    calibration: CheckFaces
    progress: bool = True


@dataclass(frozen=True)
class ExportedFile:
    """A file, or folder, that a format has written.

    Attributes:
      path: path of the file or folder.
      precision: `float32`, `float16` or `int8`.
      usage: the script in `usage/` that runs the file in the check.
      beside: further files that it needs, counted into its size.
      largest_difference: bound for the difference of a probability from ferjax's; the export fails
        above it. None: no bound.
      least_agreement: bound for the share of faces with ferjax's emotion; the export fails below
        it.
      python: the interpreter that runs the script; a converter's environment has the runtime.
      facts: JSON values for the file's row of the table; `note` is shown below the table.
      network: the file in a folder that the script runs; None: `path` itself.
    """

    path: Path
    precision: str
    usage: str
    beside: tuple[Path, ...] = ()
    largest_difference: float | None = TOLERANCE
    least_agreement: float = LEAST_AGREEMENT
    python: str = sys.executable
    facts: Mapping[str, Any] = field(default_factory=dict)
    network: Path | None = None


@dataclass(frozen=True)
class Format:
    """A format that `launch.export` writes.

    Attributes:
      write: (network, folder, options) → the files, written into the folder.
      files: names of all files that it may write; `{name}` is the export's name, `{module}` that
        name as a valid name of a Python module.
      usage: scripts of `usage/` that are copied beside the files.
      require: raises `UserError` if a package that the format needs is missing.
      fits: raises `UserError` if the network of this name cannot be written in the format.
      calibrated: the files that are written only if there are real faces of val.
    """

    write: Callable[[ExportedNetwork, Path, FormatOptions], Sequence[ExportedFile]]
    files: tuple[str, ...]
    usage: tuple[str, ...] = ()
    require: Callable[[], None] = lambda: None
    fits: Callable[[str], object] = lambda model: None
    calibrated: tuple[str, ...] = ()


def calibrated_on(options: FormatOptions) -> str:
    """Returns the text of a note: the faces on which an int8 file was calibrated."""
    same = np.array_equal(options.calibration.images, options.faces.images)
    comparison = "others than in the check"
    if same:
        comparison = "the same as in the check: there are too few"
    return f"calibrated on {options.calibration.source}, {comparison}"


def module_name(name: str) -> str:
    """Returns the name of an export as a valid name of a Python module."""
    module = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{module}" if module[:1].isdigit() else module
