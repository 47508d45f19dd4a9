"""Log lines about files of the two caches of programs that are not used but made again."""

import itertools
import logging

# One reason, such as a damaged disk, often concerns many files: only the first is a warning.
_numbers = itertools.count()


def log_rebuilt(log: logging.Logger, message: str, *arguments: object) -> None:
    """Logs that a file is made again: the first of a process as a warning, all others as INFO.

    Args:
      log: the logger of the calling module.
      message: the message, with `%s` for the arguments.
      *arguments: its arguments.
    """
    log.log(logging.INFO if next(_numbers) else logging.WARNING, message, *arguments)
