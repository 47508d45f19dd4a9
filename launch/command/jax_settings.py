"""Errors of JAX about its environment variables, such as JAX_PLATFORMS=cuda without a GPU."""

import os
import re
import traceback

_BACKEND = "[Uu]nable to initialize backend|[Uu]nknown backend"
_VALUE = re.compile(r"for environment '(JAX_\w+)'|for JAX flag (jax_\w+)")
# Value of JAX_PLATFORMS → the extra that installs what it needs.
_EXTRAS = {"cuda": "cuda12", "gpu": "cuda12"}


def wrong_setting(error: Exception) -> str:
    """Returns the message if JAX cannot start with its environment, else an empty text."""
    text = " ".join(str(error).split())
    if found := _VALUE.search(text):
        name = (found[1] or found[2]).upper()
        value = os.environ.get(name, "")
        return f"{name}={value}: JAX does not take this value ({text}). Correct it, or unset it."
    if not re.search(_BACKEND, text) and not _is_bare_assertion(error):
        return ""
    # JAX's own advice does not know what was asked for.
    reason = re.sub(r" \((set JAX_PLATFORMS|you may need).*", "", text) or "none answers"
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if not platforms:
        return f"JAX finds no device here: {reason}. Unset variables that begin with JAX_ or XLA_."
    extra = next((_EXTRAS[name] for name in platforms.split(",") if name in _EXTRAS), None)
    install = f", or install what it needs: pip install 'ferjax[{extra}]'" if extra else ""
    return (
        f"JAX_PLATFORMS={platforms}: JAX finds no such device here ({reason}). Set it to cpu or"
        f" leave it unset{install}."
    )


def _is_bare_assertion(error: Exception) -> bool:
    """Returns whether JAX ended where its CUDA plugin is installed and finds no device."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1].filename if frames else ""
    return isinstance(error, AssertionError) and last.endswith("xla_bridge.py")
