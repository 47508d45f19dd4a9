"""Action units: every emotion has a prototype, and its units move the right parts of a face."""

import numpy as np

from ferjax.data.synthetic import action_units
from ferjax.data.synthetic.face_parameters import sample_faces
from ferjax.emotions import EMOTIONS


def test_every_emotion_has_a_prototype_of_known_units():
    assert set(action_units.PROTOTYPES) == set(EMOTIONS)
    used = {u for p in action_units.PROTOTYPES.values() for alternatives in p for u in alternatives}
    assert used - {""} == set(action_units.NAMES) == set(action_units.MOVES)


def test_no_two_emotions_move_the_face_alike():
    for choice in (0.0, 0.99):
        moved = {}
        for emotion in EMOTIONS:
            units = action_units.action_units(
                emotion, np.ones(1), np.full(1, choice), np.zeros((1, 6), np.float32)
            )
            parts = action_units.displacements(units)
            moved[emotion] = tuple(sorted((k, round(float(v[0]), 4)) for k, v in parts.items()))
        assert len(set(moved.values())) == len(EMOTIONS)
        assert moved["neutral"] == ()


def test_displacements_grow_in_proportion_to_intensity():
    def at(intensity):
        units = action_units.action_units(
            "fear", np.full(1, intensity), np.zeros(1), np.zeros((1, 6), np.float32)
        )
        return action_units.displacements(units)

    full, half = at(1.0), at(0.5)
    for part in full:
        np.testing.assert_allclose(half[part] * 2, full[part])


def test_units_of_the_prototypes_move_brows_lids_and_mouth_the_right_way():
    labels = np.arange(len(EMOTIONS))
    faces = sample_faces(labels, np.zeros_like(labels), seed=0)
    value = {
        name: dict(zip(EMOTIONS, array.ravel().tolist(), strict=True))
        for name, array in faces.items()
    }
    # y points down.
    assert value["corner"]["happiness"] < 0 < value["corner"]["sadness"]
    assert value["brow_inner"]["sadness"] < value["brow_inner"]["neutral"]
    assert value["brow_inner"]["anger"] > value["brow_inner"]["neutral"]
    assert value["lid_upper"]["surprise"] > value["lid_upper"]["neutral"]
    assert value["lip_lower"]["surprise"] > value["lip_lower"]["neutral"] == 0
    assert value["nose_wrinkles"]["disgust"] > 0.5
    assert value["smirk"]["contempt"] < 0
    assert all(value["smirk"][emotion] == 0 for emotion in EMOTIONS if emotion != "contempt")
    # The identity does not depend on the emotion.
    assert len(set(value["head_width"].values())) == len(set(value["skin"].values())) == 1
