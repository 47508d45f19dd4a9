"""A video of drawn persons who move and cross each other, with known positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.live.open_video import pyav

# Identities of drawn persons whose faces MTCNN finds in every expression that was tried.
_IDENTITIES = (1, 3, 8)
# Side of the picture of a head, as a share of the frame's height.
_HEAD = 0.24
# For each person the centre (x, y) of the path and the reach to each side, as shares of the frame,
# and the seconds of one way there and back. The first two persons meet at almost the same height:
# for half a second one hides the other.
_PATHS = ((0.5, 0.40, 0.36, 17.0), (0.5, 0.44, -0.36, 17.0), (0.5, 0.80, 0.30, 11.0))


@dataclass(frozen=True)
class Scene:
    """Length, frame rate and frame size of a made video.

    Attributes:
      seconds: length of the video.
      rate: frames a second.
      size: (height, width) of a frame in pixels.
    """

    seconds: float
    rate: int = 30
    size: tuple[int, int] = (720, 1280)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.rate)

    def centres(self, seconds: float) -> np.ndarray:
        """Returns the centres (x, y) of the persons' faces at a time, float [3, 2], in pixels."""
        height, width = self.size
        return np.array(
            [
                (width * (x + reach * np.sin(2 * np.pi * seconds / period)), height * y)
                for x, y, reach, period in _PATHS
            ]
        )


def write_scene(scene: Scene, path: Path) -> None:
    """Writes the video (H.264); the persons change their expression every two seconds."""
    av, heads = pyav(), _heads(round(scene.size[0] * _HEAD))
    background = _background(scene.size)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "20"}
        stream = container.add_stream("libx264", rate=scene.rate, options=options)
        stream.height, stream.width = scene.size
        stream.pix_fmt = "yuv420p"
        for number in range(scene.frames):
            seconds = number / scene.rate
            image = draw_scene(scene, seconds, background, heads)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, scene.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def draw_scene(
    scene: Scene, seconds: float, background: np.ndarray, heads: Sequence[np.ndarray]
) -> np.ndarray:
    """Returns the frame uint8 [H, W, 3] at a time; the first person is nearest to the camera."""
    image = background.copy()
    for person, (x, y) in reversed([*enumerate(scene.centres(seconds))]):
        head = heads[person][int(seconds / 2 + person) % len(EMOTIONS)]
        side = head.shape[0]
        left, top = round(x) - side // 2, round(y) - side // 2
        image[top : top + side, left : left + side] = head
    return image


def _heads(side: int) -> list[np.ndarray]:
    """Returns the pictures of each person, uint8 [emotions, side, side, 3]."""
    labels = np.arange(len(EMOTIONS))
    return [render_faces(labels, np.full_like(labels, person), side) for person in _IDENTITIES]


def _background(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    vertical = np.linspace(60, 150, height)[:, None, None]
    horizontal = np.linspace(0, 40, width)[None, :, None]
    return (vertical + horizontal + np.array([0, 8, 16])).astype(np.uint8)
