"""Whether downloads are forbidden by an environment variable."""

import os

_VARIABLES = ("FERJAX_OFFLINE", "HF_HUB_OFFLINE")
_FALSE_VALUES = ("", "0", "false", "no", "off")


def downloads_are_forbidden() -> bool:
    """Returns whether FERJAX_OFFLINE or HF_HUB_OFFLINE is set to anything but a false value."""
    return any(os.environ.get(name, "0").lower() not in _FALSE_VALUES for name in _VARIABLES)
