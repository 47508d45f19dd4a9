"""Reports, exported weights, ONNX and StableHLO files that somebody sends."""

import base64
import importlib.util
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.weights import load_pretrained
from ferjax.errors import UserError
from ferjax.export.speed_beside_peers import read_speed
from ferjax.faces.detectors import crop_plan
from ferjax.models.registry import abstract_variables
from ferjax.predict.predictor import load_predictor
from ferjax.reproduce.command.verify_report import verify_report
from ferjax.reproduce.reporting.verify_page import PAGE_FORMAT
from ferjax.reproduce.running.stored_results import read_result
from ferjax.runs.finished_runs.load_network import network_config
from ferjax.runtime.checksums import write_checksums
from ferjax.tools.convert_weights import run_convert
from ferjax.weights.shipped import SHIPPED
from ferjax.weights.weights_file import card_text

Build = Callable[[Path], Path]
DEEP = b"[" * 100_000
JSON: dict[str, bytes] = {
    "deep": DEEP,
    "a long number": b'{"a": ' + b"9" * 5000 + b"}",
    "bytes": b"\xff\xfe",
    "a list": b"[1]",
    "nothing": b"",
}


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def file(name: str, data: bytes) -> Build:
    return lambda folder: write(folder / name, data)


# report.html, which launch.reproduce --verify computes again.


def page(block: Any, cells: str = '<td data-cell="a">1</td>') -> Build:
    """A page with a block of results and a cell."""
    text = block if isinstance(block, str) else json.dumps(block)
    html = f'<html>{cells}<script type="application/json" id="results">{text}</script></html>'
    return lambda folder: write(folder / "report.html", html)


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def paper(**changes: Any) -> dict[str, Any]:
    results = {"format": 1, "runs": packed(b"[]"), "arrays": {}, "predictions": []}
    whole = {"paper": "yang", "lacks": {}, "missing": [], "settings": {}, "pictures": {}}
    return {"page_format": PAGE_FORMAT, **whole, "results": {**results, **changes}}


ONE = {"run": 0, "split": "test", "epoch": 1, "labels": "l", "shape": [2, 7], "probabilities": "p"}
BOMB = packed(bytes(48 << 20))
VERIFY: dict[str, Build] = {
    **{f"block: {name}": page(text.decode("latin-1")) for name, text in JSON.items()},
    "no page": lambda folder: write(folder / "report.html", b"\x89PNG"),
    "bytes": lambda folder: write(folder / "report.html", b"\xff\xfe" * 100),
    "a pipe": lambda folder: os.mkfifo(folder / "report.html") or folder / "report.html",
    "a device": lambda folder: (
        (folder / "report.html").symlink_to("/dev/null") or folder / "report.html"),
    "1 GB of nothing": lambda folder: (
        (write(folder / "report.html", b"<html>") and os.truncate(folder / "report.html", 1 << 30))
        or folder / "report.html"),
    "100,000 open tags": lambda folder: write(folder / "report.html", "<b>" * 100_000),
    "a comment without end": lambda folder: write(folder / "report.html", "<!--" + "-" * 10**5),
    "attributes without end": lambda folder: write(folder / "report.html", "<a " + "b=" * 10**5),
    "entities": lambda folder: write(folder / "report.html", "&lt" * 10**5),
    "an unknown paper": page({**paper(), "paper": "os.system"}),
    "a list for a paper": page({**paper(), "paper": ["yang"]}),
    "an unknown study": page({"page_format": PAGE_FORMAT, "study": "../x", "pictures": {}}),
    "48 MB of zeros for runs": page(paper(runs=BOMB)),
    "48 MB of zeros for numbers": page(paper(
        runs=packed(b"[{}]"), arrays={"l": BOMB, "p": BOMB}, predictions=[ONE])),
    "shapes of 10^12": page(paper(
        runs=packed(b"[{}]"), arrays={"l": "", "p": ""},
        predictions=[{**ONE, "shape": [10**12, 7]}])),
    "shapes of -1": page(paper(
        runs=packed(b"[{}]"), arrays={"l": "", "p": ""}, predictions=[{**ONE, "shape": [-1, 7]}])),
    "no base64": page(paper(runs="\u20ac\u20ac")),
    "a template in a name": page({**paper(), "missing": ["{{ 7 * 7 }}"], "settings": []}),
    "templates for settings": page({**paper(), "settings": "{{ config }}"}),
}  # fmt: skip


