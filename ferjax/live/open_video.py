"""Opens a video by PyAV: a file, or bytes of anybody with a limit of pixels."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.errors import UserError, one_line
from ferjax.runtime.optional_packages import require_package

# FFmpeg's names of the formats that are read from memory: those that hold all of a video. Others
# (concat, hls) are lists of files and addresses, which FFmpeg would open.
_WHOLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf"
# A file of the user's own may be of rarer ones.
_FILE_FORMATS = (
    f"{_WHOLE_FORMATS},mpegvideo,h264,hevc,m4v,mjpeg,dv,mxf,nut,ivf,rm,gif,y4m,yuv4mpegpipe,vob"
)


class FrameTooLarge(UserError):
    """A frame has more pixels than `VideoBytes.most_pixels`."""


@dataclass(frozen=True)
class VideoBytes:
    """A video in memory, such as one that somebody uploads.

    Attributes:
      name: for errors.
      data: all bytes of the file.
      most_pixels: of one frame, None for no limit. Larger ones are a `FrameTooLarge`: by the header
        before anything is decoded, else before the decoder makes room for far more or its frame is
        copied.
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
    """Raises `UserError` where a video is not there, before anything has to be installed."""
    if not os.path.isfile(path):
        found = "is a folder; a video is expected" if os.path.isdir(path) else "no such video"
        raise UserError(f"{path}: {found}.")


@contextlib.contextmanager
def open_video(source: Path | VideoBytes) -> Iterator[Any]:
    """Yields PyAV's container of a video.

    Raises:
      UserError: no such file, an empty one, or one without video that can be decoded.
      FrameTooLarge: the header says so.
    """
    if isinstance(source, Path):
        check_video_file(source)
    av = pyav()
    if (len(source.data) if isinstance(source, VideoBytes) else os.path.getsize(source)) == 0:
        raise UserError(f"{source}: the file is empty (0 bytes), expected a video; copy it again.")
    try:
        if isinstance(source, VideoBytes):
            # It may be anybody's: it opens nothing else.
            only = {"format_whitelist": _WHOLE_FORMATS, "protocol_whitelist": "none"}
            file, limit = io.BytesIO(source.data), _decoder_limit(source)
            # FFmpeg decodes a few frames to learn what the header does not say.
            container = av.open(
                file, options=limit, container_options=only, metadata_errors="ignore"
            )
        else:
            # An absolute path: FFmpeg takes what stands before a colon for a protocol. A list of
            # files and addresses may lie under the name of a video: it opens nothing else either.
            only = {"format_whitelist": _FILE_FORMATS, "protocol_whitelist": "file"}
            container = av.open(
                os.path.abspath(source), container_options=only, metadata_errors="ignore"
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
        yield container


def _decoder_limit(source: Path | VideoBytes) -> dict[str, str]:
    """Returns the option that keeps a decoder from making room for far larger frames."""
    if not isinstance(source, VideoBytes) or source.most_pixels is None:
        return {}
    # Decoders count in whole blocks, up to 64 pixels wide.
    return {"max_pixels": str(2 * source.most_pixels + 2**14)}


def check_pixels(source: Path | VideoBytes, pixels: int) -> None:
    """Raises `FrameTooLarge` where a video has a limit and a frame has more pixels."""
    limit = source.most_pixels if isinstance(source, VideoBytes) else None
    if limit is not None and pixels > limit:
        raise FrameTooLarge(f"{source}: frames of more than {limit:,} pixels")


def check_decoder(source: Path | VideoBytes, decoder: Any) -> None:
    """Raises `FrameTooLarge` where a decoder has refused a frame for its size.

    Its error does not say why: the size is then the refused one, or 0.
    """
    if isinstance(source, VideoBytes) and source.most_pixels is not None:
        pixels = decoder.width * decoder.height
        check_pixels(source, pixels or source.most_pixels + 1)
