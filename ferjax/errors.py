"""Errors: UserError (one line for the user), Terminated (SIGTERM), unknown names, out of memory."""

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the user's input: flag, file, folder layout, class or shape.

    The message names the file or flag, the value, the expected value and what to do. `launch`
    prints it as one line and exits with status 1.
    """


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked the process to end: from a scheduler, or a closed terminal."""


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
