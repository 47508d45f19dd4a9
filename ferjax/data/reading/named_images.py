"""Lists images whose names tell what they show, such as KA.AN1.39.tiff, at any depth."""

import re
from pathlib import Path

from ferjax.data.reading.class_folders import visible_files
from ferjax.data.reading.image_names import is_image
from ferjax.emotions import EMOTIONS, canonical_name
from ferjax.errors import UserError


def named_images(
    root: Path, pattern: re.Pattern[str], example: str, passed_over: frozenset[str] = frozenset()
) -> list[tuple[Path, re.Match[str]]]:
    """Returns the images below a folder and the match of each name with a pattern, sorted by path.

    Folders between them and `root` tell nothing, so that any way of sorting them is read.

    Args:
      root: the folder; empty, absent, or a file: there are none.
      pattern: of the whole name of a file, without regard to case.
      example: a name that fits, for the error.
      passed_over: names of folders, in lower case, whose images are of another data set.

    Returns:
      Nothing where no name fits: it is no folder of this data set.

    Raises:
      UserError: the name of some image does not fit, while those of others do.
    """
    if not root.is_dir():
        return []
    found, others = [], []
    for path in visible_files(root):
        if passed_over & {part.lower() for part in path.relative_to(root).parts[:-1]}:
            continue
        if match := pattern.fullmatch(path.name.upper()):
            found.append((path, match))
        elif is_image(path):
            others.append(path)
    if found and others:
        raise UserError(
            f"{others[0]}: expected a name such as {example}, which tells person and emotion, as "
            f"those of {len(found):,} other images do ({len(others):,} do not); rename it, or move "
            "it elsewhere"
        )
    return found


def check_class_folders(paths_and_emotions: list[tuple[Path, str]]) -> None:
    """Raises `UserError` where an image lies in a folder of another emotion than its name says."""
    for path, emotion in paths_and_emotions:
        folder = canonical_name(path.parent.name)
        if folder in EMOTIONS and folder != emotion:
            raise UserError(
                f"{path}: its name says {emotion}, its folder {folder}; one of the two is wrong. "
                "Get the data set again, or move the image"
            )
