"""Names that a user's own module registers: networks, data sets, losses, augmentations, optimizers.

ferjax's own names are in literal tables in the source; only these names are added while a program
runs. A module named by `launch.train --import=my_module` adds them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ferjax.errors import UserError, unknown_name

# Fields of `TrainConfig` whose values can be registered.
KINDS = ("model", "dataset", "loss", "augment", "optimizer")
_REGISTERED: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}


def register(kind: str, name: str, value: Any, built_in: Iterable[str]) -> None:
    """Registers a value under a name; the same name may be registered again, as notebooks do.

    Args:
      kind: one of `KINDS`.
      name: letters, digits and underscores.
      value: the value of the name, for example a loss function.
      built_in: ferjax's own names of this kind, which cannot be replaced.

    Raises:
      UserError: a name of ferjax's own, or one that is not an identifier.
    """
    if name in built_in:
        raise UserError(f"{kind} {name!r} is ferjax's own. Register yours under another name.")
    if not name.isidentifier():
        raise UserError(
            f"{kind} {name!r}: expected letters, digits and underscores, say my_{kind}."
        )
    _REGISTERED[kind][name] = value


def registered(kind: str) -> Mapping[str, Any]:
    """Returns name → registered value of a kind, as a read-only view."""
    return MappingProxyType(_REGISTERED[kind])


def find(kind: str, name: str, built_in: Mapping[str, Any]) -> Any:
    """Returns the value of a name, ferjax's own or registered.

    Raises:
      UserError: an unknown name; the nearest known one is suggested.
    """
    if name in built_in:
        return built_in[name]
    if name in _REGISTERED[kind]:
        return _REGISTERED[kind][name]
    error = unknown_name(kind, name, [*built_in, *_REGISTERED[kind]])
    raise UserError(f"{error} A {kind} of your own: --import=MODULE_THAT_REGISTERS_IT.")
