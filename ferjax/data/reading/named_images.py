"""Lists images whose names state person and emotion, such as KA.AN1.39.tiff, at any depth."""

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

    The folders between `root` and an image are not used, so images may be sorted in any way.

    Args:
      root: the folder. If it is empty, absent, or a file, it has no images.
      pattern: matches the whole name of a file, which is put in upper case.
      example: a name that matches, for the error.
      passed_over: names of folders, in lower case, whose images are of another data set.

    Returns:
      (path, match) of each image; an empty list if no name matches, because the folder is not of
      this data set.

    Raises:
      UserError: the name of an image does not match, but the names of others do.
    """
    if not root.is_dir():
        return []
    matched, unmatched = [], []
    for path in visible_files(root):
        if passed_over & {part.lower() for part in path.relative_to(root).parts[:-1]}:
            continue
        if match := pattern.fullmatch(path.name.upper()):
            matched.append((path, match))
        elif is_image(path):
            unmatched.append(path)
    if matched and unmatched:
        raise UserError(
            f"{unmatched[0]}: expected a name such as {example}, which tells person and emotion, "
            f"as those of {len(matched):,} other images do ({len(unmatched):,} do not); rename it, "
            "or move it elsewhere"
        )
    return matched


def check_class_folders(paths_and_emotions: list[tuple[Path, str]]) -> None:
    """Raises `UserError` if an image is in the folder of another emotion than its name says."""
    for path, emotion in paths_and_emotions:
        folder = canonical_name(path.parent.name)
        if folder in EMOTIONS and folder != emotion:
            raise UserError(
                f"{path}: its name says {emotion}, its folder {folder}; one of the two is wrong. "
                "Get the data set again, or move the image"
            )
