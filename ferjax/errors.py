"""Errors: UserError (one line for the user), Terminated (SIGTERM), unknown names, out of memory.

Also `printable`, for names of files in messages and reports.
"""

import errno
import re
from collections.abc import Iterable

# Control characters, line separators and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# A longer line repeats text from a file, for example a name of a megabyte.
_LONGEST_LINE = 3000


class UserError(Exception):
    """A mistake in the user's input: flag, file, folder layout, class or shape.

    The message names the file or flag, the value, the expected value and what to do. `launch`
    prints it as one line and exits with status 1.
    """

    def __init__(self, message: str) -> None:
        """Makes the error; `message` is made printable, and its very long lines are shortened."""
        super().__init__("\n".join(map(_shortened, map(printable, message.split("\n")))))


class DiskError(UserError):
    """A disk that is full or cannot be written; the settings are not the cause.

    When there is room again, the same command continues. So a search does not count the trial as
    failed.
    """


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM (from a scheduler) or SIGHUP (its terminal was closed)."""


def printable(name: str) -> str:
    r"""Returns the name of a file as one line of valid Unicode, with `\n` and `\xff` written out.

    Every terminal, csv file and report accepts the result. `name` may come from the operating
    system, which represents bytes that are not UTF-8 by surrogates.
    """
    return _UNPRINTABLE.sub(_escape, name)


def on_terminal(text: str) -> str:
    """Returns lines of text with the control characters written out, for example colour codes."""
    return "".join(_UNPRINTABLE.sub(_escape, part) if part not in "\r\n\t" else part
                   for part in re.split("([\r\n\t])", text))  # fmt: skip


def one_line(reason: object) -> str:
    """Returns the text of a library's error as one line of at most 303 characters."""
    text = " ".join(str(reason).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _shortened(line: str) -> str:
    """Returns the line; of a line that is too long, only the beginning and the end."""
    if len(line) <= _LONGEST_LINE:
        return line
    half = _LONGEST_LINE // 2
    return f"{line[:half]} ... {line[-half:]}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")


def refused_by_disk(error: BaseException) -> bool:
    """Returns whether an error means that a disk is full, or a file too large or read-only."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


def unknown_name(kind: str, name: str, valid_names: Iterable[str]) -> UserError:
    """Returns the error for a name that is not among the valid ones; it suggests the nearest."""
    valid_names = sorted(valid_names)
    near = nearest(name, valid_names)
    hint = f" Did you mean {near!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(valid_names)}.")


def nearest(name: str, valid_names: Iterable[str]) -> str | None:
    """Returns the valid name that the user probably meant, or None.

    First the valid name of which `name` is a misspelling: at most a quarter of the letters differ,
    or one letter of a short name. Otherwise a valid name that begins with `name`, or with which
    `name` begins. Case, `-`, `_` and `.` do not count.
    """
    letters = _letters(name)
    distances = {
        candidate: _edit_distance(letters, _letters(candidate)) for candidate in valid_names
    }
    best = min(distances, key=lambda candidate: distances[candidate], default=None)
    if letters and best is not None and distances[best] <= max(1, round(len(letters) / 4)):
        return best
    pairs = {candidate: sorted((letters, _letters(candidate)), key=len) for candidate in distances}
    related = [c for c, (short, long) in pairs.items() if len(short) > 2 and long.startswith(short)]
    return min(related, key=lambda c: len(pairs[c][1]) - len(pairs[c][0]), default=None)


def _letters(name: str) -> str:
    return re.sub("[-_. ]", "", name.lower())


def _edit_distance(a: str, b: str) -> int:
    """Returns the edit distance: insertions, deletions, replacements, swaps of two neighbours."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            least = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                least = min(least, rows[-2][j - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def ran_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that the memory of host or device ran out."""
    # Compared by name, because this module does not import jax.
    if type(error).__name__ == "JaxRuntimeError":
        return bool(re.search("RESOURCE_EXHAUSTED|[Oo]ut of memory", str(error)))
    return isinstance(error, MemoryError)
