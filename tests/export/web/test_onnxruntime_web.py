"""Fetching onnxruntime-web: by npm, from the cache, and what is said where that fails."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.export import browser_format
from ferjax.export.formats import FORMATS
from ferjax.export.web import onnxruntime_web
from ferjax.export.web.onnxruntime_web import (
    RUNTIME_FILES,
    archive_path,
    fetched_archive,
    write_runtime,
)


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
        fetched_archive(tmp_path)


def test_offline_npm_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("FERJAX_OFFLINE", "1")
    with pytest.raises(UserError, match=r"FERJAX_OFFLINE or HF_HUB_OFFLINE forbids to fetch it"):
        fetched_archive(tmp_path / "cache")
    assert not (tmp_path / "called").exists()


def test_the_archive_is_fetched_and_verified_before_anything_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_format, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(browser_format, "require_onnx", lambda: pytest.fail("installed"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="npm, which fetches it, is not installed"):
        FORMATS["browser"].require()
    archive_path(tmp_path).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"1.30.0.tgz is not onnxruntime-web@1.30.0 \(sha256"):
        FORMATS["browser"].require()


def test_the_licence_lies_beside_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_path(tmp_path)
    with tarfile.open(archive, "w:gz") as opened:
        for name in (*(f"dist/{name}" for name in RUNTIME_FILES), "package.json", "README.md"):
            opened.addfile(tarfile.TarInfo(f"package/{name}"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(onnxruntime_web, "_SHA256", digest)
    write_runtime(tmp_path / "runtime", tmp_path)
    found = {path.name for path in (tmp_path / "runtime").iterdir()}
    assert found == {*RUNTIME_FILES, "package.json", "LICENSE"}
    text = (tmp_path / "runtime" / "LICENSE").read_text("utf-8")
    assert "Copyright (c) Microsoft Corporation" in text
    assert "this permission notice shall be included in all copies" in text
