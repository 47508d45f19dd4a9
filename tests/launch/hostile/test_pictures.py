"""Pictures that somebody sends, among those that are trained on, predicted and audited."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.tool_configs import PrepareConfig
from ferjax.tools.prepare_data import run_prepare

Build = Callable[[Path], Path]
SIDE = 32


def audit(path: Path, out: Path) -> str:
    """launch.prepare --audit, which lists every picture that it cannot read."""
    given = {"data_dir": str(path), "image_size": SIDE, "out": str(out), "progress": False}
    lines = run_prepare(PrepareConfig(dataset="folder", audit=True, **given))
    assert "x" * 200 not in (out / "audit.md").read_text("utf-8")
    return " ".join(lines)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def small(value: int = 128, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) ^ value)
    picture.save(file, form, **options)
    return file.getvalue()


# Pictures.


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, kind: tuple[int, int] = (8, 0)) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def jpeg(width: int, height: int, *segments: bytes) -> bytes:
    frame = struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xc0" + frame + b"\xff\xd9"


def exif(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """An EXIF segment of JPEG: (tag, type, count, value) of its directory, and the next one's."""
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    body = b"Exif\0\0II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following)


def gif(
    width: int, height: int, frame: tuple[int, int], data: bytes = b"\x02\x02\x4c\x01"
) -> bytes:
    screen = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + data + b"\0;"


def bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 8, 0, 0, 54) + head + bytes(8)


def webp(width: int, height: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bomb(kind: bytes, before: bytes) -> bytes:
    """A chunk whose text is 48 MB of zeros in 48 KB."""
    return chunk(kind, before + zlib.compress(bytes(48 << 20), 9))


PNG: dict[str, bytes] = {
    "60,000 x 60,000": png(60_000, 60_000),
    "2^31 - 1 x 1": png(2**31 - 1, 1),
    "2^32 - 1 a side": png(2**32 - 1, 2**32 - 1),
    "9,000 x 9,000 of nothing": png(9_000, 9_000, kind=(1, 0)),
    "no width": png(0, 32),
    "a chunk of 2 GB": png(32, 32).replace(b"\0\0\0\x09IDAT", b"\x7f\xff\xff\xffIDAT"),
    "a text of 48 MB": png(32, 32, bomb(b"zTXt", b"Comment\0\0")),
    "a translated text of 48 MB": png(32, 32, bomb(b"iTXt", b"Comment\0\1\0\0\0")),
    "a colour profile of 48 MB": png(32, 32, bomb(b"iCCP", b"icc\0\0")),
    "2^31 frames": png(32, 32, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "a palette of one byte": png(32, 32, chunk(b"PLTE", b"\1"), kind=(8, 3)),
    "17 bits": png(32, 32, kind=(17, 0)),
    "a wrong checksum": png(32, 32)[:-20] + b"\0" * 20,
    "a signature alone": b"\x89PNG\r\n\x1a\n",
    "a thousand headers": b"\x89PNG\r\n\x1a\n" + png(32, 32)[8:33] * 1000,
}
JPEG: dict[str, bytes] = {
    "65,500 x 65,500": jpeg(65_500, 65_500),
    "no height": jpeg(32, 0),
    "no pixels": jpeg(32, 32),
    "a directory that follows itself": jpeg(32, 32, exif((0x0112, 3, 1, 6), following=8)),
    "an orientation of 2^32 - 1": jpeg(32, 32, exif((0x0112, 4, 1, 2**32 - 1))),
    "an orientation of 4 GB": jpeg(32, 32, exif((0x0112, 3, 2**31, 26))),
    "10,000 segments": jpeg(32, 32, b"\xff\xe2\0\x04ab" * 10_000),
    "a megabyte of fill": b"\xff\xd8" + b"\xff" * 10**6,
    "a segment of no length": b"\xff\xd8\xff\xe1\0\0" + bytes(100),
    "a mark alone": b"\xff\xd8\xff",
}
GIF: dict[str, bytes] = {
    "65,535 x 65,535": gif(65_535, 65_535, (65_535, 65_535)),
    "a frame of 65,535 in a small screen": gif(32, 32, (65_535, 65_535)),
    "no frame": b"GIF89a" + struct.pack("<HH", 32, 32) + b"\0\0\0;",
    "codes of 13 bits": gif(32, 32, (32, 32), b"\x0d\x02\xff\xff"),
    "codes of no bits": gif(32, 32, (32, 32), b"\0\x02\xff\xff"),
    "100,000 comments": b"GIF89a" + bytes(7) + b"!\xfe\x01a\0" * 100_000,
}
OTHER: dict[str, bytes] = {
    "bmp of 2^31 - 1 a side": bmp(2**31 - 1, 2**31 - 1),
    "bmp of a negative side": bmp(-32, 32),
    "bmp of 3 bits": bmp(32, 32, 3),
    "bmp that is compressed by nothing known": bmp(32, 32, 24, 99),
    "tiff of 2^32 - 1 a side": tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1)),
    "tiff that follows itself": tiff((256, 4, 1, 32), (257, 4, 1, 32), following=8),
    "tiff of 2^31 strips": tiff((256, 4, 1, 32), (257, 4, 1, 32), (273, 4, 2**31, 8)),
    "tiff of 65,535 entries": b"II*\0" + struct.pack("<I", 8) + b"\xff\xff" + bytes(99),
    "webp of 2^24 a side": webp(2**24, 2**24),
    "ppm of 100,000 a side": b"P6 100000 100000 255\n" + bytes(30),
    "ppm of a million digits": b"P6 " + b"9" * 10**6 + b" 1 255\n",
    "pgm of a comment without end": b"P5 #" + b"x" * 10**6,
    "a program for Ghostscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    ),
    "svg with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "a text": b"hello",
    "nothing": b"",
}
PICTURES = {"PNG": PNG, "JPEG": JPEG, "GIF": GIF, "other picture": OTHER}
SUFFIX = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "other picture": "png"}


def beside_good(kind: str, data: bytes) -> Build:
    """A folder of two emotions with good faces, and one file that is none."""

    def build(folder: Path) -> Path:
        for k in range(8):
            write(folder / "faces" / ("happy", "sad")[k % 2] / f"{k}.png", small(k))
        write(folder / "faces" / "happy" / f"hostile.{SUFFIX[kind]}", data)
        return folder / "faces"

    return build


FILES = [(kind, name) for kind, table in PICTURES.items() for name in table]
names = pytest.mark.parametrize(("kind", "name"), FILES, ids=[f"{a}: {b}" for a, b in FILES])


@names
def test_a_picture_among_training_images(
    kind: str, name: str, give: Any, read_data_set: Any
) -> None:
    """The reader of launch.train stops at the first one."""
    give(kind, beside_good(kind, PICTURES[kind][name]), read_data_set("folder"))


@names
def test_a_picture_to_predict(kind: str, name: str, give: Any, predict: Any) -> None:
    give(kind, beside_good(kind, PICTURES[kind][name]), predict, "hostile")


@pytest.mark.slow
def test_pictures_in_an_audit(give: Any) -> None:
    def build(folder: Path) -> Path:
        for kind, name in FILES:
            beside_good(kind, PICTURES[kind][name])(folder)
            (folder / "faces/happy" / f"hostile.{SUFFIX[kind]}").rename(
                folder / "faces/sad" / f"{kind}-{name.replace(' ', '_')}.{SUFFIX[kind]}"
            )
        return folder / "faces"

    give("folder of pictures", build, audit, f"{len(FILES)} images cannot be read", 20)
