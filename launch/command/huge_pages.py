"""Memory in pages of 2 MB, which glibc offers by a setting that it reads when a process starts.

XLA takes fresh memory for the maps of every step, hundreds of MB. In pages of 4 kB each of them is
a fault of its own, and the processor's table of pages is too small for them: on two cores a step of
cnn3 takes 1.2 to 1.3 times as long (docs/results/speed.md).
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_TUNABLES = "GLIBC_TUNABLES"
_SETTING = "glibc.malloc.hugetlb"
_SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# The first glibc with the setting.
_LEAST = (2, 35)


def use_huge_pages() -> None:
    """Starts this process again with the setting, with the same arguments and the same number.

    Returns where the setting is there already, or would change nothing.
    """
    environment = with_huge_pages(os.environ, _glibc(), _offered())
    if environment is None or not sys.executable:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    except OSError:
        return  # It is slower without, and nothing else.


def with_huge_pages(
    environment: Mapping[str, str], glibc: str, offered: str
) -> dict[str, str] | None:
    """Returns the environment with the setting, or None where it would change nothing.

    Args:
      environment: of the process.
      glibc: `glibc 2.36`, or an empty text on other systems.
      offered: what Linux says of huge pages, such as `always [madvise] never`. With `always` a
        process has them in any case, with `never` in none.
    """
    version = re.fullmatch(r"glibc (\d+)\.(\d+)", glibc)
    tunables = environment.get(_TUNABLES, "")
    if "[madvise]" not in offered or version is None or _SETTING in tunables:
        return None
    if (int(version[1]), int(version[2])) < _LEAST:
        return None
    return {**environment, _TUNABLES: ":".join(filter(None, (tunables, f"{_SETTING}=1")))}


def _glibc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


def _offered() -> str:
    try:
        return _SYSTEM.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
