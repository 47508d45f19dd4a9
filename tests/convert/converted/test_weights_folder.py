"""File format of converted weights: round trip, atomic writes, errors of damaged files."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ferjax.convert.converted import weights_folder
from ferjax.convert.converted.weights_folder import (
    check_undamaged,
    is_saved,
    load_weights,
    save_weights,
)
from ferjax.errors import UserError

TENSORS = {
    "params/head/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "batch_stats/stem_bn/mean": np.ones(4, np.float32),
}
SIDECAR = {"model": "resnet18", "fields": {"bn_eps": 1e-5}, "num_classes": 3}

ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_weights(tmp_path / "deep" / "weights", TENSORS, SIDECAR)


@settings(max_examples=25)
@given(st.dictionaries(st.from_regex(r"\A[a-z0-9_]{1,5}(/[a-z0-9_]{1,5}){0,2}\Z"), ARRAYS))
def test_arrays_are_read_back_bit_for_bit(tensors: dict[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tensors_read, sidecar = load_weights(save_weights(Path(folder) / "w", tensors, SIDECAR))
    assert tensors_read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert tensors_read[name].dtype == np.float32
        assert tensors_read[name].shape == tensor.shape
        assert tensors_read[name].tobytes() == tensor.tobytes()
    assert {key: sidecar[key] for key in SIDECAR} == SIDECAR


def test_transposed_views_are_written_correctly(tmp_path: Path) -> None:
    view = TENSORS["params/head/kernel"].T
    tensors_read, _ = load_weights(save_weights(tmp_path / "w", {"a": view}, {}))
    np.testing.assert_array_equal(tensors_read["a"], view)
    tensors_read["a"][0] = 7  # the arrays are writable


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for file in save_weights(tmp_path / "w", TENSORS, SIDECAR).iterdir():
        assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode, file.name


@pytest.mark.parametrize("part", [".", "model.safetensors", "model.json"])
def test_the_folder_or_one_of_its_files_can_be_given(saved: Path, part: str) -> None:
    assert is_saved(saved / part)
    assert load_weights(saved / part)[0].keys() == TENSORS.keys()


def test_files_of_another_format_are_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert not is_saved(tmp_path / "model.safetensors")
    (tmp_path / "model.json").write_text('{"architecture": "resnet50"}')
    assert not is_saved(tmp_path)
    assert not is_saved(tmp_path / "absent")
    with pytest.raises(UserError, match="its format is not 'ferjax-weights'"):
        load_weights(tmp_path)


def test_nothing_is_overwritten(saved: Path) -> None:
    before = (saved / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        save_weights(saved, {}, {})
    assert (saved / "model.safetensors").read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_only_one_of_two_writers_wins(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if another process had finished between this one's check and its rename.
    answers = iter([False, True])
    monkeypatch.setattr(Path, "exists", lambda path: next(answers))
    with pytest.raises(UserError, match="exists already"):
        save_weights(saved, TENSORS, SIDECAR)
    monkeypatch.undo()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_failed_write_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights_folder, "_sync", full)
    with pytest.raises(UserError, match=r"w: the converted weights \(40 bytes\).*No space left"):
        save_weights(tmp_path / "w", TENSORS, SIDECAR)
    assert not [*tmp_path.iterdir()]


def test_a_truncated_file_is_an_error(saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(UserError, match=r"model\.safetensors is truncated or damaged.*Delete"):
        load_weights(saved)


def test_a_missing_file_is_an_error(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.json without model\.safetensors"):
        load_weights(saved)
    (saved / "model.json").unlink()
    with pytest.raises(UserError, match=r"no model\.json there"):
        load_weights(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"version 2 of the format.*reads version 1"),
        ({"tensors": {"params/head/kernel": [2, 4]}}, r"2 arrays are not what"),
        ({"tensors": None}, r"version 1 of the format"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_an_error(saved: Path, change: Any, message: str) -> None:
    path = saved / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        load_weights(saved)


def test_a_damaged_sidecar_is_an_error(saved: Path) -> None:
    path = saved / "model.json"
    path.write_text(path.read_text()[:-20])
    assert is_saved(saved)
    with pytest.raises(UserError, match=r"model\.json: not valid JSON"):
        load_weights(saved)


def test_changed_bytes_are_an_error(saved: Path) -> None:
    tensors = saved / "model.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-2] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(UserError, match=r"weights: model\.safetensors is damaged .*Delete this"):
        load_weights(saved)
    sidecar = saved / "model.json"
    sidecar.write_text(sidecar.read_text().replace("1e-05", "1e-06"))
    with pytest.raises(UserError, match=r"weights: model\.json is damaged .*Delete this folder"):
        check_undamaged(saved)
    # Weights of an older version open: they have no checksums.
    (saved / "SHA256SUMS").unlink()
    check_undamaged(saved)
    assert load_weights(saved)[0].keys() == TENSORS.keys()
