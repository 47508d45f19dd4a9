"""Errors: UserError (one line for the user), Terminated (SIGTERM), unknown names, out of memory.

Also `printable`, for names of files in messages and reports.
"""

import errno
import re
from collections.abc import Iterable

# Control characters, separators of lines, and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# A longer line of a message repeats what stands in a file, such as a name of a megabyte.
_LONGEST_LINE = 3000


class UserError(Exception):
    """A mistake in the user's input: flag, file, folder layout, class or shape.

    The message names the file or flag, the value, the expected value and what to do. `launch`
    prints it as one line and exits with status 1.
    """

    def __init__(self, message: str) -> None:
        """Makes the error; names of files in `message` become printable, and endless ones short."""
        super().__init__("\n".join(map(_shortened, map(printable, message.split("\n")))))


class DiskError(UserError):
    """A disk that is full or not to be written: no fault of the settings, which may be kept.

    Once there is room the same command goes on, so a search does not count its trial as failed.
    """


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked the process to end: from a scheduler, or a closed terminal."""


def printable(name: str) -> str:
    r"""Returns the name of a file in one line of valid Unicode: `\n` and `\xff` are written out.

    So any terminal, csv file and report takes it. `name` may be as the system gives it, with the
    bytes that are not UTF-8 as surrogates.
    """
    return _UNPRINTABLE.sub(_escape, name)


def on_terminal(text: str) -> str:
    """Returns lines of text without what a terminal obeys, such as a name that changes colours."""
    return "".join(_UNPRINTABLE.sub(_escape, part) if part not in "\r\n\t" else part
                   for part in re.split("([\r\n\t])", text))  # fmt: skip


def one_line(reason: object) -> str:
    """Returns the text of a library's error, whatever lines it has, as one short line."""
    text = " ".join(str(reason).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _shortened(line: str) -> str:
    """Returns a line without the middle of one that is too long to be read."""
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
    return isinstance(error, OSError) and error.errno in _REFUSALS


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Returns the error for a name that is not in `known`; it suggests the nearest known name."""
    known = sorted(known)
    near = nearest(name, known)
    hint = f" Did you mean {near!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that `name` misspells, begins or is begun by, or None.

    A misspelling differs in a quarter of its letters at most, in one letter of a short name; case,
    `-`, `_` and `.` do not count.
    """
    given = _letters(name)
    distances = {other: _edits(given, _letters(other)) for other in known}
    best = min(distances, key=lambda other: distances[other], default=None)
    if given and best is not None and distances[best] <= max(1, round(len(given) / 4)):
        return best
    pairs = {other: sorted((given, _letters(other)), key=len) for other in distances}
    related = [o for o, (short, long) in pairs.items() if len(short) > 2 and long.startswith(short)]
    return min(related, key=lambda o: len(pairs[o][1]) - len(pairs[o][0]), default=None)


def _letters(name: str) -> str:
    return re.sub("[-_. ]", "", name.lower())


def _edits(a: str, b: str) -> int:
    """Returns how many letters are inserted, left out, replaced, or swapped with the next one."""
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
