"""The made video and the score of a table about it."""

from pathlib import Path

import numpy as np
import pytest

from ferjax.bench.prediction.made_video import Scene, write_scene
from ferjax.bench.prediction.video_score import TableScore, score_table
from ferjax.live.video_frames import read_frames, video_facts

SCENE = Scene(0.5, rate=10, size=(180, 320))


def row(frame: int, person: int | None, place: int = 0, late: float = 0.0) -> dict[str, str]:
    """Returns a row whose box is about the person of the scene in a place."""
    seconds = frame / SCENE.rate
    x, y = SCENE.centres(seconds)[place]
    box = {"left": f"{x - 10}", "top": f"{y - 10}", "width": "20", "height": "20"}
    who = {"person": "" if person is None else f"{person}"}
    return {"frame": f"{frame}", "seconds": f"{seconds + late}", **who, **box}


def test_a_table_in_which_everyone_is_found() -> None:
    rows = [row(frame, place, place) for frame in range(1, 5) for place in range(3)]
    score = score_table([row(0, None), *rows], SCENE)
    assert score == TableScore(5, 3, 0, pytest.approx(12 / 15))


def test_persons_who_change_places_and_late_frames() -> None:
    # At the beginning all stand in the middle; later they are far apart.
    scene = Scene(20, rate=1, size=(180, 320))
    rows = []
    for frame, order in ((4, (0, 1, 2)), (5, (1, 0, 2))):
        for who, place in enumerate(order):
            x, y = scene.centres(frame)[place]
            box = {"left": f"{x}", "top": f"{y}", "width": "0", "height": "0"}
            rows.append({"frame": f"{frame}", "seconds": f"{frame}", "person": f"{who}", **box})
    rows.append({**rows[-1], "frame": "6", "seconds": "6.6"})
    score = score_table(rows, scene)
    assert (score.frames, score.persons, score.mixed) == (2, 3, 2)


def test_the_made_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    write_scene(SCENE, path)
    frames = list(read_frames(path))
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert video_facts(path).shorter_side == 180
    before, after = (frame.image.astype(int) for frame in (frames[0], frames[-1]))
    assert np.abs(before - after).max() > 50
    assert (SCENE.centres(0.4) - SCENE.centres(0.0))[1, 0] < 0
