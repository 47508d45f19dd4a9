"""Weights that somebody sends: pickles, PyTorch, safetensors, Keras, npz and ONNX files."""

import base64
import importlib
import json
import marshal
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.weights import load_pretrained
from ferjax.models.registry import abstract_variables
from ferjax.tools.convert_weights import run_convert

MODEL = "resnet18"
Build = Callable[[Path], Path]


def convert(path: Path, out: Path) -> str:
    given = {"model": MODEL, "source": str(path), "out": str(out), "progress": False}
    return f"converted to {run_convert(ConvertConfig(**given)).folder}"


def pretrained(path: Path, out: Path) -> str:
    """--pretrained=FILE of launch.train."""
    return f"read {load_pretrained(str(path), MODEL, abstract_variables).name}"


def content(name: str, data: bytes) -> Build:
    return lambda folder: write(folder / name, data)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def sparse(name: str, size: int, head: bytes = b"") -> Build:
    """A file that states and has `size` bytes, of which the disk holds the head alone."""

    def build(folder: Path) -> Path:
        path = write(folder / name, head)
        os.truncate(path, size)
        return path

    return build


def pipe(name: str) -> Build:
    def build(folder: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return build


def link(name: str, target: str) -> Build:
    def build(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return build


# Pickles, and archives of PyTorch around them. Each calls a function that makes the folder MARKER.


class Call:
    """Pickles to the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def text_of(marker: Path) -> str:
    return f"__import__('os').mkdir({str(marker)!r})"


def made_by_a_formatter(marker: Path) -> dict[str, Any]:
    """Settings of logging whose formatter is what os.makedirs returns."""
    formatter = {"()": "os.makedirs", "name": str(marker)}
    return {"version": 1, "disable_existing_loggers": False, "formatters": {"a": formatter}}


def script(marker: Path) -> str:
    path = marker.with_name("script.py")
    path.write_text(text_of(marker))
    return str(path)


def array_of_objects(marker: Path) -> str:
    path = marker.with_name("objects.npy")
    path.write_bytes(npy("'|O'", "()", call("posix mkdir", marker)))
    return str(path)


def inner_pickle(marker: Path) -> str:
    path = marker.with_name("inner.pth")
    path.write_bytes(call("posix mkdir", marker))
    return str(path)


# Function → its arguments, with which it makes the folder.
GLOBALS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "os system": lambda marker: (f"mkdir '{marker}'",),
    "posix mkdir": lambda marker: (str(marker),),
    "builtins eval": lambda marker: (text_of(marker),),
    "subprocess call": lambda marker: (["mkdir", str(marker)],),
    "builtins exec": lambda marker: (text_of(marker),),
    "os spawnlp": lambda marker: (os.P_WAIT, "mkdir", "mkdir", str(marker)),
    "shutil copytree": lambda marker: (str(marker.parent), str(marker)),
    "runpy run_path": lambda marker: (script(marker),),
    "timeit timeit": lambda marker: ("pass", text_of(marker)),
    "tempfile mkdtemp": lambda marker: ("", marker.name, str(marker.parent)),
    "logging.config dictConfig": lambda marker: (made_by_a_formatter(marker),),
    "torch load": lambda marker: (
        inner_pickle(marker), None, Call(importlib.import_module, "pickle")),
    "numpy load": lambda marker: (array_of_objects(marker), None, True),
}  # fmt: skip


def call(name: str, marker: Path) -> bytes:
    """A pickle that calls a function of `GLOBALS`, and makes the folder MARKER by that."""
    module, function = name.split()
    # Without the two bytes before and the one after what is pickled.
    arguments = pickle.dumps(GLOBALS[name](marker), 2)[2:-1]
    return b"\x80\x02c%s\n%s\n%sR." % (module.encode(), function.encode(), arguments)


def pickled_call(name: str) -> Build:
    return lambda folder: write(folder / "weights.pkl", call(name, folder / "MARKER"))


def legacy(name: str) -> Build:
    """The five pickles of torch.save without an archive; the fourth is the content."""

    def build(folder: Path) -> Path:
        machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        head = (pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, machine))
        pickles = *head, call(name, folder / "MARKER"), pickle.dumps([], 2)
        return write(folder / "weights.pth", b"".join(pickles))

    return build


def torch_zip(name: str, pickled: Callable[[Path], bytes], **members: bytes) -> Build:
    """The archive of torch.save around any pickle."""

    def build(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("archive/data.pkl", pickled(folder))
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
            for member, data in members.items():
                archive.writestr(f"archive/data/{member}", data)
        return folder / name

    return build


def tensor_pickle(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """The state dict {'w': tensor} of four floats in storage 0, with a stated size and stride."""

    def tuple_of(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in numbers) + b"t"

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    storage += b"K\x04tQ"
    ordered = b"ccollections\nOrderedDict\n)R"
    arguments = b"(" + storage + b"J" + struct.pack("<i", offset) + tuple_of(size)
    arguments += tuple_of(stride) + b"\x89" + ordered + b"t"
    return b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    return b"\x80\x02" + opening * depth + closing * depth + b"."


def shared_lists(levels: int) -> bytes:
    """A list of ten times the same list of ten times the same list, and so on."""
    inner = b"]q\x00" + b"(" + b"h\x00" * 0 + b"e"
    for level in range(1, levels):
        inner = b"]q" + bytes([level]) + b"(" + inner + b"h%c" % (level - 1) * 9 + b"e"
    return b"\x80\x02}X\x01\x00\x00\x00w" + inner + b"s."


FOUR = np.ones(4, "<f4").tobytes()
PICKLES: dict[str, Build] = {
    **{f"{name} in a pickle": pickled_call(name) for name in [*GLOBALS][:4]},
    "protocol 0": lambda folder: write(
        folder / "weights.pkl", f"cos\nmkdir\n(V{folder}/MARKER\ntR.".encode()),
    "protocol 5": content("weights.bin", pickle.dumps({"w": [1.0]}, protocol=5)),
    "not ended": content("weights.pth", b"\x80\x02}q\x00"),
    "a memo that is not there": content("weights.pth", b"\x80\x02h\xff."),
    "a length of 2 GB": content("weights.pth", b"\x80\x02X\xff\xff\xff\x7f"),
}  # fmt: skip
TORCH: dict[str, Build] = {
    **{
        f"{name} in an archive": torch_zip(
            "weights.pth", lambda folder, name=name: call(name, folder / "MARKER"))
        for name in GLOBALS
    },
    **{f"{name} in a file without archive": legacy(name) for name in GLOBALS},
    "strides over one number": torch_zip(
        "weights.pth", lambda _: tensor_pickle((1 << 20, 1 << 20), (0, 0)), **{"0": FOUR}),
    "a size beyond the storage": torch_zip(
        "weights.pth", lambda _: tensor_pickle((1 << 40,), (1,)), **{"0": FOUR}),
    "a negative size": torch_zip(
        "weights.pth", lambda _: tensor_pickle((-4,), (1,)), **{"0": FOUR}),
    "a negative offset": torch_zip(
        "weights.pth", lambda _: tensor_pickle((4,), (1,), -4), **{"0": FOUR}),
    "an offset beyond the storage": torch_zip(
        "weights.pth", lambda _: tensor_pickle((4,), (1,), 1 << 30), **{"0": FOUR}),
    "no storage": torch_zip("weights.pth", lambda _: tensor_pickle((4,), (1,))),
    "lists in lists": torch_zip("weights.pth", lambda _: nested(50_000, b"](", b"e")),
    "lists of the same lists": torch_zip("weights.pth", lambda _: shared_lists(9)),
    "a number for a network": torch_zip("weights.pth", lambda _: b"\x80\x02K\x05."),
    "a text for a network": torch_zip("weights.pth", lambda _: pickle.dumps("x" * 10**6, 2)),
    "100,000 names": torch_zip(
        "weights.pth", lambda _: pickle.dumps({f"{k}": k for k in range(100_000)}, 2)),
    "a name of a million letters": torch_zip(
        "weights.pth", lambda _: pickle.dumps({"n" * 10**6: 1, "epoch": 2}, 2)),
    "an object and a memo of 25 million places": torch_zip(
        "weights.pth", lambda _: b"\x80\x02}cargparse\nNamespace\n)\x81r\x40\x78\x7d\x010."),
    "an empty pickle": torch_zip("weights.pth", lambda _: b""),
    "two pickles": torch_zip("weights.pth", lambda _: pickle.dumps({}, 2) * 2),
}  # fmt: skip


def zipped(name: str, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Build:
    def build(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w", method) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return folder / name

    return build


def many_members(count: int) -> Build:
    return zipped(
        "weights.pth", {f"archive/data/{k}": b"" for k in range(count)}, zipfile.ZIP_STORED
    )


def torn_directory(folder: Path) -> Path:
    path = zipped("weights.pth", {"archive/data.pkl": b"\x80\x02}."})(folder)
    data = bytearray(path.read_bytes())
    data[-10:-6] = b"\xff\xff\xff\x7f"  # where the archive's list of members begins
    return write(path, bytes(data))


ZEROS = bytes(48 << 20)
ARCHIVES: dict[str, Build] = {
    "a small archive of 48 MB of zeros": lambda folder: zipped(
        "weights.keras", {"config.json": b"{}", "model.weights.h5": ZEROS})(folder),
    "a pickle of 48 MB of zeros": lambda folder: zipped(
        "weights.pth", {"archive/data.pkl": ZEROS, "archive/version": b"3"})(folder),
    "20,000 members": many_members(20_000),
    "members above the folder": zipped("weights.pth", {"../../data.pkl": b"\x80\x02}."}),
    "an absolute member": zipped("weights.keras", {"/tmp/model.weights.h5": b"x"}),
    "a list of members elsewhere": torn_directory,
    "encrypted": lambda folder: write(
        zipped("weights.keras", {"model.weights.h5": b"x"})(folder),
        (folder / "weights.keras").read_bytes().replace(b"PK\x01\x02\x14\x03\x14\x00\x00",
                                                        b"PK\x01\x02\x14\x03\x14\x00\x01")),
    "TorchScript": zipped("weights.pt", {"a/constants.pkl": b"", "a/code/net.py": b"import os"}),
    "nothing but its end": content("weights.pth", b"PK\x03\x04" + bytes(100)),
}  # fmt: skip


# Safetensors: the length of a header, the header, the numbers.


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> Build:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    size = len(text) if length is None else length
    return content("weights.safetensors", struct.pack("<Q", size) + text + data)


def entry(dtype: str = "F32", shape: Sequence[int] = (4,), offsets: Sequence[int] = (0, 16)) -> Any:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def many(count: int) -> Any:
    return {f"layer{k}.weight": entry(shape=(0,), offsets=(0, 0)) for k in range(count)}


SAFETENSORS: dict[str, Build] = {
    "100,000 entries": safetensors(many(100_000)),
    "15,000 entries": safetensors(many(15_000)),
    "entries that share their bytes": safetensors({"a": entry(), "b": entry()}, FOUR),
    "entries that overlap": safetensors({"a": entry(), "b": entry(offsets=(8, 24))}, FOUR + FOUR),
    "bytes that no entry covers": safetensors({"a": entry()}, FOUR + FOUR),
    "a hole between entries": safetensors(
        {"a": entry(), "b": entry(offsets=(32, 48))}, bytes(48)),
    "bytes beyond the file": safetensors(
        {"a": entry(shape=(1 << 40,), offsets=(0, 4 << 40))}, FOUR),
    "offsets turned round": safetensors({"a": entry(offsets=(16, 0))}, FOUR),
    "a negative side": safetensors({"a": entry(shape=(-4,))}, FOUR),
    "sides whose product overflows": safetensors(
        {"a": entry(shape=(1 << 33, 1 << 33), offsets=(0, 16))}, FOUR),
    "100,000 sides of one": safetensors(
        {"a": entry(shape=(1,) * 100_000, offsets=(0, 4))}, FOUR[:4]),
    "an unknown dtype": safetensors({"a": entry(dtype="F4096")}, FOUR),
    "eight-bit floats": safetensors({"a": entry(dtype="F8_E4M3", shape=(16,))}, FOUR),
    "a header longer than the file": safetensors({"a": entry()}, FOUR, length=1 << 20),
    "a header of 2^64 bytes": safetensors({"a": entry()}, FOUR, length=2**64 - 1),
    "a header of no bytes": safetensors({}, FOUR, length=0),
    "no JSON": safetensors(b"{" * 64, FOUR),
    "deep JSON": safetensors(b'{"__metadata__":' + b"{" * 50_000, FOUR),
    "a list for a header": safetensors(b"[1, 2]  ", FOUR),
    "a name twice": safetensors(
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
        b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', FOUR),
    "a name of a million letters": safetensors({"n" * 10**6: entry()}, FOUR),
    "names of line ends and colours": safetensors({"\n\x1b[31mred\x00": entry()}, FOUR),
    "numbers for metadata": safetensors({"__metadata__": {"format": 1}, "a": entry()}, FOUR),
    "a megabyte of metadata": safetensors(
        {"__metadata__": {"architecture": "x" * 10**6}, "a": entry()}, FOUR),
    "not UTF-8": safetensors(b'{"\xff\xfe":1}', FOUR),
    "nothing inside": safetensors({}),
    "128 MB of nothing": sparse(
        "weights.safetensors", 128 << 20, struct.pack("<Q", 8) + b"{}      "),
}  # fmt: skip


def config_beside(text: bytes) -> Build:
    def build(folder: Path) -> Path:
        (folder / "config.json").write_bytes(text)
        return safetensors({"a": entry()}, FOUR)(folder)

    return build


CONFIGS: dict[str, Build] = {
    "deep JSON beside it": config_beside(b"[" * 100_000),
    "a long number beside it": config_beside(b'{"width": ' + b"9" * 5000 + b"}"),
    "bytes beside it": config_beside(b"\xff\xfe\x00"),
    "a list beside it": config_beside(b'{"architecture": ["a"], "architectures": 3}'),
}

# Other files.

OTHERS: dict[str, Build] = {
    "a pipe": pipe("weights.pth"),
    "a device": link("weights.pth", "/dev/null"),
    "a link to itself": link("weights.pth", "weights.pth"),
    "a page": content("weights.pth", b"<!DOCTYPE html><script>x</script>"),
    "a megabyte of lines": content("weights.pth", b"\n" * 10**6),
    "gzip": content("weights.pth", b"\x1f\x8b" + bytes(100)),
}

# npz and npy.


def npz(name: str, **members: bytes) -> Build:
    return zipped(name, {f"{key}.npy": data for key, data in members.items()})


def npy(descr: str, shape: str, data: bytes = FOUR) -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def npy_of_objects(folder: Path) -> bytes:
    return npy("'|O'", "()", call("posix mkdir", folder / "MARKER"))


NUMPY: dict[str, Build] = {
    "an array": content("weights.npy", npy("'<f4'", "(4,)")),
    "arrays": npz("weights.npz", a=npy("'<f4'", "(4,)")),
    "an array of objects": lambda folder: write(folder / "weights.npy", npy_of_objects(folder)),
    "an array of objects in an archive": lambda folder: npz(
        "weights.npz", a=npy_of_objects(folder)
    )(folder),
    "objects under the name of PyTorch": lambda folder: npz(
        "weights.pth", a=npy_of_objects(folder)
    )(folder),
    "an array of 4 TB": npz("weights.npz", a=npy("'<f4'", "(1099511627776,)")),
    "arrays under the name of PyTorch": npz("weights.pth", a=npy("'<f4'", "(4,)")),
}


# Keras: HDF5, and archives around it.


def hdf5(name: str, fill: Callable[[Any], object]) -> Build:
    """A file that h5py writes; `fill` makes what is in it."""

    def build(folder: Path) -> Path:
        h5py = pytest.importorskip("h5py")
        with h5py.File(folder / name, "w") as file:
            fill(file)
        return folder / name

    return build


def layer(file: Any, name: Any = "dense", **dataset: Any) -> Any:
    """Adds a layer of Keras 3; its array is four ones, or what the options of h5py say."""
    group = file.create_group("layers/dense_0/vars")
    group.attrs["name"] = name
    return group.create_dataset("0", **({"data": np.ones(4, "f4")} | dataset))


def older(file: Any, layers: Any, weights: Any = ("kernel",)) -> None:
    file.attrs["layer_names"] = layers
    group = file.create_group("dense")
    group.attrs["weight_names"] = weights
    group["kernel"] = np.ones(4, "f4")


def linked(file: Any) -> None:
    import h5py

    file["layers"] = h5py.ExternalLink("/dev/null", "/layers")


def soft(file: Any) -> None:
    import h5py

    file["layers"] = h5py.SoftLink("/layers")


def virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "a", (4,))
    group = file.create_group("layers/dense_0/vars")
    group.attrs["name"] = "dense"
    group.create_virtual_dataset("0", layout)


def cycle(file: Any) -> None:
    group = file.create_group("layers/a")
    group["up"] = file["layers"]
    layer(file)


def normalised(file: Any) -> None:
    layer(file, "normalization", data=None, shape=(1 << 34,), dtype="f4", chunks=(1024,))


def many_layers(file: Any) -> None:
    group = file.create_group("layers")
    for k in range(12_000):
        group.create_group(f"dense_{k}").create_dataset("vars/0", shape=(0,), dtype="f4")


def lambda_layer(marker: Path) -> bytes:
    """The description of a network with a layer of Python's own code, which makes a folder."""
    code = base64.b64encode(marshal.dumps(compile(text_of(marker), "lambda", "eval"))).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None}}
    layer = {"class_name": "Lambda", "config": {"name": "lambda", "function": function}}
    return json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}).encode()


