"""Lists the labelled frames of CK+: original sequences with label files, or CK+48 class folders."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ferjax.config.given_files import check_text_file
from ferjax.data.reading.class_folders import (
    class_folders,
    describe_path,
    namesake,
    visible_entries,
)
from ferjax.data.reading.image_names import is_image
from ferjax.emotions import canonical_name
from ferjax.errors import UserError

# Label k in a file _emotion.txt is NUMBERED[k]; no file has 0.
NUMBERED = (
    "neutral",
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
)
_EMOTION_OF_FOLDER = {name: name for name in NUMBERED[1:]}
_FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d+)")  # subject, sequence, frame number
_CROP_ROOTS = (".", "CK+48", "ck/CK+48", "CK+/CK+48")
_ROOTS = (".", "CK+", "ck+")
_IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
_LABELS = ("Emotion", "Emotion_labels/Emotion", "Emotion_labels")


@dataclass(frozen=True)
class Tree:
    """Folders of CK+: images, and label files (None: `images` has the class folders of CK+48)."""

    root: Path
    images: Path
    labels: Path | None


@dataclass(frozen=True)
class Frame:
    """One labelled image: its file, emotion, subject (S005) and sequence (S005_001)."""

    path: Path
    emotion: str
    subject: str
    sequence: str


def find_tree(data_dir: Path) -> Tree | None:
    """Returns the folders of the original sequences, else of CK+48, below `data_dir`.

    Raises:
      UserError: the images exist but their labels do not.
    """
    for root in (data_dir / name for name in _ROOTS):
        for images in (root / name for name in _IMAGES):
            if images.is_dir():
                labels = next((root / name for name in _LABELS if (root / name).is_dir()), None)
                if labels is None:
                    raise UserError(
                        f"{images}: no labels beside it, {root} {describe_path(root)}; expected "
                        "Emotion/. Unpack Emotion_labels.zip there"
                    )
                return Tree(root, namesake(images), namesake(labels))
    for root in (data_dir / name for name in _CROP_ROOTS):
        if root.is_dir() and any(
            canonical_name(e.name) in _EMOTION_OF_FOLDER for e in visible_entries(root)
        ):
            return Tree(root, root, None)
    return None


def crop_frames(root: Path, last_frames: int) -> list[Frame]:
    """Lists the last frames of each sequence of CK+48.

    Raises:
      UserError: class folders or file names that differ from CK+48, a sequence in two classes, or a
        sequence with too few frames.
    """
    sequences: dict[str, list[Frame]] = defaultdict(list)
    for emotion, paths in class_folders(root, _EMOTION_OF_FOLDER).items():
        for path in paths:
            frame = _parse_frame(path, emotion)
            sequences[frame.sequence].append(frame)
    kept: list[Frame] = []
    for sequence, frames in sorted(sequences.items()):
        if len({frame.emotion for frame in frames}) > 1:
            classes = " and ".join(sorted({frame.emotion for frame in frames}))
            raise UserError(
                f"{root}: sequence {sequence} is in {classes}, expected one; copy CK+48 again"
            )
        if len(frames) < last_frames:
            raise UserError(
                f"{root}: {len(frames)} frames of {sequence}, last_frames={last_frames} asked for; "
                "CK+48 has 3 of each. Ask for fewer or give the original sequences"
            )
        kept += sorted(frames, key=lambda frame: frame.path.name)[-last_frames:]
    return kept


def sequence_frames(images: Path, labels: Path, last_frames: int, *, neutral: bool) -> list[Frame]:
    """Lists the last frames of each labelled sequence, and its first frame if `neutral`.

    Raises:
      UserError: no label files, a broken label file, a labelled sequence that is missing or too
        short, or images with other names.
    """
    label_files = sorted(f for f in labels.glob("*/*/*_emotion.txt") if not f.name.startswith("."))
    if not label_files:
        raise UserError(
            f"{labels}: no label files such as S005/001/S005_001_00000011_emotion.txt, it "
            f"{describe_path(labels, 3)}; unpack Emotion_labels.zip there"
        )
    frames: list[Frame] = []
    frames_needed = last_frames + neutral
    for file in label_files:
        emotion, sequence = _read_label(file), Path(file.parent.parent.name, file.parent.name)
        folder = images / sequence
        entries = visible_entries(folder) if folder.is_dir() else []
        paths = [path for path in entries if is_image(path)]
        if len(paths) < frames_needed:
            raise UserError(
                f"{folder}: {len(paths)} images, {file.name} labels them and {frames_needed} are "
                "wanted; unpack the images again or ask for fewer last_frames"
            )
        for path in paths:
            if _parse_frame(path, emotion).sequence != "_".join(sequence.parts):
                raise UserError(f"{path}: this image belongs to another sequence; move it")
        if neutral:
            frames.append(_parse_frame(paths[0], "neutral"))
        frames += [_parse_frame(path, emotion) for path in paths[-last_frames:]]
    sequence_folders = [file.parent for file in label_files]
    if len(set(sequence_folders)) < len(sequence_folders):
        repeated = next(folder for folder in sequence_folders if sequence_folders.count(folder) > 1)
        raise UserError(f"{repeated}: two label files for one sequence; remove the wrong one")
    return frames


def _parse_frame(path: Path, emotion: str) -> Frame:
    """Returns the frame with the subject and sequence in the name of `path`."""
    match = _FRAME.fullmatch(path.stem)
    if match is None:
        raise UserError(
            f"{path}: expected a name such as S010_004_00000017{path.suffix}, which tells person, "
            "sequence and frame; give images named otherwise as --dataset=folder"
        )
    return Frame(path, emotion, match[1], f"{match[1]}_{match[2]}")


def _read_label(file: Path) -> str:
    """Reads a label file such as `   3.0000000e+00`."""
    check_text_file(file, "Unpack it again.")
    try:
        text = file.read_text("ascii", "replace").strip()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error}); check its permissions") from error
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number not in range(1, len(NUMBERED)):
        raise UserError(f"{file}: {text[:40]!r}, expected a number from 1 to 7; unpack it again")
    return NUMBERED[int(number)]
