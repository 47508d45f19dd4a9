"""`launch.gallery` as its user meets it, over a run that was really trained."""

import json
import os
from collections.abc import Callable
from pathlib import Path


def test_a_gallery_over_a_trained_run(
    tiny_run: Path, tmp_path: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    (tmp_path / "mine.html").write_text("<p>mine")
    done, refused = commands(
        "gallery", ("--out=all.html", str(tiny_run)), ("--out=mine.html", str(tiny_run))
    )
    assert done == (0, "1 row in 1 table\nall.html\n", "")
    assert refused[0] == 1
    assert refused[2].startswith("error: --out=mine.html exists and is no page of launch.gallery")
    page = (tmp_path / "all.html").read_text("utf-8")
    report = json.loads((tiny_run / "report.json").read_text("utf-8"))
    for split in ("val", "test"):
        assert f"{100 * report['results'][split]['selected']['accuracy']:.2f} %" in page
    digest = json.loads((tiny_run / "splits.json").read_text())["splits"]["val"]["digest"]
    assert f"fingerprint {digest[:8]}" in page
    assert f'href="{os.path.relpath(tiny_run / "report.html", tmp_path)}"' in page
