"""Runs an entry point: parses flags, prints a user's error as one line, sets the exit status.

Entry points import JAX and the modules that use it inside `main`, so that --help and a misspelt
flag take no longer than the start of Python.
"""

import contextlib
import io
import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags

import ferjax
from ferjax.errors import Terminated, UserError, nearest, ran_out_of_memory
from ferjax.recipes.default_workdir import SHORT
from ferjax.training.interrupt_signals import holding_signals, repeating_ignored_interrupts
from launch.command.huge_pages import use_huge_pages
from launch.command.jax_settings import wrong_setting
from launch.command.refused_writes import refused_write

# Exit statuses as in sysexits.h: an internal error; a temporary failure.
CRASHED, LOST_PEER = 70, 75
# As a shell reports a process that SIGPIPE has ended: `launch.predict ... | head`.
PIPE_CLOSED = 141


def _parse(argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except SystemExit:
        # --help, --helpfull, ...: absl ends with 1, as after a mistake.
        sys.stdout.flush()
        sys.exit(0)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        of_short = (flag for flag, short in SHORT.items() if short == name)
        near = next(of_short, None) or nearest(name, flags.FLAGS)
        hint = f" Did you mean: {near}?" if near and near in flags.FLAGS else ""
        raise UserError(
            f"Unknown command line flag {name!r}.{hint} `--help` lists the flags."
        ) from None
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())} `--help` lists the flags.") from None


def run(main: Callable[[list[str]], Any]) -> None:
    """Parses flags, calls `main` with the other words of the command line, and exits.

    Exit status: 0; 1 for a `UserError`, printed as one line, or if memory ran out; 130 for Ctrl-C;
    143 for SIGTERM or SIGHUP; `PIPE_CLOSED` if nobody reads the output any more; `CRASHED` for an
    internal error; `LOST_PEER` if another process of the run has ended.
    """
    _set_streams()
    _set_logs()
    with repeating_ignored_interrupts():
        _run(main)


def _run(main: Callable[[list[str]], Any]) -> None:
    try:
        _check_installation()
        arguments = _parse(sys.argv)
        # Not before: --help and a misspelt flag need no memory.
        use_huge_pages()
        with holding_signals():
            from ferjax.runtime.programs.compile_cache import enable_compile_cache
            from ferjax.runtime.programs.stored_program import enable_stored_programs

            enable_compile_cache()
            enable_stored_programs()
        main(arguments[1:])
        sys.stdout.flush()
    except UserError as error:
        _exit(1, f"error: {error}")
    except KeyboardInterrupt as error:
        resumed = "; the same command with --resume continues from here"
        _exit(interrupt_status(error), f"stopped{resumed if _can_resume() else ''}")
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads_output():
            _exit(PIPE_CLOSED)
        if wrong := wrong_setting(error):
            _exit(1, f"error: {wrong}")
        if refused := refused_write(error):
            _exit(1, f"error: {refused}")
        if ran_out_of_memory(error):
            _exit(1, f"error: {out_of_memory()}")
        if lost := _lost_peer(error):
            _exit(LOST_PEER, f"error: {lost}")
        traceback.print_exc()
        _exit(CRASHED)


def _check_installation() -> None:
    """Raises `UserError` where `import ferjax` finds a folder of that name and not the package.

    `python -m` searches the current folder first, and a clone is a folder `ferjax`.
    """
    if ferjax.__file__ is None:
        raise UserError(
            f"the folder {next(iter(ferjax.__path__))} is taken for the package ferjax. Change into"
            " it where it is the clone, else into another folder, and give the command again;"
            " `pip install -e .` there ends this."
        )


def _set_streams() -> None:
    """Lets a terminal or pipe that lacks a character show its code instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        # Notebooks and tests put other objects there.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _set_logs() -> None:
    """Logs warnings to standard error, and on a terminal also ferjax's information messages."""
    # Orbax logs the traceback of an error and raises it too; asyncio logs those of its tasks.
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ferjax").setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    # Pillow warns of pictures from half of the number of pixels on at which ferjax refuses them
    # itself, with the name of the file; at the end of the filters, so that those of -W win.
    warnings.filterwarnings("ignore", "Image size .* exceeds limit", append=True)
    # Damaged tags are of no use to anybody, and their warning does not name the file.
    warnings.filterwarnings("ignore", "", UserWarning, r"PIL\.", append=True)
    hide_late_reports()


def hide_late_reports() -> None:
    """Hides what Orbax and TensorStore report of a failed save after its error is raised.

    Orbax then closes its event loop. TensorStore tells the closed loop of every other write, which
    would show a traceback each, and writes that have not begun would cause a warning at the end.
    """
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning, append=True)
    previous = sys.unraisablehook

    def show(report: Any) -> None:
        if str(report.exc_value) != "Event loop is closed":
            previous(report)

    sys.unraisablehook = show


def interrupt_status(error: KeyboardInterrupt) -> int:
    """Returns the exit status of an interrupted process: 130 for Ctrl-C, 143 for a signal."""
    return 143 if isinstance(error, Terminated) else 130


def _can_resume() -> bool:
    """Returns whether the command has a --resume to go on with where it stopped."""
    return "resume" in flags.FLAGS


def _nobody_reads_output() -> bool:
    """Returns whether standard output is a closed pipe; from then on it goes nowhere."""
    waiting = select.poll()
    waiting.register(sys.stdout, 0)
    if not waiting.poll(0):
        return False
    # Otherwise Python would complain when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _exit(status: int, message: str = "") -> NoReturn:
    """Ends the process with a message; at once if it belongs to a multi-process run."""
    if message:
        print(message, file=sys.stderr)
    if "ferjax.runtime.processes" in sys.modules:
        sys.modules["ferjax.runtime.processes"].exit_at_once(status)
    sys.exit(status)


def _lost_peer(error: Exception) -> str:
    """Returns the message if an error means that another process has ended, else an empty text."""
    processes = sys.modules.get("ferjax.runtime.processes")
    if not processes or not processes.is_lost_peer(error):
        return ""
    resumed = " --resume continues the run." if _can_resume() else ""
    return f"another process of this run has ended; see its output.{resumed}"


def out_of_memory() -> str:
    """Returns the message if memory ran out; it suggests half of the batch size if there is one."""
    size, ways = _batch_size(), []
    if size and size > 1:
        ways.append(f"--batch_size={size // 2}")
    if "image_size" in flags.FLAGS:
        ways.append("a smaller --image_size")
    return f"memory ran out. Try {', or '.join([*ways, 'a machine with more of it'])}."


def _batch_size() -> int | None:
    """Returns the batch size of the command: that of its flag, else of its recipe."""
    if "recipe" not in flags.FLAGS:
        return flags.FLAGS["batch_size"].value if "batch_size" in flags.FLAGS else None
    from ferjax.config.train_config import TrainConfig
    from ferjax.recipes import resolve
    from launch.command.flags import given_flags

    with contextlib.suppress(UserError):
        return resolve(given_flags(TrainConfig)).batch_size
    return None


def refuse_arguments(arguments: list[str]) -> None:
    """Raises `UserError` for words that are not flags: every setting is a --flag=value."""
    if arguments:
        raise UserError(
            f"unexpected argument {arguments[0]!r}: settings are given as --flag=value."
        )
