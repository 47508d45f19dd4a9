"""The cache lies where the environment says, else below the home directory."""

from pathlib import Path

import pytest

from ferjax.runtime.cache_root import cache_root


def test_location_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("FERJAX_CACHE")
    assert cache_root() == tmp_path / "xdg" / "ferjax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "ferjax"
