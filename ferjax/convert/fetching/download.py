"""HTTP download of one file: resume, retries, progress bar, check of size and hash."""

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
# HTTP statuses after which a retry may succeed; any other error status is final.
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class _RetryableError(Exception):
    """A failure of the transfer that a retry may fix; the message states the reason."""


def download(
    url: str,
    target: Path,
    *,
    hash: str | None = None,
    progress: bool = True,
    retries: int = 4,
    pause_s: float = 1.0,
) -> Path:
    """Downloads `url` to the file `target`, which exists only when it is complete and checked.

    Until then the downloaded bytes are in `target` + `.part`. A later call resumes there if the
    server still has the same file (ETag or Last-Modified), and starts over otherwise.

    Args:
      url: http or https URL.
      target: the file to create; its folder is created too.
      hash: `sha256:` or `md5:` and the leading hexadecimal digits of the file's hash, or None.
      progress: whether to show a progress bar; on a terminal only.
      retries: number of retries if the connection is cut or the server is overloaded.
      pause_s: seconds before the first retry; doubled before each further one.

    Raises:
      UserError: an invalid URL, no connection, a cut transfer after all attempts, a wrong hash, a
        full disk, or a folder that cannot be written.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"{url}: only http and https URLs can be downloaded.")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(target.parent, error, 0) from None
    for attempt in range(retries + 1):
        try:
            _attempt(url, part, progress, has_hash=hash is not None)
            break
        except _RetryableError as failure:
            if attempt == retries:
                raise UserError(
                    f"{url}: {failure}, after {attempt + 1} attempts. Check the connection and run"
                    f" again: the download resumes after {_size(part):,} bytes."
                ) from None
        time.sleep(pause_s * 2**attempt)
    if hash is not None:
        try:
            check_hash(part, hash, url)
        except UserError:
            _validator_file(part).unlink(missing_ok=True)
            raise
    os.replace(part, target)
    _validator_file(part).unlink(missing_ok=True)
    return target


def _attempt(url: str, part: Path, progress: bool, *, has_hash: bool) -> None:
    """Requests the missing bytes of `part` once and appends them.

    Raises:
      _RetryableError: the transfer failed, and a retry may succeed.
      UserError: it failed for good.
    """
    downloaded, validator = _size(part), _validator(part)
    headers = {"User-Agent": f"ferjax/{ferjax.__version__}", "Accept-Encoding": "identity"}
    # Without validator or hash, bytes of a changed file could be appended to those of the old file.
    if downloaded and (validator or has_hash):
        headers["Range"] = f"bytes={downloaded}-"
        if validator:
            headers["If-Range"] = validator
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            offset, total = _offset_and_total(response.status, response.headers, downloaded, url)
            _check_space(part, offset, total)
            if not offset:
                _start_over(part, response.headers)
            _append(response, part, offset, total, progress)
    except urllib.error.HTTPError as error:
        error.close()
        _raise_http_error(error, url, part)
    except (ValueError, http.client.InvalidURL) as error:
        raise UserError(f"{url!r} is not a valid URL: {error}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _RetryableError(f"no connection, or it was cut ({_reason(error)})") from None


def _offset_and_total(
    status: int, headers: Mapping[str, str], downloaded: int, url: str
) -> tuple[int, int | None]:
    """Returns the offset of the response's first byte, and the file's size if it is stated."""
    if status == 206:
        content_range = headers.get("Content-Range")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range or "")
        if match is None or int(match[1]) != downloaded:
            raise UserError(
                f"{url}: the server answered a request for bytes from {downloaded} with the range"
                f" {content_range!r}. Download the file in another way and give its path."
            )
        return downloaded, None if match[2] == "*" else int(match[2])
    length = headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _append(
    response: http.client.HTTPResponse, part: Path, offset: int, total: int | None, progress: bool
) -> None:
    """Writes the response's body to `part` at `offset`, and checks that it is complete."""
    try:
        file = open(part, "r+b" if offset else "wb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _cannot_write(part.parent, error, total or 0) from None
    progress_bar = tqdm(
        total=total,
        initial=offset,
        unit="B",
        unit_scale=True,
        desc=part.stem,
        disable=None if progress else True,
    )
    with file, progress_bar:
        file.seek(offset)
        while block := response.read(_BLOCK):
            _write(file, block, part, max(0, (total or 0) - offset))
            progress_bar.update(len(block))
        received = file.tell()
    if total is not None and received != total:
        raise _RetryableError(f"the transfer ended at byte {received:,} of {total:,}")


def _write(file: BinaryIO, block: bytes, part: Path, needed: int) -> None:
    """Writes one block; an error of the disk is a `UserError`, so it is not retried."""
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise _cannot_write(part.parent, error, needed) from None


def _check_space(part: Path, offset: int, total: int | None) -> None:
    """Raises `UserError` if the remaining bytes do not fit on the disk."""
    needed = (total or 0) - offset
    if needed > shutil.disk_usage(part.parent).free:
        raise _cannot_write(part.parent, OSError(errno.ENOSPC, ""), needed)


def _cannot_write(folder: Path, error: OSError, need: int) -> UserError:
    """Returns the error for a folder that is full or cannot be written."""
    if error.errno in _DISK_FULL:
        free = shutil.disk_usage(folder).free
        return UserError(
            f"{folder}: no space left, {need:,} bytes needed and {free:,} free. Make room, or set"
            " FERJAX_CACHE to a folder on a larger disk."
        )
    return UserError(
        f"{folder} cannot be written: {error.strerror or error}. Set FERJAX_CACHE to a writable"
        " folder."
    )


def _raise_http_error(error: urllib.error.HTTPError, url: str, part: Path) -> None:
    """Raises `_RetryableError` for an HTTP status that a retry may fix, else `UserError`."""
    reason = f"the server answered {error.code} {error.reason}"
    if error.code == 416:  # the bytes in `part` do not belong to the server's current file
        part.unlink(missing_ok=True)
        raise _RetryableError(reason)
    if error.code in _RETRY_STATUS:
        raise _RetryableError(reason)
    raise UserError(
        f"{url}: {reason}. Check the URL. If the file has moved, download it in another way and"
        " give its path."
    ) from None


def _reason(error: Exception) -> str:
    """Returns the message of a connection error."""
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _validator(part: Path) -> str | None:
    """Returns the ETag or the Last-Modified date of the file to which `part` belongs, or None."""
    file = _validator_file(part)
    return file.read_text("utf-8") or None if file.exists() else None


def _start_over(part: Path, headers: Mapping[str, str]) -> None:
    """Deletes the downloaded bytes and stores the validator of the server's current file."""
    tag = headers.get("ETag", "")
    strong = "" if tag.startswith("W/") else tag  # If-Range allows no weak ETag
    try:
        # In this order: the new validator must never exist together with bytes of the old file.
        part.unlink(missing_ok=True)
        _validator_file(part).write_text(strong or headers.get("Last-Modified", ""), "utf-8")
    except OSError as error:
        raise _cannot_write(part.parent, error, 0) from None
