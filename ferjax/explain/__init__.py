"""Maps of the pixels that a network's answer depends on; the package is callable as `explain`.

`ferjax.explain` is the name of the package and of the function. After `import ferjax.explain` it is
this package, which can be called like the function.
"""

import sys
import types
from typing import Any

from ferjax.explain.explain_faces import explain
from ferjax.explain.explainer import Explainer, Explanation, load_explainer
from ferjax.explain.methods import METHODS
from ferjax.explain.overlay import overlay

__all__ = ["METHODS", "Explainer", "Explanation", "explain", "load_explainer", "overlay"]


class _CallablePackage(types.ModuleType):
    """A package that is called like the function it is named after."""

    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        """Returns `explain(*args, **kwargs)`."""
        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
