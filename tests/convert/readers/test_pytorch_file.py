"""PyTorch files: wrapped state dicts, malicious pickles, files without weights, bfloat16."""

import argparse
import collections
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def write(path: Path, container: str, saved: Any) -> Path:
    torch.save(saved, path, _use_new_zipfile_serialization=container == "torch zip")
    return path


def error_message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_source(path)
    return str(caught.value)


class Malicious:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("container", ["torch zip", "torch legacy"])
def test_code_in_a_pickle_is_never_run(container: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "a.pth", container, {"w": torch.zeros(2), "x": Malicious(marker)})
    message = error_message(path)
    assert not marker.exists()
    assert "mkdir" in message
    assert "refused" in message
    with path.open("rb") as file:  # with weights_only=False the code does run
        torch.load(file, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("container", ["torch zip", "torch legacy"])
def test_pickled_modules_are_an_error(container: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", container, torch.nn.Linear(2, 3))
    message = error_message(path)
    assert "torch.nn.modules.linear.Linear" in message
    assert "state_dict()" in message


def test_torchscript_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name in ("a/data.pkl", "a/constants.pkl", "a/code/net.py"):
            archive.writestr(name, "")
    assert "TorchScript" in error_message(tmp_path / "a.pt")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "model_ema"])
def test_wrapped_state_dicts_are_unwrapped_with_a_note(wrapper: str, tmp_path: Path) -> None:
    state = {"module._orig_mod.fc.weight": torch.ones(2, 2), "module._orig_mod.note": "text"}
    saved = {wrapper: state, "epoch": 3, "optimizer": {"lr": 0.1}}
    source = open_source(write(tmp_path / "a.pth", "torch zip", saved))
    assert [*source.leaves] == ["fc.weight"]
    np.testing.assert_array_equal(source.read("fc.weight"), np.ones((2, 2)))
    assert source.notes == (
        f"keys unwrapped from {wrapper!r}; left out: epoch, optimizer",
        "not tensors, left out: module._orig_mod.note",
        "prefix 'module._orig_mod.' taken off every key",
    )


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 3}, {}])
def test_torch_files_without_a_state_dict_are_an_error(saved: Any, tmp_path: Path) -> None:
    assert "expected a state dict" in error_message(write(tmp_path / "a.pth", "torch zip", saved))


def test_bfloat16_is_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_torch

    values = torch.linspace(-3, 3, 7).to(torch.bfloat16)
    save_torch({"w": values}, tmp_path / "a.safetensors")
    paths = (tmp_path / "a.safetensors", write(tmp_path / "a.pth", "torch zip", {"w": values}))
    for source in map(open_source, paths):
        assert source.leaves == {"w": Leaf((7,), "bfloat16")}
        np.testing.assert_array_equal(source.read("w"), values.float().numpy())
        assert source.notes == ("bfloat16 → float32",)


def test_a_file_that_is_mapped_again_gives_the_same_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferjax.convert.readers.pytorch_file._MAPPED_BYTES", 16)
    state = {f"w{i}": torch.full((8,), float(i)) for i in range(5)}
    source = open_source(write(tmp_path / "a.pth", "torch zip", state))
    arrays = {key: source.read(key) for key in [*state, *state]}
    for key, tensor in state.items():
        np.testing.assert_array_equal(arrays[key], tensor.numpy())


class AverageMeter:
    """A statistic of a training script."""

    def __init__(self) -> None:
        self.values = [0.5]


class Settings(dict[str, Any]):
    """Settings by name, as attributes too; many training scripts have such a class."""


STATE = {f"conv{i}.weight": torch.arange(6.0).reshape(2, 3) + i for i in range(5)}
LEFTOVERS: dict[str, Any] = {
    "args": argparse.Namespace(lr=0.1, data=Path("faces")),
    "best_acc": np.float64(0.71),
    "confusion": np.eye(2),
    "meter": AverageMeter(),
    "settings": Settings(width=2),
    "counts": collections.defaultdict(int, a=1),
    "order": collections.OrderedDict(a=1),
    "classes": {"anger", "fear"},
    "raw": b"bytes",
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 1}]},
    "acc": torch.tensor(0.7),
}


@pytest.mark.parametrize("container", ["torch zip", "torch legacy"])
@pytest.mark.parametrize("wrapper", ["net", "state_dict", "resnet", 0])
def test_leftovers_of_training_do_not_hide_the_tensors(
    container: str, wrapper: str | int, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.pth", container, {"epoch": 3, **LEFTOVERS, wrapper: STATE})
    source = open_source(path)
    assert [*source.leaves] == [*STATE]
    for key, tensor in STATE.items():
        np.testing.assert_array_equal(source.read(key), tensor.numpy())
    unwrapped, objects = source.notes
    assert unwrapped.startswith(f"keys unwrapped from {wrapper!r}; left out: epoch, args")
    assert objects.startswith("objects that were not built: argparse.Namespace")


def test_objects_among_the_tensors_are_left_out(tmp_path: Path) -> None:
    saved = {**STATE, "args": LEFTOVERS["args"], "best": np.float32(1)}
    source = open_source(write(tmp_path / "a.pth", "torch zip", saved))
    assert [*source.leaves] == [*STATE]
    assert source.notes[0] == "not tensors, left out: args, best"
    # Objects built from the values of the file, not from its code.
    message = error_message(write(tmp_path / "b.pth", "torch zip", {"net": AverageMeter()}))
    assert "holds no tensors under its keys ('net')" in message
    assert "AverageMeter" in message


@pytest.mark.parametrize("call", [os.system, eval, subprocess.getoutput, shutil.rmtree])
def test_calls_beside_leftovers_are_refused(call: Any, tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return call, (str(tmp_path / "kept"),)

    (tmp_path / "kept").mkdir()
    saved = {"net": STATE, "args": LEFTOVERS["args"], "x": Call()}
    message = error_message(write(tmp_path / "a.pth", "torch zip", saved))
    assert re.search(rf"it would run or build \S*{call.__name__}, which was refused", message)
    assert (tmp_path / "kept").is_dir()


def test_one_of_several_networks_must_be_chosen(tmp_path: Path) -> None:
    saved = {"student": STATE, "teacher": STATE, "epoch": 3}
    message = error_message(write(tmp_path / "a.pth", "torch zip", saved))
    assert "holds 2 networks of 5 tensors, under 'student', 'teacher'" in message
    # A small one beside it is left out, and said to be.
    saved = {"encoder": STATE, "classifier": {"weight": torch.ones(2)}}
    source = open_source(write(tmp_path / "b.pth", "torch zip", saved))
    assert [*source.leaves] == [*STATE]
    assert source.notes == ("keys unwrapped from 'encoder'; left out: classifier",)
