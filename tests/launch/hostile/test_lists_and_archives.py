"""Lists, tables, archives and videos that somebody sends, given to the commands that read them."""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ferjax.config.predict_and_export import PredictConfig
from ferjax.evaluation.comparison.read_predictions import read_predictions
from ferjax.live.run_video import predict_video

Build = Callable[[Path], Path]
Consume = Callable[[Path, Path], str]
SIDE = 32


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 128).save(file, "PNG")
    return file.getvalue()


def listed(name: str, data: bytes | str, size: int = 0) -> Build:
    """A list beside four faces; with `size` it goes on as nothing up to that many bytes."""

    def build(folder: Path) -> Path:
        for k in range(4):
            write(folder / f"{k}.png", picture())
        path = write(folder / name, data)
        if size:
            os.truncate(path, size)
        return path

    return build


# Lists of images: csv and jsonl.

HEAD = "path,label\n0.png,happy\n1.png,sad\n2.png,happy\n"
CSV: dict[str, Build] = {
    "empty": listed("a.csv", ""),
    "a header alone": listed("a.csv", "path,label\n"),
    "a quote without end": listed("a.csv", HEAD + '"3.png,sad\n' + "x" * 10**6),
    "a field of a megabyte": listed("a.csv", HEAD + "x" * 10**6 + ",sad\n"),
    "a line of 8 MB": listed("a.csv", HEAD + "x" * (8 << 20)),
    "1 GB of nothing": listed("a.csv", "", 1 << 30),
    "1 GB of nothing after a header": listed("a.csv", HEAD, 1 << 30),
    "a hundred thousand columns": listed("a.csv", "path,label" + ",x" * 100_000 + "\n"),
    "a row of other length": listed("a.csv", HEAD + "3.png,sad,1\n"),
    "a path above the folder": listed("a.csv", HEAD + "../../../lost.png,sad\n"),
    "a web address": listed("a.csv", HEAD + "https://example.org/3.png,sad\n"),
    "a path on another computer": listed("a.csv", HEAD + "C:\\faces\\3.png,sad\n"),
    "a name of zeros": listed("a.csv", HEAD + "3\0.png,sad\n"),
    "a name of a line end": listed("a.csv", HEAD + '"3\n.png",sad\n'),
    "a name of 10,000 letters": listed("a.csv", HEAD + "n" * 10_000 + ".png,sad\n"),
    "an unknown split": listed("a.csv", "path,label,split\n0.png,happy,../train\n"),
    "an image twice": listed("a.csv", HEAD + "0.png,sad\n"),
    "UTF-16": listed("a.csv", HEAD.encode("utf-16")),
    "bytes": listed("a.csv", bytes(range(128, 256)) * 100),
    "two columns of one name": listed("a.csv", "path,path,label\n0.png,0.png,sad\n"),
    "every image its own class": listed("a.csv", "path,label\n0.png,a\n"),
}
JSONL: dict[str, Build] = {
    "empty": listed("a.jsonl", ""),
    "deep": listed("a.jsonl", "[" * 100_000),
    "deep objects": listed("a.jsonl", '{"path":' * 50_000),
    "a long number": listed("a.jsonl", '{"path": "0.png", "label": ' + "9" * 5000 + "}"),
    "a list": listed("a.jsonl", "[1]\n"),
    "an object for a path": listed("a.jsonl", '{"path": {"a": 1}, "label": "sad"}\n'),
    "a list for a label": listed("a.jsonl", '{"path": "0.png", "label": ["sad"]}\n'),
    "nothing for a path": listed("a.jsonl", '{"path": null, "label": "sad"}\n'),
    "a path of zeros": listed("a.jsonl", '{"path": "0\\u0000.png", "label": "sad"}\n'),
    "half a surrogate": listed("a.jsonl", '{"path": "\\ud800.png", "label": "sad"}\n'),
    "a line of 8 MB": listed("a.jsonl", '{"path": "' + "x" * (8 << 20)),
    "1 GB of nothing": listed("a.jsonl", "", 1 << 30),
    "bytes": listed("a.jsonl", b"\xff\xfe\xfd\n"),
    "no label anywhere": listed("a.jsonl", '{"path": "0.png"}\n'),
}

