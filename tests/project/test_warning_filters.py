"""The tests run under filters that make warnings errors, but not the deprecations of others."""

import sys
import warnings

import pytest

DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning)


def warn_in(module: str, category: type[Warning]) -> None:
    """Warns as if a line of the module did what the warning is about."""
    warnings.warn_explicit("no longer", category, f"{module}.py", 1, module=module)


@pytest.mark.parametrize("category", DEPRECATIONS)
@pytest.mark.parametrize("module", ["jax.numpy", "numpy", "keras.src", "my_ferjax", "importlib"])
def test_a_deprecation_in_a_library_is_no_error(module: str, category: type[Warning]) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warn_in(module, category)
    assert not shown


@pytest.mark.parametrize("category", [*DEPRECATIONS, UserWarning])
@pytest.mark.parametrize("module", ["ferjax.models.vgg", "launch.train", "tests.conftest"])
def test_a_deprecation_in_a_call_of_our_own_is_an_error(
    module: str, category: type[Warning]
) -> None:
    with pytest.raises(category, match="no longer"):
        warn_in(module, category)


@pytest.mark.parametrize("category", DEPRECATIONS)
def test_a_test_module_counts_as_our_own(category: type[Warning]) -> None:
    with pytest.raises(category):
        warnings.warn("no longer", category, stacklevel=1)
    own = [name for name in sys.modules if name.rpartition(".")[2] == "conftest"]
    for name in own:
        with pytest.raises(category):
            warn_in(name, category)


@pytest.mark.parametrize("category", [UserWarning, FutureWarning, RuntimeWarning, ResourceWarning])
def test_any_other_warning_is_an_error_wherever_it_arises(category: type[Warning]) -> None:
    with pytest.raises(category):
        warn_in("jax.numpy", category)
