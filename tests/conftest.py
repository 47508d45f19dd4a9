"""Four simulated CPU devices for every test, and the fixtures that tests share."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Read when jax is first imported, which no test module does before this one.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("MPLBACKEND", "Agg")
# Compiling is nine tenths of a tiny run; subprocesses share the programs.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# A test replaces functions of ferjax, and the programs of the user's own commands stay as they are.
os.environ.setdefault("FERJAX_PROGRAMS", "0")
# Else every command that a test starts would start itself again (launch/command/huge_pages.py).
os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
if not os.environ.get("FERJAX_TEST_GPU"):
    os.environ["JAX_PLATFORMS"] = "cpu"
    # Most of that is LLVM's optimising; with XLA_FLAGS= in the environment it is done.
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    )

import jax
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from ferjax.config.train_config import TrainConfig
from ferjax.convert.reference_library import import_torchvision
from ferjax.data.splits.split import Split
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.evaluation import run_report, scores_and_figures
from ferjax.experiment import run_train
from ferjax.recipes import resolve
from ferjax.runs import train_phases

# How long an example takes is the machine's affair.
settings.register_profile("ferjax", deadline=None)
settings.load_profile("ferjax")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that wait for processes, so that no worker is left alone with one."""
    waiting = {"test_processes.py", "test_resume.py", "test_worker_processes.py"}
    items.sort(key=lambda item: item.path.name not in waiting)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how the hostile files of tests/launch/hostile ended, by their format."""
    reports = [r for r in terminalreporter.stats.get("passed", ()) if r.when == "call"]
    ends = [value for r in reports for name, value in r.user_properties if name == "hostile"]
    if not ends:
        return
    kinds = dict.fromkeys(end.rpartition(": ")[0] for end in ends)
    rows = [
        (kind, *(ends.count(f"{kind}: {end}") for end in ("refused", "skipped"))) for kind in kinds
    ]
    terminalreporter.section("hostile files: none executed, none with a traceback")
    for kind, refused, skipped in (
        *rows,
        ("all", *map(sum, zip(*(r[1:] for r in rows), strict=True))),
    ):
        terminalreporter.write_line(f"{kind:26} {refused:5} refused {skipped:5} skipped or shown")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps a file's tests in one worker, where they share fixtures and what is compiled."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session")
def audit_events() -> Callable[..., Any]:
    """Returns a function (names) → context with a list: (name, arguments) of these audit events.

    It sees what all threads of this process do; libraries in C raise none of Python's events.
    """
    watched: list[tuple[tuple[str, ...], list[tuple[str, Any]]]] = []

    def note(event: str, arguments: Any) -> None:
        for names, events in watched:
            if event in names:
                events.append((event, arguments))

    sys.addaudithook(note)  # which cannot be removed

    @contextlib.contextmanager
    def watching(*names: str) -> Iterator[list[tuple[str, Any]]]:
        events: list[tuple[str, Any]] = []
        watched.append((names, events))
        try:
            yield events
        finally:
            watched.remove((names, events))

    return watching


@pytest.fixture(scope="session")
def faces() -> Path:
    """Returns the folder of the real FER2013 faces: csv/fer2013.csv and folders/."""
    given = os.environ.get("FERJAX_FACES")
    if not given or not (Path(given) / "csv" / "fer2013.csv").is_file():
        pytest.skip("FERJAX_FACES names no folder with csv/fer2013.csv and folders/")
    return Path(given)


@pytest.fixture(scope="session")
def accelerator() -> None:
    """Skips without FERJAX_TEST_GPU; fails where it is set and there is no GPU."""
    wanted = os.environ.get("FERJAX_TEST_GPU")
    if not wanted:
        pytest.skip("needs a GPU and FERJAX_TEST_GPU=1")
    if wanted != "cpu" and jax.default_backend() != "gpu":
        pytest.fail(f"FERJAX_TEST_GPU={wanted}, but JAX computes on {jax.default_backend()}")


@pytest.fixture(scope="session")
def torchvision_models() -> Any:
    """Returns torchvision.models; timm and transformers import beside it from then on."""
    try:
        return import_torchvision("torchvision.models")
    except ImportError:
        pytest.skip("needs torchvision")


@pytest.fixture(scope="session")
def make_split() -> Callable[..., Split]:
    """Returns a function (images uint8 [N, H, W, C], labels or None) → split that reads them."""

    def make(images: np.ndarray, labels: np.ndarray | None = None, name: str = "val") -> Split:
        labels = np.zeros(len(images), np.int32) if labels is None else labels.astype(np.int32)
        ids = tuple(str(i) for i in range(len(images)))
        return Split(name, labels, ids, images.shape[1:], lambda indices: images[indices])

    return make


@pytest.fixture(scope="session")
def random_variables() -> Callable[..., dict[str, Any]]:
    """Returns a function (model, side, channels) → numpy variables, batch statistics random too.

    Drawn by numpy: compiling the initialisers takes longer than most tests.
    """

    def draw(model: Any, side: int, channels: int, seed: int = 0) -> dict[str, Any]:
        rng = np.random.default_rng(seed)

        def leaf(path: Any, like: jax.ShapeDtypeStruct) -> np.ndarray:
            values = rng.standard_normal(like.shape, np.float32)
            name = path[-1].key
            if name == "kernel":
                return values * np.sqrt(2 / np.prod(like.shape[:-1]), dtype=np.float32)
            return 1 + values**2 if name in ("var", "scale") else 0.3 * values

        image = jax.ShapeDtypeStruct((1, side, side, channels), np.float32)
        tree = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
        return jax.tree_util.tree_map_with_path(leaf, tree)

    return draw


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., TrainConfig]:
    """Returns a function (workdir, **given) → config that trains in seconds: base_cnn at 32 px."""

    def make(workdir: Path, **given: Any) -> TrainConfig:
        small = {"model": "base_cnn", "dataset": "synthetic", "image_size": 32, "smoke": True}
        return resolve({**small, "progress": False, "workdir": str(workdir), **given})

    return make


@pytest.fixture(scope="session")
def without_figures() -> Callable[[], Any]:
    """Returns a function → context whose runs report without figures, half of their time."""

    @contextlib.contextmanager
    def patched() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module in (run_report, scores_and_figures):
                for name in [name for name in vars(module) if re.match("_?draw_", name)]:
                    patch.setattr(module, name, lambda *_, **__: None)
            yield

    return patched


@pytest.fixture
def no_figures(without_figures: Callable[[], Any]) -> Iterator[None]:
    """Leaves the figures of reports undrawn during the test."""
    with without_figures():
        yield


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_config: Callable[..., Any]) -> Path:
    """Returns the directory of a finished run of cnn3 on all devices. Copy it to change it."""
    run_dir = tmp_path_factory.mktemp("tiny") / "run"
    run_train(tiny_config(run_dir, model="cnn3", image_size=48))
    return run_dir


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Returns a function (steps) → context in which runs are asked to stop after that many."""

    @contextlib.contextmanager
    def stopping(steps: int) -> Iterator[None]:
        @contextlib.contextmanager
        def requests(joined: bool) -> Iterator[Callable[[], bool]]:
            looks = iter(range(1, 1_000_000))
            yield lambda: next(looks) == steps

        with monkeypatch.context() as patch:
            patch.setattr(train_phases, "interrupt_requests", requests)
            yield

    return stopping


@pytest.fixture(scope="session")
def make_rafdb() -> Callable[..., Path]:
    """Returns a function (root, layout, train, test) → tree of drawn faces as RAF-DB's files."""
    numbered = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")

    def make(root: Path, layout: str = "kaggle", train: int = 35, test: int = 7) -> Path:
        names = [f"train_{k:05d}" for k in range(train)] + [f"test_{k:04d}" for k in range(test)]
        labels = [k % 7 + 1 for k in (*range(train), *range(test))]
        emotions = np.array([EMOTIONS.index(numbered[label - 1]) for label in labels])
        faces = render_faces(emotions, np.arange(len(names)), size=100)
        for name, label, face in zip(names, labels, faces, strict=True):
            folder = root / "DATASET" / name.split("_")[0] / str(label)
            if layout == "official":
                folder = root / "Image" / "aligned"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face).save(folder / f"{name}_aligned.jpg", quality=95)
        if layout == "official":
            (root / "EmoLabel").mkdir()
            lines = [f"{name}.jpg {label}\n" for name, label in zip(names, labels, strict=True)]
            (root / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))
        return root

    return make