def verify(path: Path, out: Path) -> str:
    differences, count = verify_report(path)
    return f"{len(differences)} differences in {count}"


# Weights with a card, converted weights, stored results, a benchmark's report.

CARD: dict[str, Any] = {
    "model": "cnn3", "fields": {}, "classes": ["anger", "fear"], "config": {}, "step": 1,
    "spec": {"storage": [48, 48], "size": 48, "channels": 1, "mean": [0.0], "std": [1.0]},
    "epoch": 1, "start": None, "best": {"accuracy": 1.0}, "training": {"seconds": 1.0},
    "prediction_sets": {"n": 1, "ranks": [1], "scores": [0.5]},
}  # fmt: skip
TENSORS = {"params/head/kernel": np.zeros((2, 2), np.float32)}


def card(tensors: bytes | None = None, **changes: Any) -> Build:
    def build(folder: Path) -> Path:
        data = save(TENSORS) if tensors is None else tensors
        write(folder / "net.safetensors", data)
        # ferjax writes no NaN; others may.
        values = {**json.loads(card_text(CARD, data)), **changes}
        return write(folder / "net.json", json.dumps(values))

    return build


def card_of(text: bytes) -> Build:
    """A card's text after the mark by which it is known."""

    def build(folder: Path) -> Path:
        write(folder / "net.safetensors", save(TENSORS))
        return write(folder / "net.json", b'{"format": "ferjax-recogniser", "a": ' + text)

    return build


