"""Decoding, orientation, resizing and image splits, against Pillow and plain arithmetic."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, features

from ferjax.data.decoding.image_file import (
    decode_image,
    image_header,
    read_image,
    read_images,
    resize_image,
)
from ferjax.data.decoding.image_split import image_split
from ferjax.errors import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)
GREY = RNG.integers(0, 256, (6, 9), np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def test_png_round_trip(tmp_path: Path) -> None:
    rgb, grey = save(tmp_path / "rgb.png", RGB), save(tmp_path / "grey.png", GREY)
    np.testing.assert_array_equal(read_image(rgb, None, 3), RGB)
    np.testing.assert_array_equal(read_image(grey, None, 1)[..., 0], GREY)
    np.testing.assert_array_equal(read_image(grey, (6, 9), 3), np.stack([GREY] * 3, axis=-1))
    assert image_header(rgb) == (6, 9, 3)
    assert image_header(grey) == (6, 9, 1)


def test_colour_to_grey_is_itu_r_601(tmp_path: Path) -> None:
    grey = read_image(save(tmp_path / "rgb.png", RGB), None, 1)
    assert grey.shape == (6, 9, 1)
    assert np.abs(grey[..., 0] - RGB @ np.array([0.299, 0.587, 0.114])).max() <= 1


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_modes_decode(tmp_path: Path, mode: str, channels: int) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.fromarray(RGB).convert("L").convert(mode).save(path)
    image = read_image(path, None, channels)
    assert (image.shape, image.dtype) == ((6, 9, channels), np.uint8)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    wide = GREY.astype(np.uint16) * 257
    path = save(tmp_path / "wide.png", wide)
    assert image_header(path) == (6, 9, 1)
    np.testing.assert_array_equal(read_image(path, None, 1)[..., 0], GREY)


def test_sixteen_bit_pgm_is_scaled_too(tmp_path: Path) -> None:
    path = tmp_path / "wide.pgm"
    path.write_bytes(b"P5 9 6 65535\n" + (GREY.astype(">u2") * 257).tobytes())
    np.testing.assert_array_equal(read_image(path, None, 1)[..., 0], GREY)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(tmp_path: Path, dtype: type) -> None:
    path = save(tmp_path / "deep.tif", GREY.astype(dtype))
    with pytest.raises(UserError, match=r"deep\.tif.*32-bit pixels, expected 8 or 16"):
        read_image(path, None, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_dropped(tmp_path: Path, channels: int) -> None:
    whole = save(tmp_path / "rgb.png", RGB)
    expected = read_image(whole, None, channels)
    for alpha in (0, 77, 255):
        plane = np.full((6, 9, 1), alpha, np.uint8)
        path = save(tmp_path / "rgba.png", np.concatenate([RGB, plane], axis=-1))
        np.testing.assert_array_equal(read_image(path, None, channels), expected)
        grey = np.stack([GREY, plane[..., 0]], axis=-1)
        Image.fromarray(grey, "LA").save(tmp_path / "la.png")
        np.testing.assert_array_equal(read_image(tmp_path / "la.png", None, 1)[..., 0], GREY)


def test_transparent_palettes_decode_without_a_warning(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "p.png")
    expected = read_image(tmp_path / "p.png", None, 3)
    image.save(tmp_path / "p.png", transparency=bytes(range(16)))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png", None, 3), expected)


def test_cmyk_jpeg_looks_like_its_rgb(tmp_path: Path) -> None:
    flat = np.full((8, 8, 3), (200, 60, 30), np.uint8)
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(flat).convert("CMYK").save(path, quality=100)
    assert image_header(path) == (8, 8, 3)
    assert np.abs(read_image(path, None, 3).astype(int) - flat).max() <= 3


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_of_an_animation_the_first_frame_is_used(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((6, 9), value, np.uint8)) for value in (50, 150, 250)]
    path = tmp_path / f"moving{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as file:
        assert file.n_frames == 3
    assert np.abs(read_image(path, None, 1).astype(int) - 50).max() <= 1


def bomb(width: int, height: int) -> bytes:
    """Returns a PNG of black pixels, written by hand: zeros compress a thousandfold."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(20_000, 20_000))
    assert path.stat().st_size < 100_000
    for read in (image_header, lambda path: read_image(path, (8, 8), 1)):
        with pytest.raises(UserError, match=r"bomb\.png: too many pixels for a face .*178,956,970"):
            read(path)


def test_a_file_without_read_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "locked.png", RGB)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    # The user who runs the tests may be root, who may read every file.
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"locked\.png: permission denied; make"):
        read_image(path, None, 3)


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize("count", [0, 1, 3, 23])
def test_threads_read_what_one_reads(tmp_path: Path, threads: int | None, count: int) -> None:
    paths = [save(tmp_path / f"{i}.png", RGB + np.uint8(i)) for i in range(count)]
    images = read_images(paths, (6, 9), 3, threads)
    assert images.shape == (count, 6, 9, 3)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image, RGB + np.uint8(i))


