"""Files with a converter's request and answer; this module needs only the standard library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUEST, ARRAYS, ANSWER = "request.json", "arrays.npz", "answer.json"


def read_request(folder: Path) -> dict[str, Any]:
    """Returns the JSON values of the request that the calling process wrote."""
    return json.loads((folder / REQUEST).read_text("utf-8"))


def write_answer(folder: Path, answer: Mapping[str, Any]) -> None:
    """Writes the JSON values that the calling process waits for."""
    (folder / ANSWER).write_text(json.dumps(answer), "utf-8")
