"""Fetching onnxruntime-web: by npm, from the cache, and what is said where that fails."""

from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.export.web.onnxruntime_web import archive_path, require_npm, write_runtime


def test_another_archive_is_refused(tmp_path: Path) -> None:
    archive_path(tmp_path).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"1.30.0.tgz is not onnxruntime-web@1.30.0 \(sha256"):
        write_runtime(tmp_path / "runtime", tmp_path)
    assert not (tmp_path / "runtime").exists()


def test_npm_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'no registry today' >&2\nexit 3\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UserError, match=r"(?s)npm could not fetch.*\(exit 3\).*no registry today"):
        write_runtime(tmp_path / "runtime", tmp_path / "cache", progress=False)


def test_without_npm_the_archive_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"npm, which fetches it, is not installed.*npm pack"):
        require_npm(tmp_path)
    archive_path(tmp_path).touch()
    require_npm(tmp_path)
