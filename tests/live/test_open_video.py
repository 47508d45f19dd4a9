"""What is said of a video before PyAV is asked for."""

import sys
from pathlib import Path

import pytest

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from ferjax.live.open_video import open_video
from ferjax.live.run_video import predict_video


@pytest.mark.parametrize(("name", "words"), [("no.mp4", "no such video"), (".", "is a folder")])
def test_a_missing_video_comes_before_a_missing_package(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=words), open_video(tmp_path / name):
        pass
    config = PredictConfig(out=str(tmp_path / "p.csv"), annotate=str(tmp_path / "copy.mp4"))
    with pytest.raises(UserError, match=words):
        predict_video(config, [str(tmp_path / name)])
