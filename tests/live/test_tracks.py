"""Persons followed by hand numbers: assignment, crossing, gaps, interpolation, smoothing."""

import math

import numpy as np
import pytest

from ferjax.faces.face import Box, Face
from ferjax.live.tracks import Track, between, follow, overlaps, smoothed


def test_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 0, 10, 10]], float)
    others = np.array([[5, 0, 10, 10], [0, 0, 10, 20]], float)
    np.testing.assert_allclose(overlaps(boxes, others), [[1 / 3, 1 / 2], [0, 0]])
    assert overlaps(boxes[:0], others).shape == (0, 2)


def positions(person: int, frame: int) -> Box:
    """Two faces of 40 pixels that walk towards each other and pass, 12 pixels apart in height."""
    x = 100 + 8 * frame if person == 0 else 420 - 8 * frame
    return Box(x, 100 + 12 * person, 40, 40)


@pytest.mark.parametrize("lost", [(), (19, 20, 21)])
def test_two_who_cross_keep_their_numbers(lost: tuple[int, ...]) -> None:
    """While one hides the other, only one face is found."""
    tracks: list[Track] = []
    persons = 0
    for frame in range(40):
        shown = [0] if frame in lost else [0, 1] if frame % 2 else [1, 0]
        faces = [Face(positions(person, frame)) for person in shown]
        tracks, of_face, persons = follow(tracks, faces, frame / 25, persons)
        if frame == 0:
            number = {person: track.person for person, track in zip(shown, of_face, strict=True)}
        assert [track.person for track in of_face] == [number[person] for person in shown]
    assert persons == 2


def test_who_was_away_for_long_gets_a_new_number() -> None:
    face = Face(Box(10, 10, 50, 50))
    tracks, _, persons = follow([], [face], 0.0, 0)
    tracks, _, persons = follow(tracks, [], 0.9, persons)
    tracks, (again,), persons = follow(tracks, [face], 1.0, persons)
    assert (again.person, persons) == (0, 1)
    tracks, _, persons = follow(tracks, [], 2.1, persons)
    assert tracks == []
    _, (new,), persons = follow(tracks, [face], 2.2, persons)
    assert (new.person, persons) == (1, 2)


@pytest.mark.parametrize("step", [1.25, 30.0])
def test_rare_searches_keep_the_number_of_a_person_whom_each_finds(step: float) -> None:
    face = Face(Box(10, 10, 50, 50))
    tracks, _, persons = follow([], [face], 0.0, 0)
    for search in range(1, 4):
        previous, seconds = (search - 1) * step, search * step
        tracks, (same,), persons = follow(tracks, [face], seconds, persons, previous)
        assert (same.person, same.seconds, persons) == (0, seconds, 1)
    # A search that misses the person ends this.
    tracks, _, persons = follow(tracks, [], 4 * step, persons, 3 * step)
    _, (new,), _ = follow(tracks, [face], 5 * step, persons, 4 * step)
    assert new.person == 1


def test_a_search_without_the_person_counts_as_away() -> None:
    face = Face(Box(10, 10, 50, 50))
    tracks, _, persons = follow([], [face], 0.0, 0)
    tracks, _, persons = follow(tracks, [], 0.9, persons, 0.0)
    _, (new,), _ = follow(tracks, [face], 2.1, persons, 0.9)
    assert new.person == 1


def test_a_jump_is_another_person() -> None:
    tracks, _, persons = follow([], [Face(Box(0, 0, 40, 40))], 0.0, 0)
    _, (far,), _ = follow(tracks, [Face(Box(300, 0, 40, 40))], 0.2, persons)
    assert far.person == 1


def test_between_two_frames() -> None:
    points = tuple(map(float, range(10)))
    start = Track(0, (10.0, 20.0, 40.0, 40.0), points, seconds=1.0)
    end = Track(0, (30.0, 20.0, 44.0, 44.0), tuple(p + 4 for p in points), seconds=1.2)
    face = between(start, end, 1.05)
    assert face.box == Box(15, 20, 41, 41)
    np.testing.assert_allclose(face.landmarks.ravel(), np.array(points) + 1, atol=1e-6)
    assert between(start, Track(0, end.box, seconds=1.2), 1.05).landmarks is None
    # Frames with the same time.
    assert between(start, start, 1.0).box == Box(10, 20, 40, 40)


def test_smoothing_forgets_by_e_in_a_window() -> None:
    track = smoothed(Track(0, (0, 0, 1, 1)), np.array([1.0, 0.0]), 2.0, 0.5)
    assert track.probabilities == (1.0, 0.0)
    track = smoothed(track, np.array([0.0, 1.0]), 2.5, 0.5)
    assert track.probabilities == pytest.approx((math.exp(-1), 1 - math.exp(-1)))
    assert smoothed(track, np.array([0.3, 0.7]), 2.6, 0).probabilities == (0.3, 0.7)