def test_an_error_in_a_thread_is_the_users(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", RGB) for i in range(20)]
    paths[13].write_bytes(b"")
    with pytest.raises(UserError, match=r"13\.png: the file is empty"):
        read_images(paths, (6, 9), 3, threads=3)


def test_a_split_can_ignore_broken_headers(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", RGB) for i in range(3)]
    paths[1].write_bytes(b"<html>")
    labels, ids = np.zeros(3, int), ["0", "1", "2"]
    split = image_split("train", paths, labels, ids, 12, on_bad_image="skip")
    assert (len(split), split.shape) == (3, (6, 9, 3))
    np.testing.assert_array_equal(split.read(np.array([0, 2])), [RGB, RGB])
    with pytest.raises(UserError, match=r"1\.png.*not an image"):
        split.read(np.array([1]))


# Orientation → transposition that makes the stored pixels upright (EXIF 2.3, table 4.6.4).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if suffix == ".webp" else {}
    path = save(tmp_path / f"turned{suffix}", RGB, exif=exif, **lossless)
    upright = UPRIGHT[orientation](RGB)
    np.testing.assert_array_equal(read_image(path, None, 3), upright)
    assert image_header(path) == (*upright.shape[:2], 3)


def test_other_orientations_keep_the_stored_sides(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    path = save(tmp_path / "nine.png", RGB, exif=exif)
    np.testing.assert_array_equal(read_image(path, None, 3), RGB)
    assert image_header(path) == RGB.shape


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("with_exif", [False, True])
def test_an_orientation_in_xmp_alone(tmp_path: Path, suffix: str, with_exif: bool) -> None:
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    if with_exif:
        exif[0x010E] = "a face"
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    text.add_itxt("XML:com.adobe.xmp", xmp)
    options = {"pnginfo": text} if suffix == ".png" else {"lossless": True, "xmp": xmp.encode()}
    path = save(tmp_path / f"turned{suffix}", RGB, exif=exif, **options)
    upright = UPRIGHT[6](RGB)
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(file)), upright)
    np.testing.assert_array_equal(read_image(path, None, 3), upright)
    assert image_header(path) == upright.shape


def test_reducing_averages_and_enlarging_interpolates() -> None:
    checks = np.kron([[0, 200], [100, 60]], np.ones((8, 8))).astype(np.uint8)[..., None]
    assert resize_image(checks, (1, 1)).item() == pytest.approx(90, abs=1)
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))[..., None]
    # Without antialiasing a stripe one pixel wide would come out black or white.
    assert np.abs(resize_image(stripes, (8, 8)).astype(int) - 127).max() <= 10
    ramp = resize_image(np.array([[[0], [100]]], np.uint8), (1, 4))
    np.testing.assert_array_equal(ramp[0, :, 0], [0, 25, 75, 100])


def test_resize_to_the_same_size_is_the_identity() -> None:
    assert resize_image(RGB, (6, 9)) is RGB
    assert resize_image(RGB, (4, 7)).shape == (4, 7, 3)
    assert resize_image(RGB[..., :1], (4, 7)).shape == (4, 7, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"not pixels", "not an image"),
        (None, "no such"),
        ("half", "cannot be read"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_broken_files_are_named(
    tmp_path: Path, content: bytes | str | None, words: str, suffix: str
) -> None:
    path = tmp_path / f"face{suffix}"
    if content == "half":
        noise = RNG.integers(0, 256, (64, 64, 3), np.uint8)
        content = (whole := save(path, noise).read_bytes())[: len(whole) // 2]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_image(path, (8, 8), 3)
    assert str(path) in str(caught.value)


def test_split_keeps_a_common_size_and_grey(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", GREY + np.uint8(i)) for i in range(3)]
    split = image_split("train", paths, np.array([2, 0, 1]), ["a", "b", "c"], storage_size=48)
    assert (split.name, split.shape, split.ids) == ("train", (6, 9, 1), ("a", "b", "c"))
    assert split.labels.dtype == np.int32
    batch = split.read(np.array([2, 0, 2]))
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[..., 0], [GREY + np.uint8(2), GREY, GREY + np.uint8(2)])


def test_split_stores_differing_sizes_as_squares(tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.png", GREY), save(tmp_path / "b.png", RGB[:5])]
    split = image_split("train", paths, np.array([0, 1]), ["a", "b"], storage_size=12)
    assert split.shape == (12, 12, 3)
    batch = split.read(np.arange(2))
    np.testing.assert_array_equal(batch[1], read_image(paths[1], (12, 12), 3))


def test_split_finds_non_images_early(tmp_path: Path) -> None:
    paths = [save(tmp_path / "a.png", GREY), tmp_path / "b.png"]
    paths[1].write_text("<html>")
    with pytest.raises(UserError, match=r"b\.png.*not an image"):
        image_split("train", paths, np.array([0, 1]), ["a", "b"], storage_size=12)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_damaged_avif_is_an_error_of_the_file(tmp_path: Path) -> None:
    """Pillow raises a plain `RuntimeError` for it."""
    path = save(tmp_path / "face.avif", RNG.integers(0, 256, (64, 64, 3), np.uint8))
    whole = path.read_bytes()
    payload = whole.index(b"mdat") + 4
    damaged = whole[:payload] + bytes([255]) * (len(whole) - payload)
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"face\.avif: cannot be read as an image .*copy it again"):
        read_image(path, None, 3)
    with pytest.raises(UserError, match=r"upload: cannot be read as an image"):
        decode_image(damaged, "upload")
