"""Downloads: resume, retries, check of size and hash, and the error of every failure."""

import errno
import hashlib
import shutil
import socket
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.fetching import download as module
from ferjax.convert.fetching.download import download
from ferjax.convert.fetching.hub_client import hub_cached, hub_download
from ferjax.errors import UserError

Server = Any  # the type of the fixture, see conftest.py
CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(server: Server) -> Server:
    server.content = CONTENT
    return server


def fetch(server: Server, folder: Path, **options: Any) -> bytes:
    target = folder / "made" / "file.bin"
    path = download(server.url, target, **{"progress": False, "pause_s": 0.0, **options})
    assert path == target
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"], "leftovers"
    return target.read_bytes()


def partial_content(folder: Path) -> bytes:
    """Returns the bytes of an interrupted download; the file itself must not exist."""
    assert not (folder / "made" / "file.bin").exists()
    return (folder / "made" / "file.bin.part").read_bytes()


@pytest.mark.parametrize(
    "hash", [f"sha256:{SHA256}", f"sha256:{SHA256[:8]}", f"md5:{hashlib.md5(CONTENT).hexdigest()}"]
)
def test_a_file_is_downloaded_in_one_request(server: Server, tmp_path: Path, hash: str) -> None:
    assert fetch(server, tmp_path, hash=hash) == CONTENT
    assert server.requested_ranges == [None]


def test_a_cut_download_resumes(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 500_000]
    assert fetch(server, tmp_path) == CONTENT
    assert server.requested_ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_later_call_resumes_a_failed_download(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000]
    with pytest.raises(UserError, match=r"ended at byte 1,000,000 of 3,000,000, after 1 attempts"):
        fetch(server, tmp_path, retries=0)
    assert partial_content(tmp_path) == CONTENT[:1_000_000]
    assert fetch(server, tmp_path) == CONTENT
    assert server.requested_ranges == [None, "bytes=1000000-"]


def test_a_changed_file_starts_over(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000]
    with pytest.raises(UserError):
        fetch(server, tmp_path, retries=0)
    server.content, server.etag = CONTENT[::-1], '"two"'
    assert fetch(server, tmp_path) == CONTENT[::-1]


@pytest.mark.parametrize(("etag", "resumes"), [(None, False), ('W/"weak"', False), ('"s"', True)])
def test_without_hash_or_strong_validator_a_download_starts_over(
    server: Server, tmp_path: Path, etag: str | None, resumes: bool
) -> None:
    server.cuts, server.etag = [1_000_000], etag
    assert fetch(server, tmp_path) == CONTENT
    assert server.requested_ranges == [None, "bytes=1000000-" if resumes else None]


def test_with_a_hash_no_validator_is_needed(server: Server, tmp_path: Path) -> None:
    server.cuts, server.etag = [1_000_000], None
    assert fetch(server, tmp_path, hash=f"sha256:{SHA256}") == CONTENT
    assert server.requested_ranges == [None, "bytes=1000000-"]


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [1_000_000], False
    assert fetch(server, tmp_path) == CONTENT


def test_a_part_longer_than_the_file_starts_over(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "made" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT + b"more")
    assert fetch(server, tmp_path, hash=f"sha256:{SHA256}") == CONTENT


def test_an_overloaded_server_is_retried(server: Server, tmp_path: Path) -> None:
    server.refuse = [503, 429]
    assert fetch(server, tmp_path) == CONTENT


def test_a_server_that_stays_broken_is_an_error(server: Server, tmp_path: Path) -> None:
    server.refuse = [500] * 9
    with pytest.raises(UserError, match=r"the server answered 500 .* after 5 attempts"):
        fetch(server, tmp_path)
    assert len(server.requested_ranges) == 5


def test_a_missing_file_is_not_retried(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"other\.bin: the server answered 404 Not Found"):
        download(f"{server.url[:-8]}other.bin", tmp_path / "x", progress=False)
    assert server.requested_ranges == [None]


def test_a_wrong_hash_removes_the_file(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"sha256 {SHA256}, expected 00000000") as error:
        fetch(server, tmp_path, hash="sha256:00000000")
    assert "3,000,000 bytes" in str(error.value)
    assert not [*tmp_path.rglob("file.bin*")]


def test_no_connection_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
    with pytest.raises(UserError, match=r"no connection.*after 2 attempts"):
        download(url, tmp_path / "x", progress=False, retries=1, pause_s=0.0)


def test_only_http_urls_are_downloaded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only http and https"):
        download("file:///etc/hostname", tmp_path / "x")


@pytest.mark.parametrize("path", ["a b.pth", "ü.pth", "a\nb"])
def test_an_invalid_url_is_an_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="is not a valid URL"):
        download(f"http://127.0.0.1:1/{path}", tmp_path / "x")


def test_too_little_disk_space_is_an_error_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = types.SimpleNamespace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"3,000,000 bytes needed and 1,000 free.*FERJAX_CACHE"):
        fetch(server, tmp_path)
    assert not [*tmp_path.rglob("file.bin*")]


def test_a_full_disk_during_the_download_is_an_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    class FullFile:
        def write(self, block: bytes) -> int:
            raise full

    monkeypatch.setattr(
        module, "_write", lambda file, *rest, real=module._write: real(FullFile(), *rest)
    )
    with pytest.raises(UserError, match=r"made: no space left, 3,000,000 bytes needed and"):
        fetch(server, tmp_path)
    assert server.requested_ranges == [None], "a full disk must not be retried"


def test_a_file_in_place_of_the_folder_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "made").write_text("in the way")
    with pytest.raises(UserError, match=r"made cannot be written: File exists"):
        fetch(server, tmp_path)


def test_no_progress_bar_without_a_terminal(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(server, tmp_path, progress=True)
    assert capfd.readouterr() == ("", "")


def test_the_error_without_huggingface_hub_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert hub_cached("timm/resnet50.a1_in1k", "model.safetensors") is None
    with pytest.raises(UserError, match=r"pip install 'ferjax\[hub\]'"):
        hub_download("timm/resnet50.a1_in1k", "model.safetensors", tmp_path)


def test_hub_downloads_and_their_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hub_download_stub(repository: str, file: str, local_dir: Path) -> str:
        if repository != "timm/there":
            raise OSError("404 Client Error.\nRepository Not Found")
        (local_dir / file).write_bytes(CONTENT)
        return str(local_dir / file)

    fake: Any = types.ModuleType("huggingface_hub")
    fake.hf_hub_download = hub_download_stub
    fake.try_to_load_from_cache = lambda repository, file: None
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    assert hub_download("timm/there", "a", tmp_path).read_bytes() == CONTENT
    message = r"co/timm/gone: a could not be downloaded \(404 Client Err"
    with pytest.raises(UserError, match=message):
        hub_download("timm/gone", "a", tmp_path)
