"""Worker process of the suite `growth`: it loads a data set and runs parts on it."""

from pathlib import Path
from typing import Any

from ferjax.bench.growth.parts import PARTS, Loaded, load
from ferjax.bench.growth.tiled_faces import register_faces
from ferjax.bench.measuring.anonymous_memory import anonymous_peak
from ferjax.bench.measuring.case import Run
from ferjax.bench.scaling.scaling_cases import Layout
from ferjax.bench.scaling.worker_processes import Answer

# `LOAD` loads the data set in a folder. `PREPARE` prepares a part and returns its number of images.
# `RUN` runs the part once. `MEMORY` runs it once and returns its peak memory.
LOAD, PREPARE, RUN, MEMORY = "load", "prepare", "run", "memory"


def make_answer(layout: Layout) -> Answer:
    """Returns the function that answers `LOAD`, `PREPARE`, `RUN` and `MEMORY`."""
    del layout
    register_faces()
    loaded: list[Loaded] = []
    prepared: list[Run] = []

    def answer(action: str, argument: Any) -> int | None:
        if action == LOAD:
            loaded[:] = [load(Path(argument))]
            return None
        if action == PREPARE:
            prepared.clear()  # frees the previous part, whose memory would count
            prepared.append(PARTS[argument].build(loaded[0]))
            return PARTS[argument].images(loaded[0])
        if action == MEMORY:
            return anonymous_peak(prepared[0])
        prepared[0]()
        return None

    return answer
