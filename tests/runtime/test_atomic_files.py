"""Files that are written as a whole, also with names of files in them that are not UTF-8."""

import json
from pathlib import Path

from ferjax.runtime.atomic_files import write_atomically


def test_a_text_with_a_name_that_is_no_utf8_is_read_back(tmp_path: Path) -> None:
    found = {"data_dir": "é/d\udcff", "n": 1}
    path = write_atomically(tmp_path / "a" / "x.json", json.dumps(found, ensure_ascii=False))
    assert json.loads(path.read_text("utf-8")) == found
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]
    assert write_atomically(path, b"\xff").read_bytes() == b"\xff"
