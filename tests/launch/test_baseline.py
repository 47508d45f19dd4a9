"""launch.baseline from the command line: a report, its second call, and errors of one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Commands = Callable[..., list[tuple[int, str, str]]]


def test_a_baseline_and_its_errors(commands: Commands, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, name in [(split, name) for split in ("train", "test") for name in ("happy", "sad")]:
        folder = tmp_path / "faces" / split / name
        folder.mkdir(parents=True)
        for k in range(12):
            # Sad images are darker below: a difference that edges and codes see.
            image = rng.integers(0, 60, (24, 24)) + np.arange(24)[:, None] * 5 * (name == "sad")
            Image.fromarray(image.astype(np.uint8)).save(folder / f"{k}.png")
    given = ("--features=phog", "--dataset=folder", "--data_dir=faces", "--workdir=out")
    small = ("--phog_levels=1", "--noprogress")
    answers = commands(
        "baseline",
        (*given, *small),
        (*given, *small),
        ("--features=phogg", *given[1:]),
        ("--dataset=folder",),
        (*given, "--lpq_window=4"),
        ("--features=phog", "--dataset=folder", "--data_dir=faces", "--phog_levels=5"),
        FERJAX_CACHE=str(tmp_path / "cache"),
    )
    status, output, errors = answers[0]
    assert (status, errors) == (0, "")
    *_, summary, path = output.splitlines()
    assert summary.startswith("test accuracy")
    assert path == "out/report.md"
    assert (tmp_path / path).is_file()
    words = ["finished", "Did you mean 'phog'", "--features is missing", "--lpq_window=4", "32x32"]
    for (status, _, errors), expected in zip(answers[1:], words, strict=True):
        assert status == 1
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
        assert expected in errors
