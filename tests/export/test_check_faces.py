"""Faces that exports are checked on: those of other classes are refused."""

import pytest

from ferjax.errors import UserError
from ferjax.export.check_faces import check_classes


@pytest.mark.parametrize("what", ["network", "run"])
def test_data_of_other_classes_are_refused(what: str) -> None:
    check_classes("mine", ["fear", "joy"], ("fear", "joy"), what)
    message = rf"mine there has the classes joy, fear, the {what} fear, joy\. Give the {what}'s own"
    with pytest.raises(UserError, match=message):
        check_classes("mine", ("joy", "fear"), ("fear", "joy"), what)
