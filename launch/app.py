"""How every entry point runs: flags, one line for a user's error, exit codes.

An entry point imports what computes in its `main`: --help and a misspelt flag then take no longer
than Python's own start.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags

from ferjax.errors import Terminated, UserError, ran_out_of_memory


def _parse(argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())} `--help` lists the flags.") from None


def run(main: Callable[[list[str]], Any]) -> None:
    """Parses flags, calls `main` with what is left of the command line, and exits.

    Exit status: 0; 1 for a `UserError`, printed as one line, or for memory that ran out; 130 for
    Ctrl-C, 143 for SIGTERM or SIGHUP.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        arguments = _parse(sys.argv)
        from ferjax.compile_cache import enable_compile_cache

        enable_compile_cache()
        main(arguments[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as error:
        print("stopped; the same command with --resume continues from here", file=sys.stderr)
        sys.exit(143 if isinstance(error, Terminated) else 130)
    except Exception as error:
        if ran_out_of_memory(error):
            sys.exit(f"error: {out_of_memory()}")
        raise


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
