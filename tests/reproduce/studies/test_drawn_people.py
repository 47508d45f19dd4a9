"""The drawn data set is read as CK+48 is: its people, sequences, frames and class counts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import join_splits
from ferjax.reproduce.studies.drawn_people import drawn_people


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_people(tmp_path_factory.mktemp("drawn") / "people")


def test_it_has_the_counts_of_ck48(tree: Path) -> None:
    bundle = load_dataset("ckplus", tree)
    whole = join_splits([*bundle.splits.values()], "all")
    assert len(whole) == 981
    counts = dict(zip(bundle.classes, np.bincount(whole.labels).tolist(), strict=True))
    assert counts == dict(
        anger=135, disgust=177, fear=75, happiness=207, sadness=84, surprise=249, contempt=54
    )
    assert whole.subjects is not None
    # Who shows which emotion is drawn: a few people show none.
    assert 105 <= len(np.unique(whole.subjects)) <= 118
    assert not any("published" in note for note in bundle.notes)


def test_frames_of_a_sequence_are_alike_and_not_equal(tree: Path) -> None:
    folder = tree / "CK+48" / "happy"
    files = sorted(folder.glob("*.png"))[:6]
    one = [np.asarray(Image.open(file), float).ravel() for file in files]
    assert files[0].name[:8] == files[2].name[:8] != files[3].name[:8]
    within, between = np.corrcoef(one)[0, 1:3], np.corrcoef(one)[0, 3:]
    assert (within < 0.999).all()
    assert within.min() > 0.85 > between.max()


def test_it_is_drawn_once(tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*.png")}
    assert drawn_people(tree) == tree
    assert before == {path: path.stat().st_mtime_ns for path in tree.rglob("*.png")}
