"""The flag --import: modules of the user's that register networks, data sets and more."""

import importlib
import sys

from absl import flags

from ferjax.errors import UserError

flags.DEFINE_list(
    "import",
    [],
    "Modules of your own to import first; they register networks, data sets, losses, augmentations"
    " or optimizers under names (ferjax.register_model, ...).",
)


def import_user_modules() -> None:
    """Imports the modules that --import names; the current folder is searched first.

    Raises:
      UserError: no such module.
    """
    names = flags.FLAGS["import"].value or ()
    if names:
        from ferjax.runtime.programs.stored_program import keep_no_programs

        # An edited module computes something else under the same names.
        keep_no_programs()
    for name in names:
        if "" not in sys.path:
            sys.path.insert(0, "")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise UserError(
                f"--import={name}: there is no module {error.name!r} in this folder or on the"
                " Python path. Give its name with dots and without .py."
            ) from None
