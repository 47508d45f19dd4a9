"""Reads lists of AffectNet: POSTER's text lists, DAN's affectnet.csv, the first release's."""

import os
from collections.abc import Iterator
from pathlib import Path

from ferjax.config.given_files import check_text_file
from ferjax.data.datasets.affectnet.face import TRAIN, VAL, Face, read_label
from ferjax.data.datasets.affectnet.npy_annotations import SPLIT_FOLDERS
from ferjax.data.reading.class_folders import describe_path
from ferjax.data.reading.csv_rows import csv_header, named_rows
from ferjax.data.reading.portable_paths import path_on_this_system
from ferjax.data.reading.split_names import one_folder_each, split_named
from ferjax.data.reading.spreadsheet_cells import whole_number
from ferjax.errors import UserError

CACHED_CSV = "affectnet.csv"
_CACHED_COLUMNS = ("phase", "img_path", "label")
# Split folder → how the name of its text list starts. The list of eight classes is tried first,
# because it contains the seven.
_TEXT_LISTS = {TRAIN: "train", VAL: "val", "valid_set": "valid"}
_LIST_ENDINGS = ("_annotations_8class.txt", "_annotations.txt", "_annotations_7class.txt")
FIRST_RELEASE = {"training.csv": TRAIN, "validation.csv": VAL}
_FIRST_FOLDERS = ("Manually_Annotated_file_lists", ".")
_FIRST_IMAGES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
)
_BOX = ("face_x", "face_y", "face_width", "face_height")


def text_lists(root: Path) -> dict[Path, str]:
    """Returns the text lists below `root` and the split of each, one for each split folder.

    Raises:
      UserError: two folders of one split.
    """
    list_in: dict[str, Path] = {}
    for folder, prefix in _TEXT_LISTS.items():
        paths = (root / folder / f"{prefix}{end}" for end in _LIST_ENDINGS)
        if path := next((path for path in paths if path.is_file()), None):
            list_in[folder] = path
    split_of = one_folder_each(root, list_in, SPLIT_FOLDERS)
    return {list_in[folder]: split for folder, split in split_of.items()}


def read_text_lists(paths: dict[Path, str]) -> list[Face]:
    """Returns the images that lines such as `7.jpg 3` list; they are in images/ beside the list.

    Raises:
      UserError: a line of another form, an image listed twice, or absent images.
    """
    faces: list[Face] = []
    for path, split in paths.items():
        rows: dict[Path, int] = {}
        for where, line in _lines(path):
            name, _, label = line.rpartition(" ")
            if not name.strip():
                raise UserError(f"{where}: {line[:60]!r}, expected an image name and a label")
            file = path.parent / "images" / name.strip()
            if file in rows:
                raise UserError(f"{where}: {name.strip()} is listed twice; remove one line")
            rows[file] = read_label(label, where)
        _check_present(list(rows), path)
        faces += [Face(split, label, file) for file, label in rows.items()]
    return faces


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yields place (`path:number`) and text of each line with text, with single spaces."""
    check_text_file(path, "Copy it again.")
    try:
        lines = path.read_text("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path}:{number}", " ".join(line.split())


def read_cached_csv(path: Path) -> list[Face]:
    """Returns the images of affectnet.csv, which DAN makes of the npy release.

    Its paths start at the folder in which DAN ran. Images are therefore found by the last three
    parts of each path, such as train_set/images/7.jpg, in the folder of the list.

    Raises:
      UserError: a column is missing, an unknown phase or label, or absent images.
    """
    faces: list[Face] = []
    for where, (phase, name, label) in named_rows(path, _CACHED_COLUMNS):
        split = split_named(phase)
        if split is None:
            raise UserError(f"{where}: phase {phase!r}, expected train or val; make the list again")
        parts = Path(name.replace("\\", "/")).parts[-3:]
        if ".." in parts:
            raise UserError(f"{where}: {name!r}, expected a path as train_set/images/7.jpg")
        file = path.parent.joinpath(*parts)
        faces.append(Face(TRAIN if split == "train" else VAL, read_label(label, where), file))
    if not faces:
        raise UserError(f"{path}: a header and no rows; make the list again")
    _check_present([face.path for face in faces], path)
    return faces


def first_release_lists(root: Path) -> dict[Path, str]:
    """Returns the lists of the first release in `root` and the split of each."""
    for folder in (root / name for name in _FIRST_FOLDERS):
        split_of = {folder / n: s for n, s in FIRST_RELEASE.items() if (folder / n).is_file()}
        if split_of and "subdirectory_filepath" in csv_header(next(iter(split_of))):
            return split_of
    return {}


def read_first_release(
    root: Path, paths: dict[Path, str]
) -> tuple[list[Face], Path, tuple[str, ...]]:
    """Returns the images of training.csv and validation.csv, their folder, and notes.

    Faces are cut out by the columns face_x, face_y, face_width, face_height if the list has them.
    If the row of an emotion has no box, the whole picture is the face; a note counts these rows.

    Raises:
      UserError: a column is missing, a bad label or path, or absent images.
    """
    images = next((p for name in _FIRST_IMAGES if (p := root / name).is_dir()), None)
    if images is None:
        raise UserError(
            f"{root}: no folder {_FIRST_IMAGES[0]}/ beside the lists, it {describe_path(root)}; "
            "unpack the manually annotated images there"
        )
    faces: list[Face] = []
    whole_pictures = 0
    for path, split in paths.items():
        columns = ("subDirectory_filePath", "expression")
        has_boxes = set(_BOX) <= set(csv_header(path))
        for where, fields in named_rows(path, (*columns, *_BOX) if has_boxes else columns):
            label = read_label(fields[1], where)
            if Path(fields[0]).is_absolute() or ".." in fields[0]:
                raise UserError(f"{where}: {fields[0][:80]!r} leads out of {images}; correct it")
            box = _box(fields[2:])
            whole_pictures += has_boxes and box is None and label < 8
            file = images / path_on_this_system(fields[0], images, where)
            faces.append(Face(split, label, file, box))
    # Images without an emotion are left out later, and users may have removed them.
    _check_present([face.path for face in faces if face.label < 8], images)
    notes = (
        (f"{whole_pictures:,} rows have no box: the whole picture is the face",)
        if whole_pictures
        else ()
    )
    return faces, images, notes


def _box(fields: list[str]) -> tuple[int, int, int, int] | None:
    """Returns left, top, right and bottom; None for a box that is missing or has no area."""
    numbers = [n for field in fields if (n := whole_number(field)) is not None]
    if len(numbers) < 4 or numbers[2] <= 0 or numbers[3] <= 0:
        return None
    left, top, width, height = numbers
    return left, top, left + width, top + height


def _check_present(files: list[Path], where: Path) -> None:
    """Raises `UserError` if listed images are absent, or none are listed."""
    # os.path.isfile answers for a name that is too long, which a damaged list may contain.
    absent = [file for file in files if not os.path.isfile(file)]
    if absent or not files:
        first = f", first {absent[0]}" if absent else ""
        raise UserError(
            f"{where}: {len(absent):,} of the {len(files):,} listed images are absent{first}; "
            "unpack the images again"
        )
