"""Opens a video with PyAV: a file, or untrusted bytes with a limit of pixels."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ferjax.errors import UserError, one_line
from ferjax.runtime.optional_packages import require_package

# FFmpeg's names of the formats that are read from memory: each contains the whole video. Other
# formats (concat, hls) are lists of files and addresses, which FFmpeg would open.
_WHOLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf"
# FFmpeg's names of the formats that are read from a user's own file, which may be rarer ones.
_FILE_FORMATS = (
    f"{_WHOLE_FORMATS},mpegvideo,h264,hevc,m4v,mjpeg,dv,mxf,nut,ivf,rm,gif,y4m,yuv4mpegpipe,vob"
)
# Ratios of a pixel's sides that are believed: the widest in use is 2:1. Ratios closer to 1 than the
# second value come from rounding, for instance 1280:1281 of a video with 854 pixels for 853.3.
_MOST_ASPECT, _LEAST_DIFFERENCE = 4, Fraction(1, 100)


class FrameTooLarge(UserError):
    """A frame has more pixels than `VideoBytes.most_pixels`."""


@dataclass(frozen=True)
class VideoBytes:
    """A video in memory, such as an upload.

    Attributes:
      name: the name for error messages.
      data: all bytes of the file.
      most_pixels: most pixels of a frame, None for no limit. A larger frame raises `FrameTooLarge`:
        if the header states its size, before anything is decoded; else before the decoder allocates
        far more memory, or before the frame is copied.
    """

    name: str
    data: bytes
    most_pixels: int | None = None

    def __str__(self) -> str:
        """Returns the name."""
        return self.name


def pyav() -> Any:
    """Returns the module `av`; raises `UserError` if it is not installed."""
    return require_package("av", "video", "Reading and writing videos")


def check_video_file(path: Path) -> None:
    """Raises `UserError` if a video is not there; this check needs no optional package."""
    if not os.path.isfile(path):
        reason = "is a folder; a video is expected" if os.path.isdir(path) else "no such video"
        raise UserError(f"{path}: {reason}.")


@contextlib.contextmanager
def open_video(source: Path | VideoBytes) -> Iterator[Any]:
    """Yields PyAV's container of a video.

    Raises:
      UserError: no such file, an empty one, or one without video that can be decoded.
      FrameTooLarge: the header states more pixels than `VideoBytes.most_pixels`.
    """
    if isinstance(source, Path):
        check_video_file(source)
    av = pyav()
    if (len(source.data) if isinstance(source, VideoBytes) else os.path.getsize(source)) == 0:
        raise UserError(f"{source}: the file is empty (0 bytes), expected a video; copy it again.")
    try:
        if isinstance(source, VideoBytes):
            # The bytes are untrusted: FFmpeg must not open any other file or address.
            whitelists = {"format_whitelist": _WHOLE_FORMATS, "protocol_whitelist": "none"}
            file, limit = io.BytesIO(source.data), _decoder_limit(source)
            # FFmpeg decodes a few frames to learn values that the header does not state.
            container = av.open(
                file, options=limit, container_options=whitelists, metadata_errors="ignore"
            )
        else:
            # The path is absolute: FFmpeg takes the text before a colon for a protocol. A list of
            # files and addresses may have the name of a video: FFmpeg must not open them either.
            whitelists = {"format_whitelist": _FILE_FORMATS, "protocol_whitelist": "file"}
            container = av.open(
                os.path.abspath(source), container_options=whitelists, metadata_errors="ignore"
            )
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        raise UserError(f"{source}: cannot be read as a video ({reason}); copy it again.") from None
    with container:
        if not container.streams.video:
            raise UserError(f"{source}: there is no video in it, only sound or data.")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise UserError(
                f"{source}: its codec cannot be decoded here; convert it, for instance to H.264."
            )
        stream.codec_context.options = _decoder_limit(source)
        check_pixels(source, stream.width * stream.height)
        check_pixels(source, shown_width(stream.width, pixel_aspect(stream)) * stream.height)
        yield container


def pixel_aspect(stream: Any) -> Fraction:
    """Returns the width of a pixel of a video stream divided by its height, from 1/4 to 4.

    It is exactly 1 if the header states no ratio, an impossible one, or almost 1.
    """
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, _MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        return Fraction(1)
    return aspect if abs(aspect - 1) > _LEAST_DIFFERENCE else Fraction(1)


def shown_width(width: int, aspect: Fraction) -> int:
    """Returns the width at which a stored row of pixels is shown, in square pixels."""
    return max(1, round(width * aspect))


def _decoder_limit(source: Path | VideoBytes) -> dict[str, str]:
    """Returns the option that keeps a decoder from allocating memory for far larger frames."""
    if not isinstance(source, VideoBytes) or source.most_pixels is None:
        return {}
    # Decoders count the pixels of whole blocks, which are up to 64 pixels wide.
    return {"max_pixels": str(2 * source.most_pixels + 2**14)}


def check_pixels(source: Path | VideoBytes, pixels: int) -> None:
    """Raises `FrameTooLarge` if a frame has more pixels than the limit of its video."""
    limit = source.most_pixels if isinstance(source, VideoBytes) else None
    if limit is not None and pixels > limit:
        raise FrameTooLarge(f"{source}: frames of more than {limit:,} pixels")


def check_decoder(source: Path | VideoBytes, decoder: Any) -> None:
    """Raises `FrameTooLarge` if a decoder has refused a frame because of its size.

    The decoder's error does not state the reason. After such an error the decoder has the size of
    the refused frame, or size 0.
    """
    if isinstance(source, VideoBytes) and source.most_pixels is not None:
        pixels = decoder.width * decoder.height
        check_pixels(source, pixels or source.most_pixels + 1)
