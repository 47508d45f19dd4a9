"""Where an evaluation goes: nothing of another evaluation is overwritten."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferjax.data.splits.from_arrays import split_from_arrays
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.evaluation.evaluation_folder import check_writable, evaluation_folder, inputs_digest


def write(parent: Path, inputs: str, out: Path | None = None) -> str:
    with evaluation_folder(out, parent, "folder-a-all", inputs) as folder:
        (folder / "report.json").touch()
        return folder.name


def test_other_inputs_of_the_same_name_get_a_number(tmp_path: Path) -> None:
    assert [write(tmp_path, inputs) for inputs in ("x", "y", "x", "z", "y")] == [
        "folder-a-all",
        "folder-a-all-2",
        "folder-a-all",
        "folder-a-all-3",
        "folder-a-all-2",
    ]


def test_other_content_is_kept_and_a_stopped_evaluation_goes_on(tmp_path: Path) -> None:
    (tmp_path / "folder-a-all").mkdir()
    (tmp_path / "folder-a-all" / "report.json").write_text("{}")  # of an earlier version

    def stopped() -> None:
        with evaluation_folder(None, tmp_path, "folder-a-all", "x") as folder:
            (folder / "curves.png").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert write(tmp_path, "y") == "folder-a-all-3"
    assert write(tmp_path, "x") == "folder-a-all-2"
    assert (tmp_path / "folder-a-all" / "report.json").read_text() == "{}"


def test_out_is_new_or_of_the_same_evaluation(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    for _ in range(2):
        assert write(tmp_path, "x", out) == "out"
    with pytest.raises(UserError, match=r"--out=.*out holds report.json and is no earlier result"):
        write(tmp_path, "y", out)
    (out / "report.json").unlink()
    (out / "curves.png").touch()  # stopped halfway
    assert write(tmp_path, "x", out) == "out"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"holds thesis\.tex"):
        write(tmp_path, "x", other)


def test_a_folder_that_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match=r"run/evaluations cannot be written \(.*\)\. Give --out"):
        check_writable(tmp_path / "run" / "evaluations", "Give --out=DIR.")
    check_writable(tmp_path / "new" / "evaluations", "")
    assert not (tmp_path / "new").exists()


def test_inputs_are_names_labels_pixels_and_how() -> None:
    images, labels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.array([0, 1, 1])

    def split(**changed: np.ndarray) -> Split:
        given = {"images": images, "labels": labels, **changed}
        return split_from_arrays("test", given["images"], given["labels"])

    same = inputs_digest(["test", 4], split())
    assert same == inputs_digest(["test", 4], split())
    renamed = replace(split(), ids=("a", "b", "c"))
    others = [split(images=images + 1), split(labels=labels[::-1]), renamed]
    digests = [inputs_digest(["test", 4], other) for other in others]
    assert len({same, *digests, inputs_digest(["test", 5], split())}) == 5


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.touch()
    with pytest.raises(UserError, match=r"--out=.*mine\.txt is a file"):
        write(tmp_path, "x", file)


def test_an_error_of_the_evaluation_itself_is_not_one_of_the_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="an image is gone"),
        evaluation_folder(None, tmp_path / "run", "folder-a-all", "x"),
    ):
        raise OSError("an image is gone")
