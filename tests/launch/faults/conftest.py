"""Inputs, undisturbed results, and the process that starts commands, for the tests of faults."""

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

# The modules beside this file; tests are no package.
sys.path.insert(0, str(Path(__file__).parent))

from commands import COMMANDS, INPUTS, Command
from processes import Zygote, can_mount, run_plainly, words_of
from results import differences
from tally import new_tally, table

from ferjax.convert.export_torchvision import to_torchvision
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.models.registry import abstract_variables


@dataclass(frozen=True)
class Undisturbed:
    """A command that nothing has happened to.

    Attributes:
      folder: that it was given in, by a plain process; its cache is warm.
      seconds: that it takes as a child of the zygote.
      changes: of the file system that it makes.
    """

    folder: Path
    seconds: float
    changes: int


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table of all faults; those of tests that failed are in it."""
    ended = [r for name in ("passed", "failed") for r in terminalreporter.stats.get(name, ())]
    properties = [one for r in ended if r.when == "call" for one in r.user_properties]
    tallies = [value for name, value in properties if name == "faults"]
    if tallies:
        terminalreporter.section("faults, and the same command again")
        for line in table(tallies):
            terminalreporter.write_line(line)


@pytest.fixture
def begin_tally(
    record_property: Callable[[str, object], None],
) -> Iterator[Callable[[str, str], dict[str, Any]]]:
    """Yields a function (fault, command) → counts of the test, which are printed at the end.

    They are printed after the test too (`pytest -s`): the suite takes an hour, and may be stopped.
    """
    tallies = []

    def begin(fault: str, command: str) -> dict[str, Any]:
        tally = new_tally(fault, command)
        tallies.append(tally)
        record_property("faults", tally)
        return tally

    yield begin
    print(*tallies, sep="\n")


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Returns the process that starts commands."""
    process = Zygote(can_mount())
    yield process
    process.close()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def inputs(base: Path, zygote: Zygote) -> Path:
    """Returns the folder of what commands read: two runs, faces in class folders, weights."""
    folder = base / "inputs"
    folder.mkdir()

    def make(module: str, words: Sequence[str]) -> None:
        child = zygote.start(module, words, folder)
        assert zygote.wait(child) == 0, child.said()

    make(*INPUTS)
    pictures = render_faces(np.arange(42) % 7, np.arange(42), size=48)
    for number, pixels in enumerate(pictures):
        place = folder / "faces" / EMOTIONS[number % 7]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    if importlib.util.find_spec("av"):
        draw_clip(folder / "clip.mp4")
    rng = np.random.default_rng(0)
    shapes = abstract_variables("resnet18", 7)
    drawn = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    state = to_torchvision(drawn, "resnet18", {})[0]
    save_file(
        {k: np.ascontiguousarray(v) for k, v in state.items()}, folder / "resnet18.safetensors"
    )
    words = ("--model=resnet18", f"--source={folder}/resnet18.safetensors", "--out=converted")
    make("launch.convert", words)
    return folder


def draw_clip(path: Path) -> None:
    """Draws two seconds in which two faces move."""
    import av

    faces = render_faces(np.arange(2), np.arange(2), size=120)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 480, 300, "yuv420p"
        for number in range(50):
            image = np.full((300, 480, 3), 110, np.uint8)
            for k, face in enumerate(faces):
                left = 20 + 2 * number if k == 0 else 340 - 2 * number
                image[20 + 140 * k : 140 + 140 * k, left : left + 120] = face
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def undisturbed(base: Path, inputs: Path, zygote: Zygote) -> Callable[[str], Undisturbed]:
    """Returns a function (name of a command) → its undisturbed run, made once.

    It runs twice: as a plain process, and as a child of the zygote, whose result is the same.
    """
    made: dict[str, Undisturbed] = {}

    def make(name: str) -> Undisturbed:
        if name not in made:
            number = [*COMMANDS].index(name)
            folder, twin = base / f"plain_{number}", base / f"twin_{number}"
            command = COMMANDS[name]
            words = words_of(command, inputs)
            run_plainly(command.module, words, folder)
            fresh(folder, twin)
            record = base / f"changes_{number}"
            start = time.monotonic()
            child = zygote.start(command.module, words, twin, changes=str(record))
            assert zygote.wait(child) == 0, child.said()
            seconds = time.monotonic() - start
            assert [*differences(twin, folder)] == []
            made[name] = Undisturbed(folder, seconds, os.stat(record).st_size)
            shutil.rmtree(twin)
        return made[name]

    return make


def fresh(undisturbed: Path, folder: Path, cache: bool = True) -> Path:
    """Makes a folder for a command, with a copy of a warm cache."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("compiled", "programs"):
        if cache and (undisturbed / "cache" / name).is_dir():
            shutil.copytree(undisturbed / "cache" / name, folder / "cache" / name)
    return folder


@pytest.fixture(scope="session")
def make_folder() -> Callable[..., Path]:
    """Returns `fresh`."""
    return fresh


def one_sentence(said: str) -> str:
    """Returns the error that a command ended with; asserts that it is one line and no traceback."""
    assert "Traceback" not in said, said
    *_, last = said.strip().splitlines()
    assert last.startswith("error: "), said
    return last


@pytest.fixture(scope="session")
def error_of() -> Callable[[str], str]:
    """Returns `one_sentence`."""
    return one_sentence


@pytest.fixture(scope="session")
def give(zygote: Zygote, inputs: Path) -> Callable[..., tuple[int, str]]:
    """Returns a function (command, folder, **faults) → exit status, what was printed."""

    def call(command: Command, folder: Path, **faults: Any) -> tuple[int, str]:
        child = zygote.start(command.module, words_of(command, inputs), folder, **faults)
        return zygote.wait(child), child.said()

    return call
