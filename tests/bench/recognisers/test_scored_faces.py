"""Scores over shared classes by hand, Wilson's interval, and the faces that are read."""

from pathlib import Path

import numpy as np
import pytest

from ferjax.bench.recognisers import scored_faces
from ferjax.bench.recognisers.recogniser import Recogniser
from ferjax.bench.recognisers.scored_faces import (
    Faces,
    load_faces,
    score,
    shared_classes,
)
from ferjax.errors import UserError
from ferjax.report.intervals import wilson_interval

CODES = (0, 3, 6)


def fixed(name: str, classes: tuple[str, ...], rows: list[list[float]]) -> Recogniser:
    """Returns a recogniser that answers the face of grey level i with row i."""
    table = np.array(rows, np.float32)
    return Recogniser(name, classes, lambda images: table[images[:, 0, 0, 0]])


def numbered(labels: list[int], classes: tuple[str, ...]) -> Faces:
    images = np.zeros((len(labels), 48, 48, 1), np.uint8)
    images[:] = np.arange(len(labels))[:, None, None, None]
    return Faces("drawn val", "drawn", images, np.array(labels), classes)


def test_scores_by_hand_over_the_shared_classes() -> None:
    faces = numbered([0, 0, 0, 1, 2, 2], ("anger", "happiness", "contempt"))
    # Columns in another order, with a class of its own; contempt is not among them.
    peer = fixed(
        "peer",
        ("neutral", "happiness", "anger"),
        [[0.8, 0.1, 0.1], [0.9, 0.04, 0.06], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]],
    )
    other = fixed("other", ("anger", "happiness", "contempt"), [[1, 0, 0]] * 6)
    shared = shared_classes(faces, [peer, other])
    assert shared.classes == ("anger", "happiness")
    assert shared.labels.tolist() == [0, 0, 0, 1]
    # Faces 1 and 3 are right; face 0 is a tie of happiness and anger, which the first wins.
    found = score(peer, shared)
    assert found.faces == 4
    assert found.accuracy == pytest.approx(2 / 4)
    assert found.recall == {"anger": pytest.approx(1 / 3), "happiness": 1}
    assert found.mean_class_accuracy == pytest.approx((1 / 3 + 1) / 2)
    assert found.interval == wilson_interval(2, 4)
    assert score(other, shared).accuracy == pytest.approx(3 / 4)


def test_one_shared_class_is_refused() -> None:
    faces = numbered([0, 1], ("anger", "happiness"))
    peer = fixed("peer", ("neutral", "anger"), [[1, 0]] * 2)
    with pytest.raises(
        UserError, match=r"fewer than two classes of drawn val\. peer: neutral, anger"
    ):
        shared_classes(faces, [peer])


def test_no_face_of_the_shared_classes_is_refused() -> None:
    faces = numbered([2], ("anger", "happiness", "contempt"))
    peer = fixed("peer", ("happiness", "anger"), [[1, 0]])
    with pytest.raises(UserError, match="none of its 1 faces shows anger, happiness"):
        shared_classes(faces, [peer])


def write_faces(folder: Path, count: int = 12) -> Path:
    """Writes fer2013.csv with `count` faces for each usage; returns its folder."""
    rng = np.random.default_rng(0)
    rows = [
        f"{CODES[i % 3]},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},{usage}"
        for usage in ("Training", "PublicTest")
        for i in range(count)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows, ""]))
    return folder


def test_faces_of_a_folder_and_a_quick_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_faces(tmp_path)
    (faces,) = load_faces([str(folder)], "val", quick=False)
    assert (faces.name, faces.source, len(faces)) == ("fer2013 val", "PublicTest", 12)
    assert faces.images.shape == (12, 48, 48, 1)
    monkeypatch.setattr(scored_faces, "QUICK_FACES", 5)
    (first,), (second,) = (load_faces([str(folder)], "val", quick=True) for _ in range(2))
    assert len(first) == 5
    np.testing.assert_array_equal(first.images, second.images)
    assert all((faces.images == image).all((1, 2, 3)).any() for image in first.images)


def test_no_faces_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data_dir=.*: no FER2013 found"):
        load_faces([str(tmp_path)], "val", quick=False)
    write_faces(tmp_path)
    with pytest.raises(UserError, match="--split=test: fer2013 has only train, val"):
        load_faces([str(tmp_path)], "test", quick=False)