# Tables of pixels, and of votes, of other data sets.

ROW = " ".join(["7"] * 2304)
PIXELS_HEAD = "emotion,pixels,Usage\n"


def pixels(text: bytes | str, name: str = "fer2013.csv", size: int = 0) -> Build:
    return listed(name, text, size)


PIXELS: dict[str, Build] = {
    "empty": pixels(""),
    "a header alone": pixels(PIXELS_HEAD),
    "an emotion of a thousand digits": pixels(f"{PIXELS_HEAD}{'9' * 1000},{ROW},Training\n"),
    "a negative emotion": pixels(f"{PIXELS_HEAD}-1,{ROW},Training\n"),
    "a formula": pixels(f"{PIXELS_HEAD}=1+1,{ROW},Training\n"),
    "a pixel of a hundred digits": pixels(f"{PIXELS_HEAD}0,{'9' * 100} {ROW[2:]},Training\n"),
    "a negative pixel": pixels(f"{PIXELS_HEAD}0,-1 {ROW[2:]},Training\n"),
    "a pixel that is none": pixels(f"{PIXELS_HEAD}0,nan {ROW[2:]},Training\n"),
    "a hundred thousand pixels": pixels(f"{PIXELS_HEAD}0,{'7 ' * 60_000},Training\n"),
    "a megabyte of pixels": pixels(f"{PIXELS_HEAD}0,{'7 ' * 600_000},Training\n"),
    "an unknown usage": pixels(f"{PIXELS_HEAD}0,{ROW},<b>x</b>\n"),
    "1 GB of nothing": pixels(PIXELS_HEAD, size=1 << 30),
    "bytes": pixels(bytes(range(128, 256))),
    "a quote without end": pixels(f'{PIXELS_HEAD}0,"{ROW}'),
}


def voted(text: bytes | str, size: int = 0) -> Build:
    def build(folder: Path) -> Path:
        write(folder / "fer2013.csv", f"{PIXELS_HEAD}0,{ROW},Training\n")
        path = write(folder / "fer2013new.csv", text)
        if size:
            os.truncate(path, size)
        return folder

    return build


VOTES_HEAD = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)
VOTES: dict[str, Build] = {
    "empty": voted(""),
    "a header alone": voted(VOTES_HEAD),
    "a vote of a thousand digits": voted(f"{VOTES_HEAD}Training,a.png,{'9' * 1000}{',0' * 9}\n"),
    "negative votes": voted(f"{VOTES_HEAD}Training,a.png,-5{',0' * 9}\n"),
    "a text for a vote": voted(f"{VOTES_HEAD}Training,a.png,x{',0' * 9}\n"),
    "a row too many": voted(f"{VOTES_HEAD}" + f"Training,a.png,9{',0' * 9}\n" * 2),
    "1 GB of nothing": voted(VOTES_HEAD, 1 << 30),
}


def beside(name: str, data: bytes | str, size: int = 0) -> Build:
    """Class folders with a text file beside them."""

    def build(folder: Path) -> Path:
        for k in range(8):
            write(folder / ("1", "2")[k % 2] / f"{k}.png", picture())
        if name != "classes.txt":
            write(folder / "classes.txt", "1 happy\n2 sad\n")
        path = write(folder / name, data)
        if size:
            os.truncate(path, size)
        return folder

    return build


