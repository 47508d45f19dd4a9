"""The scripts of `.ci/supply_chain`: SBOM, audit, wheel, an installation without a network.

They install their tools from a package index, hence the marker.
"""

import json
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / ".ci" / "supply_chain"
pytestmark = pytest.mark.slow


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / name, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=1800
    )


def test_the_sbom_lists_what_is_locked() -> None:
    done = run_script("sbom")
    assert done.returncode == 0, done.stderr
    sbom = json.loads(done.stdout)
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
    listed = {(part["name"], part["version"]) for part in sbom["components"]}
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    packages = [package for package in lock["package"] if package["name"] != "ferjax"]
    assert listed == {(package["name"], package["version"]) for package in packages}


@contextmanager
def advisories(of: str | None) -> Iterator[str]:
    """Yields the address of a database of vulnerabilities that knows one, of the package `of`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = query["package"]["name"] == of
            affected = [{"package": query["package"], "ranges": [], "versions": [query["version"]]}]
            found = {"id": "TEST-1", "summary": "a test", "affected": affected}
            found["modified"] = found["published"] = "2026-01-01T00:00:00Z"
            body = json.dumps({"vulns": [found]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def test_the_audit_fails_for_a_vulnerability_and_without_a_database() -> None:
    for of, status, words in ((None, 0, "No known vuln"), ("jinja2", 1, "TEST-1")):
        with advisories(of) as address:
            done = run_script("audit", "--vulnerability-service=osv", f"--osv-url={address}")
        assert done.returncode == status, done.stderr
        assert words in done.stdout + done.stderr
    # Nobody listens at the last address any more.
    assert run_script("audit", "--vulnerability-service=osv", f"--osv-url={address}").returncode


def test_two_builds_of_a_commit_have_the_same_bytes() -> None:
    done = run_script("same_wheel")
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.split()[0] == second.split()[0]
    assert last == "The wheels have the same bytes."


def test_the_time_of_a_wheel_is_that_of_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another time gives other bytes: the comparison above can fail."""
    assert run_script("wheel", str(tmp_path / "commit")).returncode == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert run_script("wheel", str(tmp_path / "earlier")).returncode == 0
    commit, earlier = (next((tmp_path / n).glob("*.whl")) for n in ("commit", "earlier"))
    assert commit.read_bytes() != earlier.read_bytes()


def test_ferjax_installs_trains_and_predicts_without_a_network() -> None:
    done = run_script("offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The network is cut:" in done.stdout
    assert done.stdout.count(",read,") == 6
