"""Errors: UserError (one line for the user), Terminated (SIGTERM), unknown names, out of memory.

Also `printable`, for names of files in messages and reports.
"""

import difflib
import re
from collections.abc import Iterable

# Control characters, separators of lines, and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class UserError(Exception):
    """A mistake in the user's input: flag, file, folder layout, class or shape.

    The message names the file or flag, the value, the expected value and what to do. `launch`
    prints it as one line and exits with status 1.
    """

    def __init__(self, message: str) -> None:
        """Makes the error; names of files in `message` become printable."""
        super().__init__("\n".join(map(printable, message.split("\n"))))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked the process to end: from a scheduler, or a closed terminal."""


def printable(name: str) -> str:
    r"""Returns the name of a file in one line of valid Unicode: `\n` and `\xff` are written out.

    So any terminal, csv file and report takes it. `name` may be as the system gives it, with the
    bytes that are not UTF-8 as surrogates.
    """
    return _UNPRINTABLE.sub(_escape, name)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Returns the error for a name that is not in `known`; it suggests the nearest known name."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def ran_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that the memory of host or device ran out."""
    # Compared by name, because this module does not import jax.
    if type(error).__name__ == "JaxRuntimeError":
        return bool(re.search("RESOURCE_EXHAUSTED|[Oo]ut of memory", str(error)))
    return isinstance(error, MemoryError)
