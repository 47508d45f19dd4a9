"""Files of onnxruntime-web for a browser bundle, fetched once by npm and verified."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.child_processes import last_lines
from ferjax.runtime.offline import downloads_are_forbidden
from ferjax.runtime.package_archives import read_package
from ferjax.runtime.progress_lines import say

VERSION = "1.30.0"
_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
_PACKAGE = f"onnxruntime-web@{VERSION}"
# Files that a page needs to run a network on the CPU: the library, its glue code and its program.
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
# The package states the licence "MIT" without its text; the copyright line comes from its files.
_LICENCE = f"""\
onnxruntime-web {VERSION}, https://github.com/microsoft/onnxruntime (licence and third-party notices
there: LICENSE, ThirdPartyNotices.txt)

MIT License

Copyright (c) Microsoft Corporation. All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def archive_path(cache: Path) -> Path:
    """Returns the path of the package's archive in a cache folder."""
    return cache / f"onnxruntime-web-{VERSION}.tgz"


def fetched_archive(cache: Path, progress: bool = True) -> Path:
    """Returns the path of the package's verified archive, which is fetched if it is missing.

    Args:
      cache: folder for the archive; an archive that is already there is used without npm.
      progress: whether to print a line if the archive is fetched.

    Raises:
      UserError: downloads are forbidden, npm is missing or cannot fetch the package, or the archive
        has another hash.
    """
    archive = archive_path(cache)
    if not archive.is_file() and shutil.which("npm") is None:
        raise UserError(
            f"--format=browser needs {_PACKAGE}, and npm, which fetches it, is not installed."
            f" Install Node.js, or put the archive that `npm pack {_PACKAGE}` writes elsewhere into"
            f" {cache}."
        )
    if not archive.is_file() and downloads_are_forbidden():
        raise UserError(
            f"--format=browser needs {_PACKAGE}, and FERJAX_OFFLINE or HF_HUB_OFFLINE forbids to"
            f" fetch it. Put the archive that `npm pack {_PACKAGE}` writes elsewhere into {cache}."
        )
    if not archive.is_file():
        say(f"fetching {_PACKAGE} with npm, 33 MB, into {cache}", progress)
        _fetch(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise UserError(
            f"{archive} is not {_PACKAGE} (sha256 {digest[:12]}..., {_SHA256[:12]}... expected)."
            " Remove it, and it is fetched again."
        )
    return archive


def write_runtime(folder: Path, cache: Path, progress: bool = True) -> None:
    """Writes onnxruntime-web's `RUNTIME_FILES`, package.json and licence into a folder.

    Args:
      folder: the runtime's folder in the bundle.
      cache: as in `fetched_archive`.
      progress: whether to print a line if the archive is fetched.

    Raises:
      UserError: the archive cannot be fetched, or has another hash.
    """
    archive = fetched_archive(cache, progress)
    members = {f"package/dist/{name}" for name in RUNTIME_FILES} | {"package/package.json"}
    for name, content in read_package(archive, members.__contains__, f"remove {archive}"):
        write_atomically(folder / Path(name).name, content)
    write_atomically(folder / "LICENSE", _LICENCE)


def _fetch(archive: Path) -> None:
    """Fetches the package's archive; raises `UserError` with npm's last lines if that fails."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [shutil.which("npm") or "npm", "pack", "--silent", _PACKAGE]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        files = sorted(Path(folder).glob("*.tgz"))
        if done.returncode or len(files) != 1:
            raise UserError(
                f"npm could not fetch {_PACKAGE} (exit {done.returncode}). It needs its registry"
                f" once; or put the archive into {archive.parent}:\n{last_lines(done)}"
            )
        write_atomically(archive, files[0].read_bytes())
