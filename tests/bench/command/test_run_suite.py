"""Flags of single suites belong to them; parts that do not exist are named."""

from typing import Any

import pytest

from ferjax.bench.command.run_suite import run_suite
from ferjax.errors import UserError


@pytest.mark.parametrize(
    ("suite", "cases", "given", "words"),
    [
        ("ops", None, {"photos": "x"}, r"--photos belongs to --suite=predict; leave it out"),
        (None, None, {"photos": "x"}, r"--photos belongs to --suite=predict"),
        ("predict", None, {"peers": "x"}, r"--peers belongs to --suite=recognisers; leave it out"),
        ("predict", "faces", {}, r"--cases=faces matches no part\. Parts: crops, single face"),
        ("scaling", None, {"split": "val"}, r"--split belongs to --suite=recognisers"),
    ],
)
def test_wrong_flags(
    suite: str | None, cases: str | None, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        run_suite(suite, cases, True, None, given)
