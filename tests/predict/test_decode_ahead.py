"""Pictures that are decoded ahead take a bounded number of bytes."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.predict import decode_ahead
from ferjax.predict.decode_ahead import are_large, read_inputs_ahead
from ferjax.predict.inputs import list_inputs


def test_scans_of_white_paper_are_counted_by_their_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file of 15 kB has 12 MB of pixels; 30 MB may wait."""
    white = io.BytesIO()
    Image.new("L", (4000, 3000), 255).save(white, "PNG")
    assert decode_ahead._SMALL_BYTES < len(white.getvalue()) < 20_000
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(white.getvalue())
    monkeypatch.setattr(decode_ahead, "_MOST_BYTES_AHEAD", 30_000_000)
    decoded: list[int] = []
    monkeypatch.setattr(
        decode_ahead, "_decoded", lambda each, payload: decoded.append(1) or np.zeros(1)
    )
    pictures = read_inputs_ahead(list_inputs([str(tmp_path)]))
    next(pictures)
    assert len(decoded) <= 3
    assert 1 + sum(1 for _ in pictures) == 8


@pytest.mark.parametrize(("count", "side", "large"), [(300, 48, False), (2, 400, True)])
def test_members_of_an_archive_are_judged_by_their_mean_size(
    tmp_path: Path, count: int, side: int, large: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.png", picture.getvalue())
    assert are_large(list_inputs([str(tmp_path / "faces.zip")])) == large
