"""Small files at the end of another file."""

import zipfile
from pathlib import Path

from ferjax.export.conversion.attached_files import attach


def test_the_file_stays_as_it_was_and_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    files, contents = {"labels.txt": "Überraschung\n", "card.json": "{}"}, list[bytes]()
    for name in ("one", "two"):
        path = tmp_path / name
        path.write_bytes(b"a program" * 99)
        attach(path, files)
        contents.append(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert {f: archive.read(f).decode("utf-8") for f in archive.namelist()} == files
    assert contents[0] == contents[1]
    assert contents[0].startswith(b"a program" * 99 + b"PK")
