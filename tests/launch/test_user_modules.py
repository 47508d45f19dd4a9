"""The flag --import."""

import os
import sys
from pathlib import Path

import pytest
from absl import flags

from ferjax.errors import UserError
from launch.command.user_modules import import_user_modules


@pytest.mark.parametrize("names", [[], ["my_module_for_a_test"]])
def test_programs_of_a_users_module_are_not_kept_between_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    (tmp_path / "my_module_for_a_test.py").write_text("LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(flags.FLAGS["import"], "value", names)
    monkeypatch.setenv("FERJAX_PROGRAMS", "1")
    import_user_modules()
    assert os.environ["FERJAX_PROGRAMS"] == ("0" if names else "1")
    assert all(name in sys.modules for name in names)


def test_a_module_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags.FLAGS["import"], "value", ["no_such_module_of_mine"])
    monkeypatch.setenv("FERJAX_PROGRAMS", "0")
    with pytest.raises(UserError, match="no module 'no_such_module_of_mine'"):
        import_user_modules()
