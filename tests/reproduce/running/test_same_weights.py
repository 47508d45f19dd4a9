"""A finished run counts only for the file of weights that it started from."""

import hashlib
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.reproduce.running import same_weights
from ferjax.reproduce.running.same_weights import check_same_weights


def test_another_file_of_the_same_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vgg16.onnx"
    file.write_bytes(b"first")
    origin = [
        "vgg16.onnx: onnx weights from here",
        f"sha256 {hashlib.sha256(b'first').hexdigest()}",
    ]
    monkeypatch.setattr(same_weights, "latest_meta", lambda run: {"start": {"origin": origin}})
    check_same_weights(str(file), tmp_path)
    file.write_bytes(b"second")
    with pytest.raises(UserError, match=r"other weights .* than vgg16\.onnx has now"):
        check_same_weights(str(file), tmp_path)


@pytest.mark.parametrize("start", [None, {"origin": ["run a: cnn3 trained on fer2013"]}])
def test_weights_without_a_recorded_sum_are_let_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: dict | None
) -> None:
    (tmp_path / "w.pth").touch()
    monkeypatch.setattr(same_weights, "latest_meta", lambda run: {"start": start})
    for pretrained in (None, "imagenet", str(tmp_path), str(tmp_path / "w.pth")):
        check_same_weights(pretrained, tmp_path)
