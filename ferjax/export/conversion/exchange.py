"""Files by which a converter's process gets its request and gives its answer; standard library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUEST, ARRAYS, ANSWER = "request.json", "arrays.npz", "answer.json"


def read_request(folder: Path) -> dict[str, Any]:
    """Returns the JSON values that the process was started with."""
    return json.loads((folder / REQUEST).read_text("utf-8"))


def write_answer(folder: Path, answer: Mapping[str, Any]) -> None:
    """Writes the JSON values that the calling process waits for."""
    (folder / ANSWER).write_text(json.dumps(answer), "utf-8")
