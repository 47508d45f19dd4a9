"""What is in the way gets the first free name; nothing is deleted."""

import os
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runtime.move_aside import move_aside


def test_files_and_folders_are_numbered(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / "a.safetensors").write_text(str(number))
        assert move_aside(tmp_path / "a.safetensors").name == f"a.safetensors.old-{number}"
        assert not (tmp_path / "a.safetensors").exists()
    (tmp_path / "b").mkdir(exist_ok=True)
    (tmp_path / "b" / "kept").write_text("kept")
    # A link to nothing is in the way too.
    (tmp_path / "b.old-1").symlink_to(tmp_path / "nowhere")
    assert move_aside(tmp_path / "b") == tmp_path / "b.old-2"
    assert not list((tmp_path / "b").iterdir())
    assert (tmp_path / "b.old-2" / "kept").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may rename everything")
def test_what_cannot_be_moved_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match=r"run cannot be moved to run\.old-1"):
            move_aside(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)