def header(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


F8 = header(b'{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}      ', bytes(8))
CARDS: dict[str, Build] = {
    **{f"card: {name}": card_of(text) for name, text in JSON.items()},
    "no tensors": card(b"x"),
    "eight-bit floats": card(F8),
    "other tensors": card(),
    "NaN": card(save({"a": np.float32([np.nan])})),
    "an unknown network": card(model="builtins.eval"),
    "a list for the network": card(model=["cnn3"]),
    "fields of Python": card(fields={"__class__": "x"}),
    "a list for fields": card(fields=[1]),
    "a number of classes": card(classes=5),
    "a million classes": card(classes=["x"] * 10**6),
    "an input of 10^9 pixels": card(spec={**CARD["spec"], "storage": [10**9] * 2, "size": 10**9}),
    "an input of no pixels": card(spec={**CARD["spec"], "size": 0}),
    "a text for the input": card(spec="48"),
    "NaN for the mean": card(spec={**CARD["spec"], "mean": [float("nan")]}),
    "a text for training": card(training="long"),
    "a text for the step": card(step="x"),
}  # fmt: skip


def converted(text: bytes | None = None, tensors: bytes | None = None, **changes: Any) -> Build:
    def build(folder: Path) -> Path:
        values = {
            "format": "ferjax-weights", "version": 1, "name": "x", "model": "resnet18",
            "fields": {}, "num_classes": 2, "source": {}, "notes": [],
            "tensors": {"params/head/kernel": [2, 2]}, "input": CARD["spec"], **changes,
        }  # fmt: skip
        write(folder / "model.json", json.dumps(values) if text is None else text)
        write(folder / "model.safetensors", save(TENSORS) if tensors is None else tensors)
        write_checksums(folder)
        return folder

    return build


CONVERTED: dict[str, Build] = {
    **{f"model.json: {name}": converted(b'{"format": "ferjax-weights", "a": ' + text)
       for name, text in JSON.items()},
    "eight-bit floats": converted(None, F8),
    "no tensors": converted(None, b"x" * 99),
    "a list of tensors": converted(notes=7),
    "a text for the input": converted(input="x"),
    "an input without sides": converted(input={**CARD["spec"], "storage": []}),
    "a number for fields": converted(fields=7),
    "an unknown network": converted(model="os.system"),
}  # fmt: skip


def pretrained(path: Path, out: Path) -> str:
    return f"read {load_pretrained(str(path), 'resnet18', abstract_variables).name}"


def npz(**members: bytes) -> Build:
    def build(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "run.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(f"{name.replace('__', '/')}.npy", data)
        return folder / "run.npz"

    return build


def npy(shape: str, data: bytes, kind: str = "|u1") -> bytes:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def meta(text: bytes) -> bytes:
    return npy(f"({len(text)},)", text)


def pickled_array(folder: Path, makes: Callable[[Path], Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([makes(folder / "MARKER")], object), allow_pickle=True)
    return file.getvalue()


STORED: dict[str, Build] = {
    **{f"meta: {name}": npz(meta=meta(text)) for name, text in JSON.items()},
    "no meta": npz(a=npy("(1,)", b"1")),
    "numbers of 4 TB": npz(meta=meta(b"{}"), test__1__labels=npy("(4398046511104,)", b"")),
    "a negative size": npz(meta=meta(b"{}"), a=npy("(-1,)", b"")),
    "a shape of calls": npz(meta=meta(b"{}"), a=npy("__import__('os')", b"")),
    "a dtype of records": npz(meta=meta(b"{}"), a=npy("(1,)", b"1", "V9999999999")),
    "20,000 arrays": npz(meta=meta(b"{}"), **{f"a{k}": bytes(1) for k in range(20_000)}),
    "no archive": lambda folder: write(folder / "run.npz", b"PK\x03\x04" + bytes(99)),
    "one array": lambda folder: write(folder / "run.npz", npy("(1,)", b"1")),
    "names above the folder": npz(meta=meta(b"{}"), **{"../x": npy("(1,)", b"1")}),
}  # fmt: skip

BENCH: dict[str, Build] = {
    name: file("bench.json", text)
    for name, text in {**JSON, "no rows": b'{"environment": {}, "recognisers": 5}'}.items()
}  # fmt: skip

# ONNX: weights to convert, and detectors; the fields are written by hand.


def varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([digit | 0x80 for digit in digits[:-1]] + digits[-1:])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx(*graph: bytes, name: str = "net.onnx") -> Build:
    model = field(1, 8) + field(2, b"somebody") + field(7, b"".join(graph)) + field(8, field(2, 17))
    return lambda folder: write(folder / name, model)


def tensor(name: bytes = b"w", dims: tuple[int, ...] = (1,), kind: int = 1, *more: bytes) -> bytes:
    body = b"".join(field(1, side) for side in dims) + field(2, kind) + field(8, name)
    return field(5, body + b"".join(more or (field(9, bytes(4)),)))


def nested(depth: int) -> bytes:
    """Nodes whose attribute is a graph of a node whose attribute is a graph, and so on."""
    graph = b""
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph)
        graph = field(1, field(4, b"If") + field(5, attribute))
    return graph


PLACE = field(13, field(1, b"location") + field(2, b"/dev/null")) + field(14, 1)
ONNX: dict[str, Build] = {
    "numbers in a device": onnx(tensor(b"w", (1,), 1, PLACE)),
    "4 TB of numbers": onnx(tensor(b"w", (1 << 40,))),
    "sides whose product overflows": onnx(tensor(b"w", (1 << 62, 1 << 62, 4))),
    "a side of 2^64 - 1": onnx(tensor(b"w", (2**64 - 1,))),
    "texts": onnx(tensor(b"w", (1,), 8)),
    "a dtype of nobody": onnx(tensor(b"w", (1,), 999)),
    "a name of a megabyte": onnx(tensor(b"n" * 10**6)),
    "a name of control characters": onnx(tensor(b"\n\x1b[31m")),
    "a name of bytes": onnx(tensor(b"\xff\xfe")),
    "300 graphs in each other": onnx(nested(300)),
    "20,000 tensors": onnx(*(tensor(b"%d" % k) for k in range(20_000))),
    "20,000 nodes": onnx(*(field(1, field(4, b"Relu")) for _ in range(20_000))),
    "a length beyond the file": lambda folder: write(
        folder / "net.onnx", field(1, 8) + b"\x3a\xff\xff\xff\xff\x7f" + bytes(99)),
    "a number without end": lambda folder: write(
        folder / "net.onnx", field(1, 8) + b"\x42" + b"\xff" * 99),
    "nothing in it": onnx(),
}  # fmt: skip


def convert(path: Path, out: Path) -> str:
    given = {"model": "resnet18", "source": str(path), "out": str(out), "progress": False}
    return f"converted to {run_convert(ConvertConfig(**given)).folder}"


DETECTORS: dict[str, tuple[str, Build]] = {
    f"{kind}: {name}": (kind, build)
    for kind in ("yunet", "centerface")
    for name, build in {
        "a text": lambda folder: write(folder / "net.onnx", b"hello"),
        "empty": lambda folder: write(folder / "net.onnx", b""),
        "another network": onnx(),
        "a folder": lambda folder: folder,
    }.items()
}

# StableHLO, which use_stablehlo.py runs without ferjax.

STABLEHLO: dict[str, bytes] = {
    "empty": b"",
    "a text": b"hello, this is no program",
    "zeros": bytes(4096),
    "0xff": b"\xff" * 4096,
    "a table beyond the file": b"\xff\xff\xff\x7f" + bytes(64),
    "a table before the file": b"\0\0\0\x80" + bytes(64),
    "a pickle": b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.",
    "ONNX": field(1, 8) + field(7, tensor()),
}


def stablehlo(path: Path, out: Path) -> str:
    place = Path(ferjax.__file__).parent / "export" / "usage" / "use_stablehlo.py"
    spec = importlib.util.spec_from_file_location("use_stablehlo", place)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    try:
        shape, _ = script.use(str(path), script.load)
    except SystemExit as end:
        raise UserError(str(end.code)) from None
    return f"faces of {shape}"


def detector(kind: str) -> Callable[[Path, Path], str]:
    return lambda path, out: str(crop_plan(f"{kind}:{path}"))


TABLES: dict[str, tuple[Mapping[str, Any], Callable[[Path, Path], str]]] = {
    "report.html": (VERIFY, verify),
    "model card": (CARDS, lambda path, out: str(load_predictor(path).classes)),
    "converted weights": (CONVERTED, pretrained),
    "npz of results": (STORED, lambda path, out: read_result(path).experiment),
    "bench.json": (BENCH, lambda path, out: str(read_speed(path, path.parent))),
    "ONNX": (ONNX, convert),
    "ONNX detector": (DETECTORS, convert),
    "StableHLO": (
        {name: file("net.stablehlo", data) for name, data in STABLEHLO.items()}, stablehlo),
}  # fmt: skip
CASES = [(kind, name) for kind, (table, _) in TABLES.items() for name in table]


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Imports and traces once what the first file would pay for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERJAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        abstract_variables("resnet18", 1000)
        yield


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{a}: {b}" for a, b in CASES])
def test_giving_a_file(kind: str, name: str, give: Any) -> None:
    table, consume = TABLES[kind]
    build = table[name]
    if kind == "ONNX detector":
        pytest.importorskip("cv2")
        which, build = build
        consume = detector(which)
    if kind == "StableHLO":
        pytest.importorskip("flatbuffers")
    give(kind, build, consume)


def test_an_array_of_objects_is_not_opened(give: Any, makes_folder: Any) -> None:
    def build(folder: Path) -> Path:
        data = pickled_array(folder, makes_folder)
        return npz(meta=meta(b"{}"), test__1__labels=data)(folder)

    give("npz of results", build, lambda path, out: read_result(path).experiment)


def test_a_card_whose_configuration_is_another_programs(tmp_path: Path, give: Any) -> None:
    give(
        "model card", card(config={"epochs": {"a": 1}}), lambda path, out: str(network_config(path))
    )


def test_a_card_in_an_export_that_is_checked(give: Any) -> None:
    """launch.export --weights=CARD reads the card before it writes anything."""
    from ferjax.export.run_export import run_export

    def export(path: Path, out: Path) -> str:
        given = {"weights": str(path), "out": str(out), "format": ("safetensors",)}
        return str(run_export(ExportConfig(**given, progress=False)))

    give("model card", card(step="x"), export)


def test_the_shipped_card_is_read() -> None:
    """Otherwise everything above would be refused for another reason."""
    name = next(iter(SHIPPED))
    assert len(load_predictor(name).classes) == 8
