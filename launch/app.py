"""How every entry point runs: flags, one line for a user's error, exit codes.

An entry point imports what computes in its `main`: --help and a misspelt flag then take no longer
than Python's own start.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags

from ferjax.errors import Terminated, UserError, ran_out_of_memory

# As in sysexits.h: an internal error; a failure that may not occur again.
CRASHED, LOST_PEER = 70, 75
# In an error's text: JAX gives it several types.
_LOST = "Gloo|NCCL|[Cc]oordination ?[Ss]ervice|[Cc]onnection|heartbeat"


def _parse(argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())} `--help` lists the flags.") from None


def run(main: Callable[[list[str]], Any]) -> None:
    """Parses flags, calls `main` with what is left of the command line, and exits.

    Exit status: 0; 1 for a `UserError`, printed as one line, or for memory that ran out; 130 for
    Ctrl-C, 143 for SIGTERM or SIGHUP; `CRASHED` for what should not happen; `LOST_PEER` where
    another process of the run has ended.
    """
    _set_logs()
    try:
        arguments = _parse(sys.argv)
        from ferjax.runtime.compile_cache import enable_compile_cache

        enable_compile_cache()
        main(arguments[1:])
    except UserError as error:
        _exit(1, f"error: {error}")
    except KeyboardInterrupt as error:
        stopped = "stopped; the same command with --resume continues from here"
        _exit(interrupt_status(error), stopped)
    except Exception as error:
        if ran_out_of_memory(error):
            _exit(1, f"error: {out_of_memory()}")
        if lost := _lost_peer(error):
            _exit(LOST_PEER, f"error: {lost}")
        traceback.print_exc()
        _exit(CRASHED)


def _set_logs() -> None:
    """Sends warnings to standard error, and on a terminal what is worth knowing too."""
    # Orbax logs the traceback of an error that it raises as well, asyncio those of its tasks.
    for noisy in ("absl", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ferjax").setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)


def interrupt_status(error: KeyboardInterrupt) -> int:
    """Returns the exit status of a process that was asked to end: by Ctrl-C, or otherwise."""
    return 143 if isinstance(error, Terminated) else 130


def _exit(status: int, message: str = "") -> NoReturn:
    """Ends the process with a message, at once where others are joined to it."""
    if message:
        print(message, file=sys.stderr)
    if "ferjax.runtime.processes" in sys.modules:
        sys.modules["ferjax.runtime.processes"].exit_at_once(status)
    sys.exit(status)


def _lost_peer(error: Exception) -> str:
    """Returns what to say where an exchange failed because another process is gone, or nothing."""
    processes = sys.modules.get("ferjax.runtime.processes")
    if not processes or not processes.is_distributed() or not re.search(_LOST, str(error)):
        return ""
    return "another process of this run has ended; it has said why. --resume continues from here."


def out_of_memory() -> str:
    """Returns what to do about memory that ran out: half of the batch size, where there is one."""
    batch_size = flags.FLAGS["batch_size"].value if "batch_size" in flags.FLAGS else None
    advice = f"Try --batch_size={batch_size // 2}" if batch_size else "Try a smaller --batch_size"
    return f"memory ran out. {advice}, or a smaller --image_size."


def refuse_arguments(arguments: list[str]) -> None:
    """Raises `UserError` for words that are no flags: every setting is a --flag=value."""
    if arguments:
        raise UserError(
            f"unexpected argument {arguments[0]!r}: settings are given as --flag=value."
        )