ONES = {"shape": (1 << 40,), "dtype": "f4", "chunks": (1024,), "data": None}
H5: dict[str, Build] = {
    "4 TB of one chunk": hdf5("weights.h5", lambda file: layer(file, **ONES)),
    "4 TB in a layer that is read": hdf5("weights.h5", normalised),
    "a link to a device": hdf5("weights.h5", linked),
    "a link to itself": hdf5("weights.h5", soft),
    "numbers in another file": hdf5("weights.h5", lambda file: layer(
        file, data=None, shape=(4,), dtype="f4", external=[("/etc/hostname", 0, 16)])),
    "numbers of another network": hdf5("weights.h5", virtual),
    "a group in itself": hdf5("weights.h5", cycle),
    "12,000 layers": hdf5("weights.h5", many_layers),
    "a number for a name": hdf5("weights.h5", lambda file: layer(file, 5)),
    "a list for a name": hdf5("weights.h5", lambda file: layer(file, [1.5, 2.5])),
    "bytes for a name": hdf5("weights.h5", lambda file: layer(file, np.bytes_(b"\xff\xfe"))),
    "texts for numbers": hdf5("weights.h5", lambda file: layer(file, data=["a", "b"])),
    "Python's names": hdf5("weights.h5", lambda file: layer(file, "__import__('os')")),
    "names of layers that are not there": hdf5("weights.h5", lambda file: older(file, [b"lost"])),
    "numbers for layers": hdf5("weights.h5", lambda file: older(file, [1, 2])),
    "one number for layers": hdf5("weights.h5", lambda file: older(file, 7)),
    "weights above their layer": hdf5("weights.h5", lambda file: older(
        file, [b"dense"], [b"../../dense/kernel"])),
    "a name of 60,000 letters": hdf5("weights.h5", lambda file: layer(file, "n" * 60_000)),
    "a header alone": content("weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(1000)),
    "a header and 0xff": content("weights.h5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 1000),
}  # fmt: skip
KERAS: dict[str, Build] = {
    "48 MB of zeros": ARCHIVES.pop("a small archive of 48 MB of zeros"),
    "an absolute member": ARCHIVES.pop("an absolute member"),
    "encrypted": ARCHIVES.pop("encrypted"),
    "a text for weights": zipped("weights.keras", {"model.weights.h5": b"x" * 1000}),
    "a lambda layer and no weights": lambda folder: zipped("weights.keras", {
        "config.json": lambda_layer(folder / "MARKER"),
        "model.weights.h5": b"\x89HDF\r\n\x1a\n"})(folder),
    "damaged compression": lambda folder: write(
        zipped("weights.keras", {"model.weights.h5": bytes(range(256)) * 99})(folder),
        (folder / "weights.keras").read_bytes().replace(bytes(range(40, 60)), b"\xff" * 20)),
}  # fmt: skip
TABLES = {
    "pickle": PICKLES,
    "pth": {**TORCH, **ARCHIVES},
    "safetensors": {**SAFETENSORS, **CONFIGS},
    "h5": H5,
    "keras": KERAS,
    "npz": NUMPY,
    "other weights": OTHERS,
}
NEEDED = {"pickle": "torch", "pth": "torch", "h5": "h5py", "keras": "h5py"}
# Files that take seconds to make.
SLOW = {"12,000 layers"}
CASES = [
    pytest.param(kind, name, id=f"{kind}: {name}", marks=[pytest.mark.slow] * (name in SLOW))
    for kind, table in TABLES.items()
    for name in table
]


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Imports and traces once what the first file would pay for."""
    pytest.MonkeyPatch().setenv("FERJAX_CACHE", str(tmp_path_factory.mktemp("cache")))
    abstract_variables(MODEL, 1000)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_converting(kind: str, name: str, give: Any) -> None:
    if kind in NEEDED:
        pytest.importorskip(NEEDED[kind])
    give(kind, TABLES[kind][name], convert)


OPENED = """
import pickle, sys
for path in sys.argv[1:]:
    try:
        pickle.loads(open(path, "rb").read())
    except Exception as error:
        print(path, type(error).__name__, error)
"""


def test_each_pickle_makes_its_folder_where_it_is_opened(tmp_path: Path) -> None:
    """Otherwise no folder would say nothing about what ferjax does."""
    names = [name for name in GLOBALS if name != "torch load" or find_spec("torch")]
    folders = [tmp_path / str(k) for k in range(len(names))]
    for folder in folders:
        folder.mkdir()
    paths = [pickled_call(name)(folder) for name, folder in zip(names, folders, strict=True)]
    command = [sys.executable, "-c", OPENED, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {name: sorted(f.glob("MARKER*")) for name, f in zip(names, folders, strict=True)}
    assert all(found.values()), (found, done.stdout, done.stderr)
    protocol_0 = PICKLES["protocol 0"](tmp_path).read_bytes()
    pickle.loads(protocol_0)
    assert (tmp_path / "MARKER").is_dir()