def pipe_beside(name: str) -> Build:
    def build(folder: Path) -> Path:
        beside("notes.txt", "")(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
        os.mkfifo(folder / name)
        return folder

    return build


def linked_beside(name: str, target: str) -> Build:
    def build(folder: Path) -> Path:
        beside("notes.txt", "")(folder)
        (folder / name).symlink_to(target)
        return folder

    return build


TEXTS: dict[str, Build] = {
    "classes: bytes": beside("classes.txt", b"\xff\xfe\0"),
    "classes: 1 GB of nothing": beside("classes.txt", "", 1 << 30),
    "classes: one twice": beside("classes.txt", "1 happy\n1 sad\n"),
    "classes: a number of a thousand digits": beside("classes.txt", f"{'1' * 1000} happy\n"),
    "exclude: bytes": beside("exclude.txt", b"\xff\xfe\0"),
    "exclude: 1 GB of nothing": beside("exclude.txt", "", 1 << 30),
    "exclude: a path above": beside("exclude.txt", "../../etc/hostname\n"),
    "exclude: 20,000 lines of no image": beside("exclude.txt", "0.png\n" * 20_000 + "x\n"),
    "a pipe for a picture": pipe_beside("1/pipe.png"),
    "a pipe for classes": pipe_beside("classes.txt"),
    "a device for a picture": linked_beside("1/zero.png", "/dev/null"),
    "a link to nothing": linked_beside("1/lost.png", "lost"),
    "a link to the folder above": linked_beside("1/up", ".."),
}

# Tables of predictions, which launch.compare reads.

PREDICTED = "file,label,predicted,anger,fear\n"


def predictions(text: bytes | str, size: int = 0) -> Build:
    return listed("predictions_test.csv", text, size)


PREDICTIONS: dict[str, Build] = {
    "empty": predictions(""),
    "other columns": predictions("a,b\n1,2\n"),
    "NaN": predictions(f"{PREDICTED}a,anger,anger,nan,nan\n"),
    "infinity": predictions(f"{PREDICTED}a,anger,anger,inf,0\n"),
    "negative": predictions(f"{PREDICTED}a,anger,anger,2,-1\n"),
    "an unknown class": predictions(f"{PREDICTED}a,=1+1,anger,1,0\n"),
    "an image twice": predictions(f"{PREDICTED}a,anger,anger,1,0\na,fear,anger,1,0\n"),
    "another prediction": predictions(f"{PREDICTED}a,anger,fear,1,0\n"),
    "a short row": predictions(f"{PREDICTED}a,anger\n"),
    "1 GB of nothing": predictions(PREDICTED, 1 << 30),
    "a field of a megabyte": predictions(PREDICTED + "x" * 10**6),
}

# Archives.

PNG = picture()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Build:
    def build(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "faces.zip", "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return folder / "faces.zip"

    return build


def changed_zip(before: bytes, after: bytes, count: int = -1) -> Build:
    def build(folder: Path) -> Path:
        path = zipped({"good.png": PNG, "hostile.png": PNG}, zipfile.ZIP_STORED)(folder)
        data = path.read_bytes()
        assert before in data
        return write(path, data.replace(before, after, count))

    return build


def overlapping(folder: Path) -> Path:
    """Five hundred members that share the 8 MB of one, which states 4 GB altogether."""
    path = zipped({"hostile.png": bytes(8 << 20)})(folder)
    data = path.read_bytes()
    begin = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[begin:end]
    entries = b"".join(entry.replace(b"hostile", b"h%06d" % k) for k in range(500))
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 500, 500, len(entries), begin, 0)
    return write(path, data[:begin] + entries + tail)


def taped(name: str, *members: tuple[str, dict[str, Any], bytes]) -> Build:
    def build(folder: Path) -> Path:
        with tarfile.open(folder / name, "w") as archive:
            for member, facts, data in members:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                for key, value in facts.items():
                    setattr(info, key, value)
                archive.addfile(info, io.BytesIO(data))
        return folder / name

    return build


def raw(name: str, data: bytes) -> Build:
    return lambda folder: write(folder / name, data)


GOOD = ("good.png", {}, PNG)


def states(size: int) -> bytes:
    """The header of a tar member of a stated size, and nothing of it."""
    info = tarfile.TarInfo("hostile.png")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


ZIP: dict[str, tuple[Build, str]] = {
    "no archive": (raw("faces.zip", b"PK\x03\x04" + bytes(99)), "refused"),
    "empty": (raw("faces.zip", b""), "refused"),
    "no members": (zipped({}), "refused"),
    "500 members in the bytes of one": (overlapping, "refused"),
    "a list of members elsewhere": (
        changed_zip(b"PK\5\6\0\0\0\0\2\0\2\0", b"PK\5\6\0\0\0\0\xff\xff\xff\xff"), "good.png,"),
    "members above the folder": (
        zipped({"good.png": PNG, "../../hostile.png": b"x"}), "hostile.png,"),
    "an absolute member": (zipped({"good.png": PNG, "/tmp/hostile.png": b"x"}), "hostile.png,"),
    "an archive in it": (zipped({"good.png": PNG, "hostile.zip": b"PK"}), "hostile.zip"),
    "48 MB of zeros": (zipped({"good.png": PNG, "hostile.png": bytes(48 << 20)}), "hostile.png,"),
    "encrypted": (
        changed_zip(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"),
        "unreadable"),
    "a compression of nobody": (
        changed_zip(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0"),
        "unreadable"),
    "a wrong checksum": (changed_zip(PNG, PNG[:40] + b"\xff" + PNG[41:], 1), "good.png,"),
    "a name of control characters": (
        zipped({"good.png": PNG, "\x1b[31mhostile\n.png": PNG}), "hostile"),
    "a member twice": (zipped({"good.png": PNG, "./good.png": b"hostile"}), "good.png,"),
}  # fmt: skip
TAR: dict[str, tuple[Build, str]] = {
    "no archive": (raw("faces.tar", b"x" * 1024), "refused"),
    "empty": (raw("faces.tar.gz", b""), "refused"),
    "half a gzip": (raw("faces.tar.gz", gzip.compress(PNG)[:-9]), "refused"),
    "half a bzip2": (raw("faces.tar.bz2", bz2.compress(PNG)[:-9]), "refused"),
    "half an xz": (raw("faces.tar.xz", lzma.compress(PNG)[:-9]), "refused"),
    "a link to a file elsewhere": (
        taped("faces.tar", GOOD, ("hostile.png", {"type": tarfile.SYMTYPE,
              "linkname": "/etc/hostname"}, b"")), "good.png"),
    "a hard link above": (
        taped("faces.tar", GOOD, ("hostile.png", {"type": tarfile.LNKTYPE,
              "linkname": "../../x"}, b"")), "good.png"),
    "a device": (
        taped("faces.tar", GOOD, ("hostile.png", {"type": tarfile.CHRTYPE}, b"")), "good.png"),
    "a pipe": (
        taped("faces.tar", GOOD, ("hostile.png", {"type": tarfile.FIFOTYPE}, b"")), "good.png"),
    "a link to itself": (
        taped("faces.tar", GOOD, ("hostile.png", {"type": tarfile.SYMTYPE,
              "linkname": "hostile.png"}, b"")), "good.png"),
    "a member above the folder": (
        taped("faces.tar", GOOD, ("../../hostile.png", {}, b"x")), "hostile.png,"),
    "an absolute member": (taped("faces.tar", GOOD, ("/hostile.png", {}, b"x")), "hostile.png,"),
    "a stated terabyte": (raw("faces.tar.gz", gzip.compress(states(1 << 40))), "refused"),
    "a stated gigabyte of 1 MB": (
        raw("faces.tar.gz", gzip.compress(states(3 << 29) + bytes(1 << 20))), "refused"),
    "a header of 0xff": (raw("faces.tar", b"\xff" * 1024), "refused"),
    "extended headers without end": (
        raw("faces.tar", tarfile.TarInfo("x").tobuf().replace(b"0\0" + bytes(100), b"x\0" + bytes(
            100), 1) * 400), "refused"),
}  # fmt: skip

# Videos.

HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"
VIDEOS: dict[str, bytes] = {
    "empty": b"",
    "a text": b"hello",
    "a list of files": b"ffconcat version 1.0\nfile other.mp4\n",
    "a list of addresses": HLS,
    "a session of a network": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "a pattern of pictures": PNG,
    "a box of 2^63 bytes": b"\0\0\0\1ftyp" + struct.pack(">Q", 2**63 - 1) + bytes(64),
    "a box of no bytes": b"\0\0\0\x08ftyp" * 1000,
    "boxes in boxes": b"\0\0\0\x20ftypisom" + bytes(20) + (b"\0\0\xff\xffmoov") * 1000,
    "matroska alone": b"\x1a\x45\xdf\xa3" + bytes(64),
    "matroska of 2^56 bytes": b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 64,
    "avi of 4 GB": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\x7fhdrl" + bytes(64),
    "sound without an end": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(99),
    "a gif of 65,535 a side": b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b";",
}


def video(path: Path, out: Path) -> str:
    out.mkdir()
    return predict_video(PredictConfig(out=str(out / "v.csv"), progress=False), [str(path)])


# A text names the data set whose reader gets the file; None: launch.predict gets it.
TABLES: dict[str, tuple[dict[str, Any], Consume | str | None]] = {
    "csv list": (CSV, "folder"),
    "jsonl list": (JSONL, "folder"),
    "csv of pixels": (PIXELS, "fer2013"),
    "csv of votes": (VOTES, "ferplus"),
    "text beside images": (TEXTS, "folder"),
    "csv of predictions": (
        PREDICTIONS, lambda path, out: f"{len(read_predictions(path).ids)} images"),
    "zip": (ZIP, None),
    "tar": (TAR, None),
    "video": ({name: (raw("a.mp4", data), "refused") for name, data in VIDEOS.items()}, video),
}  # fmt: skip
CASES = [(kind, name) for kind, (table, _) in TABLES.items() for name in table]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{a}: {b}" for a, b in CASES])
def test_giving_a_file(kind: str, name: str, give: Any, request: pytest.FixtureRequest) -> None:
    table, consume = TABLES[kind]
    if kind == "video":
        pytest.importorskip("av")
    build, ends = table[name] if isinstance(table[name], tuple) else (table[name], "refused")
    if isinstance(consume, str):
        consume = request.getfixturevalue("read_data_set")(consume)
    give(kind, build, consume or request.getfixturevalue("predict"), ends)


def test_the_good_ones_are_read(tmp_path: Path, predict: Any, read_data_set: Any) -> None:
    """Otherwise everything above would be refused for another reason."""
    rows = "".join(f"{k}.png,{('happy', 'sad')[k % 2]},{s}\n" for k, s in enumerate(
        ("train", "train", "val", "val")))  # fmt: skip
    good = listed("a.csv", f"path,label,split\n{rows}")(tmp_path)
    assert read_data_set("folder")(good, tmp_path) == "4 images"
    lines = [dict(zip(("path", "label", "split"), row.split(","), strict=True))
             for row in rows.splitlines()]  # fmt: skip
    good = listed("b.jsonl", "".join(json.dumps(line) + "\n" for line in lines))(tmp_path)
    assert read_data_set("folder")(good, tmp_path) == "4 images"
    table = predictions(f"{PREDICTED}a,anger,anger,0.9,0.1\n")(tmp_path)
    assert list(read_predictions(table).ids) == ["a"]
    assert ",read," in predict(zipped({"good.png": PNG})(tmp_path), tmp_path / "zip")
    assert ",read," in predict(taped("b.tar", GOOD)(tmp_path), tmp_path / "tar")
