"""ferjax's own parsers under random and mutated input: an answer or one `UserError`, nothing else.

Run by hand for minutes: python -m pytest -m slow tests/launch/hostile/test_fuzzed_parsers.py, with
FERJAX_FUZZ=100000 for more examples of each.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from ferjax.config.json_file import config_from_json, config_to_json
from ferjax.config.train_config import TrainConfig
from ferjax.convert.readers.open_file import open_source
from ferjax.data.datasets.expw import load as load_expw
from ferjax.data.datasets.fer2013.load_fer2013 import load as load_fer2013
from ferjax.data.reading.path_label_list import read_list
from ferjax.errors import UserError
from ferjax.evaluation.comparison.read_predictions import read_predictions
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.reporting.verify_page import PAGE_FORMAT
from ferjax.runs.finished_runs.load_network import load_network, network_config
from ferjax.runtime.checksums import find_damage
from ferjax.search.search_space import parse_space
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.splits_file import read_split_record
from ferjax.weights.weights_file import card_text

pytestmark = [pytest.mark.slow]
EXAMPLES = int(os.environ.get("FERJAX_FUZZ", "500"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def mutated(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, or a whole file of which a few bytes are others, cut out or put in."""

    def change(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
        data = bytearray(seed)
        for place, length, new in edits:
            at = place % (len(data) + 1)
            data[at : at + length] = new
        return bytes(data)

    edit = st.tuples(st.integers(0, 1 << 20), st.integers(0, 6), st.binary(max_size=6))
    edited = st.builds(change, st.sampled_from(seeds), st.lists(edit, min_size=1, max_size=4))
    return st.one_of(edited, st.binary(max_size=200))


def ends(read: Callable[[], object]) -> None:
    """Checks that a parser answers, or raises one error of the user."""
    with contextlib.suppress(UserError):
        read()


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


TENSOR = field(1, 2) + field(1, 2) + field(2, 1) + field(8, b"w") + field(9, bytes(16))
NODE = field(1, b"x") + field(2, b"y") + field(3, b"n") + field(4, b"Conv")
NODE += field(5, field(1, b"pads") + field(3, 1) + field(8, b"\1\1\1\1"))
ONNX = (
    field(1, 8)
    + field(2, b"a")
    + field(7, field(1, NODE) + field(5, TENSOR))
    + field(8, field(2, 17))
)
HEADER = (
    b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[2],'
)
HEADER += b'"data_offsets":[16,20]}}'
SAFETENSORS = struct.pack("<Q", len(HEADER)) + HEADER + bytes(20)


@given(mutated(ONNX))
@fuzzed
def test_onnx(tmp_path: Path, data: bytes) -> None:
    read_weights(tmp_path / "net.onnx", data)


@given(mutated(SAFETENSORS))
@fuzzed
def test_safetensors(tmp_path: Path, data: bytes) -> None:
    read_weights(tmp_path / "net.safetensors", data)


@given(VALUES, st.binary(max_size=32))
@fuzzed
def test_headers_of_safetensors(tmp_path: Path, header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    read_weights(tmp_path / "net.safetensors", struct.pack("<Q", len(text)) + text + data)


def read_weights(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    def read() -> None:
        source = open_source(path)
        for key, leaf in source.leaves.items():
            if leaf.dtype.startswith(("float", "bfloat", "int", "uint", "bool")):
                assert source.read(key).shape == leaf.shape

    ends(read)


ROWS = b"path,label,split\n0.png,happy,train\n1.png,sad,val\n"
LINES = b'{"path": "0.png", "label": "happy"}\n{"path": "1.png", "label": "sad"}\n'


@given(mutated(ROWS, ROWS.replace(b",", b";"), ROWS.replace(b",", b"\t")))
@fuzzed
def test_csv_lists(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    ends(lambda: read_list(tmp_path / "a.csv"))


@given(mutated(LINES) | st.lists(VALUES, max_size=4).map(
    lambda rows: "\n".join(map(json.dumps, rows)).encode()))  # fmt: skip
@fuzzed
def test_jsonl_lists(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    ends(lambda: read_list(tmp_path / "a.jsonl"))


PIXELS = b"emotion,pixels,Usage\n0," + b" ".join([b"7"] * 2304) + b",Training\n"


@given(mutated(PIXELS))
@fuzzed
def test_csv_of_pixels(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "fer2013.csv").write_bytes(data)
    ends(lambda: load_fer2013(tmp_path / "fer2013.csv"))


PREDICTED = b"file,label,predicted,anger,fear\na,anger,anger,0.9,0.1\nb,fear,anger,0.6,0.4\n"


@given(mutated(PREDICTED))
@fuzzed
def test_csv_of_predictions(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.csv").write_bytes(data)
    ends(lambda: read_predictions(tmp_path / "p.csv"))


BOXES = b"0.jpg 0 1 2 30 20 9.5 3\n1.jpg 0 1 2 30 20 9.5 4\n"


@given(mutated(BOXES))
@fuzzed
def test_files_of_boxes(tmp_path: Path, data: bytes) -> None:
    """The list of ExpW: image, number, top, left, right, bottom, confidence, emotion."""
    (tmp_path / "image").mkdir(exist_ok=True)
    (tmp_path / "label").mkdir(exist_ok=True)
    (tmp_path / "label" / "label.lst").write_bytes(data)
    ends(lambda: load_expw(tmp_path))


@given(st.text(max_size=60) | st.builds(
    lambda *parts: "".join(parts),
    *[st.sampled_from(["learning_rate", "=", "log:", "1e-4", "..", "|", ",", ":", "0", "int:",
                       "optimizer", "adam", "-", "inf", "nan", "9" * 400, "\0"])] * 7))  # fmt: skip
@fuzzed
def test_search_spaces(text: str) -> None:
    ends(lambda: parse_space(text))


OWN = json.loads(config_to_json(TrainConfig(model="cnn3", dataset="synthetic")))


@given(st.dictionaries(st.sampled_from(sorted(OWN)) | st.text(max_size=5), VALUES, max_size=4))
@fuzzed
def test_configs_of_runs(changes: dict[str, object]) -> None:
    ends(lambda: config_from_json(json.dumps({**OWN, **changes}), "config.json"))


@given(mutated(json.dumps(OWN).encode()))
@fuzzed
def test_texts_of_configs(data: bytes) -> None:
    ends(lambda: config_from_json(data.decode("utf-8", "replace"), "config.json"))


METRICS = b'{"step": 1, "epoch": 1, "split": "val"}\n{"step": 2, "epoch": 2, "split": "val"}\n'


@given(mutated(METRICS))
@fuzzed
def test_metrics(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(data)
    ends(lambda: read_lines(tmp_path))


TABLE = b"split,class,content,target,image\ntrain,anger,00ff,,a.png\n"
SUMMARY = (
    b'{"format": 2, "dataset": "folder", "classes": ["anger"], "splits": {"train": {"images": 1,'
)
SUMMARY += b' "source": "x", "digest": "y"}}}'


@given(mutated(SUMMARY), mutated(TABLE))
@fuzzed
def test_records_of_images(tmp_path: Path, summary: bytes, table: bytes) -> None:
    (tmp_path / "splits.json").write_bytes(summary)
    (tmp_path / "splits.csv.gz").write_bytes(gzip.compress(table))
    ends(lambda: read_split_record(tmp_path))


@given(VALUES, st.text(max_size=20))
@fuzzed
def test_pages_to_verify(tmp_path: Path, block: object, cell: str) -> None:
    results = {"format": 1, "runs": "", "arrays": {}, "predictions": block}
    whole = {"paper": "yang", "lacks": block, "missing": block, "settings": block, "pictures": {}}
    text = json.dumps({"page_format": PAGE_FORMAT, **whole, "results": results})
    page = f'<html><td data-cell="a">{cell}</td><script type="application/json">{text}</script>'
    (tmp_path / "report.html").write_text(page, "utf-8")
    ends(lambda: verify_report(tmp_path / "report.html"))


# What torch.save writes, the settings of a training script beside the tensor.
SAVED = b"\x80\x02}q\x00(X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02(("
SAVED += b"X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05"
SAVED += b"X\x03\x00\x00\x00cpuq\x06K\x04tq\x07QK\x00K\x04\x85q\x08K\x01\x85q\t\x89ccollections\n"
SAVED += b"OrderedDict\nq\n)Rq\x0btq\x0cRq\rX\x04\x00\x00\x00argsq\x0ecargparse\nNamespace\nq\x0f)"
SAVED += b"\x81q\x10}q\x11X\x02\x00\x00\x00lrq\x12G?\xb9\x99\x99\x99\x99\x99\x9asbu."
# Opcodes; the calls among them would make a folder, or fail.
OPCODES = [b"cos\nmkdir\n", b"cposix\nmkdir\n", b"cbuiltins\neval\n", b"cbuiltins\ndict\n",
           b"cargparse\nNamespace\n", b"cfunctools\npartial\n", b"ccollections\nOrderedDict\n",
           b"ctorch\nSize\n", b"ctorch\nfloat16\n", b"ctorch\nload\n", b"(VMARKER\ntR",
           b"VMARKER\n", b"(", b")", b"}", b"]", b"t", b"R", b"b", b"s", b"u", b"a", b"e", b"0",
           b"2", b"N", b"Q", b"\x81", b"\x85", b"\x92", b"K\x01", b"q\x02", b"h\x02"]  # fmt: skip
PICKLES = st.builds(
    lambda place, new: SAVED[:place] + b"".join(new) + SAVED[place:],
    st.integers(2, len(SAVED)),
    st.lists(st.sampled_from(OPCODES), max_size=12),
)


@given(mutated(SAVED) | PICKLES)
@fuzzed
def test_pickles_of_pytorch(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("torch")
    with contextlib.chdir(tmp_path):
        read_weights(tmp_path / "net.pth", archive_of(data))
        assert not (tmp_path / "MARKER").exists()


def archive_of(pickled: bytes) -> bytes:
    """The archive of torch.save around a pickle; its checksums are right."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/version", "3\n")
        archive.writestr("net/byteorder", "little")
        archive.writestr("net/data/0", np.ones(4, "<f4").tobytes())
    return file.getvalue()


# Of attributes and arrays in HDF5 files. The bytes of a file are not mutated: that would test HDF5.
ATTRIBUTES = (
    st.text(max_size=5)
    | st.binary(max_size=5)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.lists(st.text(max_size=5) | st.binary(max_size=5), max_size=3)
    | st.lists(st.integers(-9, 9) | st.floats(), max_size=3)
)
LAYERS = st.dictionaries(
    st.sampled_from(["layers/a/vars", "layers/b/vars", "layers/vars", "a", "model_weights/a"]),
    st.tuples(
        st.dictionaries(st.sampled_from(["name", "weight_names", "layer_names"]), ATTRIBUTES),
        st.dictionaries(
            st.sampled_from(["0", "1", "a/kernel", "a/a/kernel"]), ATTRIBUTES, max_size=2
        ),
    ),
    max_size=3,
)
NAMES_OF_LAYERS = st.dictionaries(
    st.sampled_from(["layer_names", "layer_names0", "weight_names"]), ATTRIBUTES
)


@given(LAYERS, NAMES_OF_LAYERS)
@fuzzed
def test_layers_of_keras(tmp_path: Path, layers: dict[str, Any], names: dict[str, Any]) -> None:
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    # h5py does not write every value.
    with contextlib.suppress(TypeError, ValueError, OSError), h5py.File(file, "w") as h5:
        h5.attrs.update(names)
        for path, (attributes, arrays) in layers.items():
            group = h5.require_group(path)
            for name, value in arrays.items():
                group[name] = value
            group.attrs.update(attributes)
    read_weights(tmp_path / "net.h5", file.getvalue())


TENSORS = save({"params/head/kernel": np.zeros((2, 2), np.float32)})
CARD = {
    "model": "cnn3", "fields": {}, "classes": ["anger", "fear"], "config": {}, "step": 1,
    "spec": {"storage": [48, 48], "size": 48, "channels": 1, "mean": [0.0], "std": [1.0]},
    "epoch": 1, "start": None, "best": {"accuracy": 1.0}, "training": {"seconds": 1.0},
    "prediction_sets": {"n": 1, "ranks": [1], "scores": [0.5]},
}  # fmt: skip
SPEC = st.dictionaries(st.sampled_from(sorted(CARD["spec"])), VALUES, max_size=2).map(
    lambda changes: {"spec": {**CARD["spec"], **changes}}
)
CHANGES = st.dictionaries(st.sampled_from(sorted(CARD)), VALUES, max_size=3)


@given(st.builds(lambda *changes: {**CARD, **changes[0], **changes[1]}, CHANGES, SPEC | CHANGES))
@fuzzed
def test_values_of_cards(tmp_path: Path, card: dict[str, Any]) -> None:
    read_card_with_weights(tmp_path, card_text_of(card))


@given(mutated(card_text(CARD, TENSORS).encode()))
@fuzzed
def test_texts_of_cards(tmp_path: Path, data: bytes) -> None:
    read_card_with_weights(tmp_path, data)


def card_text_of(card: dict[str, Any]) -> bytes:
    """The text of a card; ferjax writes no NaN, others may."""
    stamp = json.loads(card_text(CARD, TENSORS))
    return json.dumps({**stamp, **card}).encode()


def read_card_with_weights(folder: Path, text: bytes) -> None:
    (folder / "net.safetensors").write_bytes(TENSORS)
    (folder / "net.json").write_bytes(text)
    ends(lambda: load_network(folder / "net.json"))
    ends(lambda: network_config(folder / "net.json"))


SUMS = f"{'0' * 64}  net.bin\n{hashlib.sha256(b'').hexdigest()}  inner/empty\n".encode()


@given(mutated(SUMS))
@fuzzed
def test_checksums(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "inner").mkdir(exist_ok=True)
    (tmp_path / "inner" / "empty").touch()
    (tmp_path / "SHA256SUMS").write_bytes(data)
    ends(lambda: find_damage(tmp_path))


def test_what_is_mutated_is_read_as_it_stands(tmp_path: Path) -> None:
    """Otherwise mutations would test the first check alone."""
    for name, data in (("a.onnx", ONNX), ("a.safetensors", SAFETENSORS)):
        (tmp_path / name).write_bytes(data)
        source = open_source(tmp_path / name)
        assert all(np.isfinite(source.read(key)).all() for key in source.leaves)
    if find_spec("torch"):
        (tmp_path / "a.pth").write_bytes(archive_of(SAVED))
        source = open_source(tmp_path / "a.pth")
        assert source.read("w").tolist() == [1, 1, 1, 1]
        assert source.notes == (
            "not tensors, left out: args",
            "objects that were not built: argparse.Namespace",
        )
    (tmp_path / "net.safetensors").write_bytes(TENSORS)
    (tmp_path / "net.json").write_bytes(card_text_of(CARD))
    with pytest.raises(UserError, match="arrays do not fit cnn3"):
        load_network(tmp_path / "net.json")
    (tmp_path / "SHA256SUMS").write_bytes(SUMS)
    (tmp_path / "net.bin").touch()
    assert find_damage(tmp_path).startswith("net.bin is damaged")
    (tmp_path / "p.csv").write_bytes(PREDICTED)
    assert len(read_predictions(tmp_path / "p.csv").ids) == 2
    (tmp_path / "metrics.jsonl").write_bytes(METRICS)
    assert len(read_lines(tmp_path)) == 2
