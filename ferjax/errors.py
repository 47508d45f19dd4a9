"""The one error a user can cause, the nearest name it suggests, and the end a scheduler asks."""

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user gave: flag, file, layout, class or shape.

    The message names the file or flag, what was found, what was expected and what to do.
    `launch` prints it as one line and exits with status 1.
    """


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C's asked the process to end: a scheduler, or a closed terminal."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Returns the error for a name that is not in `known`, with the nearest one suggested."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def ran_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that host or device has no memory left."""
    # By name: this module knows no jax.
    if type(error).__name__ == "JaxRuntimeError":
        return bool(re.search("RESOURCE_EXHAUSTED|[Oo]ut of memory", str(error)))
    return isinstance(error, MemoryError)
