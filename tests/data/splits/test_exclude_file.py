"""`exclude.txt` that empties a class: the class is gone, or a sentence says why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferjax.data.splits.exclude_file import without_listed
from ferjax.data.splits.from_arrays import bundle_from_arrays
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError

TRAIN, VAL = [0, 0, 1, 1, 2, 2], [0, 1, 2]
ALL_BUT_FEAR = ("train:0", "train:1", "val:0", "train:4", "train:5", "val:2")


def bundle() -> DatasetBundle:
    """Returns train:0 to train:5 and val:0 to val:2 of three classes."""

    def arrays(labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1), np.array(labels)

    return bundle_from_arrays(("anger", "fear", "sadness"), arrays(TRAIN), arrays(VAL))


def without(folder: Path, *lines: str, of: DatasetBundle | None = None) -> DatasetBundle:
    (folder / "exclude.txt").write_text("\n".join(lines))
    return without_listed(of or bundle(), folder)


def test_a_class_without_any_image_is_taken_out(tmp_path: Path) -> None:
    found = without(tmp_path, "train:2", "train:3", "val:1")
    assert found.classes == ("anger", "sadness")
    assert found.splits["train"].labels.tolist() == [0, 0, 1, 1]
    assert found.splits["val"].labels.tolist() == [0, 1]
    assert found.splits["train"].read(np.arange(4)).ravel().tolist() == [0, 1, 4, 5]
    assert any("no image of fear: taken out of the classes" in note for note in found.notes)


def test_a_class_with_some_images_stays(tmp_path: Path) -> None:
    found = without(tmp_path, "train:2", "val:1")
    assert found.classes == ("anger", "fear", "sadness")
    assert not any("taken out" in note for note in found.notes)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("train:2", "train:3"), r"no training image of fear, only others \(1 in val\)"),
        (("val:0", "val:1", "val:2"), "leaves no image of val"),
        (ALL_BUT_FEAR, r"exclude\.txt: it leaves one class only, fear; expected two or more"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    lines: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        without(tmp_path, *lines)


def test_one_class_is_enough_to_be_judged(tmp_path: Path) -> None:
    (tmp_path / "exclude.txt").write_text("\n".join(ALL_BUT_FEAR))
    assert without_listed(bundle(), tmp_path, judged=True).classes == ("fear",)


def test_soft_labels_lose_the_column_of_the_class(tmp_path: Path) -> None:
    soft = bundle()
    train = replace(soft.splits["train"], targets=np.eye(3, dtype=np.float32)[TRAIN])
    soft = replace(soft, splits={**soft.splits, "train": train})
    found = without(tmp_path, "train:2", "train:3", "val:1", of=soft)
    np.testing.assert_array_equal(found.splits["train"].targets, np.eye(2)[[0, 0, 1, 1]])
    # A vote for fear on another image keeps the output alive.
    voted = np.eye(3, dtype=np.float32)[TRAIN]
    voted[0] = 0.5, 0.5, 0
    soft = replace(soft, splits={**soft.splits, "train": replace(train, targets=voted)})
    assert without(tmp_path, "train:2", "train:3", "val:1", of=soft).classes == soft.classes
