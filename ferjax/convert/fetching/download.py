"""Fetching one file over HTTP: resumed where it was cut, counted, and compared with its hash."""

import errno
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import ferjax
from ferjax.convert.fetching.file_hashes import check_hash
from ferjax.errors import UserError
from ferjax.runtime.progress_bar import tqdm

_BLOCK = 1 << 20
_TIMEOUT_S = 30
# What may be otherwise a moment later; any other refusal is final.
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Cut(Exception):
    """The transfer ended early in a way that another attempt may mend; says how."""


def download(
    url: str,
    target: Path,
    *,
    hash: str | None = None,
    progress: bool = True,
    retries: int = 4,
    pause_s: float = 1.0,
) -> Path:
    """Fetches `url` to the file `target`, which appears only when whole and as expected.

    What has come lies in `target` + `.part` until then; a later call goes on from there if the
    server still has the same file (ETag or Last-Modified), or starts over.

    Args:
      url: http or https address.
      target: the file to make; its folder is made too.
      hash: `sha256:` or `md5:` and leading hexadecimal digits that the file must have, or None.
      progress: whether to show a bar; shown on a terminal only.
      retries: attempts after the first, where the connection was cut or the server overloaded.
      pause_s: seconds before the first retry; doubled before each further one.

    Raises:
      UserError: no such address, no connection, a cut transfer after all attempts, a hash that
        differs, a full disk, or a folder that cannot be written.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"{url}: only http and https addresses can be fetched.")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(target.parent, error, 0) from None
    for attempt in range(retries + 1):
        try:
            _attempt(url, part, progress, trusted=hash is not None)
            break
        except _Cut as cut:
            if attempt == retries:
                raise UserError(
                    f"{url}: {cut}, after {attempt + 1} attempts. Check the connection and run"
                    f" again: it goes on from what has come ({_size(part):,} bytes)."
                ) from None
        time.sleep(pause_s * 2**attempt)
    if hash is not None:
        check_hash(part, hash, url)
    os.replace(part, target)
    _validator_file(part).unlink(missing_ok=True)
    return target


def _attempt(url: str, part: Path, progress: bool, *, trusted: bool) -> None:
    """Asks once for what `part` lacks and appends it; raises `_Cut` where it ended early."""
    have, validator = _size(part), _validator(part)
    headers = {"User-Agent": f"ferjax/{ferjax.__version__}", "Accept-Encoding": "identity"}
    # Without a validator a changed file would be joined to the old one's head, unless a hash tells.
    if have and (validator or trusted):
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            begin, total = _span(response.status, response.headers, have, url)
            _check_space(part, begin, total)
            if not begin:
                _start_over(part, response.headers)
            _append(response, part, begin, total, progress)
    except urllib.error.HTTPError as error:
        error.close()
        _refused(error, url, part)
    except (ValueError, http.client.InvalidURL) as error:
        raise UserError(f"{url!r} is no usable address: {error}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f"no connection, or it was cut ({_reason(error)})") from None


def _span(status: int, headers: Mapping[str, str], have: int, url: str) -> tuple[int, int | None]:
    """Returns where the answer's first byte goes, and the whole file's size where it is said."""
    if status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if span is None or int(span[1]) != have:
            found = headers.get("Content-Range")
            raise UserError(
                f"{url}: the server answered the range from byte {have} with {found!r}. Its answers"
                " cannot be trusted; fetch the file by other means and give its path."
            )
        return have, None if span[2] == "*" else int(span[2])
    length = headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _append(
    response: http.client.HTTPResponse, part: Path, begin: int, total: int | None, progress: bool
) -> None:
    """Writes the answer's body from byte `begin` of `part` on, and checks that it is whole."""
    try:
        file = open(part, "r+b" if begin else "wb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _cannot_write(part.parent, error, total or 0) from None
    bar = tqdm(
        total=total,
        initial=begin,
        unit="B",
        unit_scale=True,
        desc=part.stem,
        disable=None if progress else True,
    )
    with file, bar:
        file.seek(begin)
        while block := response.read(_BLOCK):
            _write(file, block, part, (total or 0) - begin)
            bar.update(len(block))
        come = file.tell()
    if total is not None and come != total:
        raise _Cut(f"the transfer ended at byte {come:,} of {total:,}")


def _write(file: BinaryIO, block: bytes, part: Path, need: int) -> None:
    """Writes one block; a disk's error is the user's to mend, not the connection's."""
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise _cannot_write(part.parent, error, need) from None


def _check_space(part: Path, begin: int, total: int | None) -> None:
    """Raises `UserError` where what is still to come does not fit the disk."""
    need = (total or 0) - begin
    if need > shutil.disk_usage(part.parent).free:
        raise _cannot_write(part.parent, OSError(errno.ENOSPC, ""), need)


def _cannot_write(folder: Path, error: OSError, need: int) -> UserError:
    """Returns the error for a folder that is full or cannot be written."""
    if error.errno in _FULL:
        free = shutil.disk_usage(folder).free
        return UserError(
            f"{folder}: no space left, {need:,} bytes needed and {free:,} free. Make room, or set"
            " FERJAX_CACHE to a folder on a larger disk."
        )
    return UserError(
        f"{folder} cannot be written: {error.strerror or error}. Set FERJAX_CACHE to a folder"
        " that can."
    )


def _refused(error: urllib.error.HTTPError, url: str, part: Path) -> None:
    """Raises what an HTTP status means: `_Cut` where it may pass, else `UserError`."""
    said = f"the server said {error.code} {error.reason}"
    if error.code == 416:  # what has come does not belong to the file that is there now
        part.unlink(missing_ok=True)
        raise _Cut(said)
    if error.code in _PASSING_STATUS:
        raise _Cut(said)
    raise UserError(
        f"{url}: {said}. Check the address; where the file has moved, fetch it by other means and"
        " give its path."
    ) from None


def _reason(error: Exception) -> str:
    """Returns what a failed connection says for itself."""
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _validator(part: Path) -> str | None:
    """Returns the ETag, or the date, of the file that `part` is the head of."""
    file = _validator_file(part)
    return file.read_text("utf-8") or None if file.exists() else None


def _start_over(part: Path, headers: Mapping[str, str]) -> None:
    """Drops what has come, and keeps what tells this file from a later one."""
    tag = headers.get("ETag", "")
    strong = "" if tag.startswith("W/") else tag  # a weak tag may not stand in If-Range
    try:
        # In this order: the new validator must never stand beside the old file's head.
        part.unlink(missing_ok=True)
        _validator_file(part).write_text(strong or headers.get("Last-Modified", ""), "utf-8")
    except OSError as error:
        raise _cannot_write(part.parent, error, 0) from None
