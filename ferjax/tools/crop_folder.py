"""Crops faces out of a folder of photographs (`launch.prepare --crops`), logged in `crops.csv`."""

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.datasets.classes_txt import CLASSES_FILE
from ferjax.data.decoding.image_file import read_unresized
from ferjax.data.reading.class_folders import describe_path, image_files, only_folder, visible_files
from ferjax.data.splits.bad_images import ON_BAD_IMAGE
from ferjax.data.splits.exclude_file import EXCLUDE, excluded, read_exclude
from ferjax.errors import UserError, printable, unknown_name
from ferjax.faces.crop_face import Crop, CropPlan, crop_face
from ferjax.report.spreadsheet_text import without_formula
from ferjax.runtime.atomic_files import temporary_beside
from ferjax.runtime.progress_bar import tqdm

RECORD, FACELESS = "crops.csv", "no_face.txt"
_COLUMNS = ("file", "crop", "faces", "left", "top", "width", "height", "degrees", "decision")
# Option for images without a face → decision in crops.csv.
NO_FACE = {"keep": "kept whole", "drop": "dropped", "list": "listed"}


@dataclass(frozen=True)
class Row:
    """One line of `crops.csv`: image, crop (empty if none), detected face, and decision."""

    file: str
    crop: str
    detected: Crop | None
    decision: str

    def cells(self) -> list[str]:
        """Returns the cells of the line, in the order of its columns."""
        detected = self.detected
        box = ["", "", "", ""] if detected is None or not detected.box else detected.box
        faces = "" if detected is None else detected.faces
        degrees = f"{detected.degrees:.1f}" if detected and detected.box else ""
        names = (without_formula(printable(name)) for name in (self.file, self.crop))
        return [*names, *(str(cell) for cell in (faces, *box, degrees, self.decision))]


def crop_folder(
    source: Path,
    out: Path,
    plan: CropPlan,
    *,
    no_face: str = "keep",
    exclude: Path | None = None,
    on_bad_image: str = "error",
    progress: bool = True,
    make_room: Callable[[Path], None] | None = None,
    further: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Crops the face out of every image below `source` and writes the same tree of PNG files.

    `out` is created only when all crops are done. It also holds `crops.csv` (each image, its box,
    number of detected faces, decision), a copy of `classes.txt` if there is one, and, with
    no_face=list, `no_face.txt`.

    Args:
      source: a folder of class folders; every image file below it counts.
      out: the new folder; it must not exist, or be empty.
      plan: how faces are detected and cropped.
      no_face: option for images without a face: `keep` (the whole image), `drop`, or `list` (leave
        the image out and list it in `no_face.txt`).
      exclude: file that lists images to leave out, by the paths of images or of crops; None: every
        `exclude.txt` in `source` and below, whose paths may be relative to its own folder too.
      on_bad_image: `error`, or `skip` to leave unreadable images out.
      progress: whether to show a progress bar on a terminal.
      make_room: called when all crops are done; it moves an `out` that is not empty aside, and
        `exclude.txt` in it is copied. None: such an `out` is an error.
      further: name → text of further files that are written to `out`.

    Returns:
      Decision → number of images; the decisions are `cropped`, `kept whole`, `dropped`, `listed`,
      `excluded` and `unreadable`.

    Raises:
      UserError: a wrong option, folder or list, an unreadable image, or `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    if no_face not in NO_FACE:
        raise unknown_name("choice for images without a face:", no_face, NO_FACE)
    if on_bad_image not in ON_BAD_IMAGE:
        raise unknown_name("choice for bad images:", on_bad_image, ON_BAD_IMAGE)
    _check_folders(source, out, may_hold_files=make_room is not None)
    names = _crop_names([p.relative_to(source).as_posix() for p in image_files(source)], source)
    left_out = _excluded_files(source, exclude, names)
    # The temporary folder must be on the disk that a link leads to.
    out = out.resolve()
    try:
        # The folder is beside `out`, so that one rename moves it there.
        with temporary_beside(out) as work:
            work.mkdir(parents=True)
            rows = []
            with tqdm(names.items(), unit="image", disable=None if progress else True) as bar:
                for file, crop in bar:
                    if file in left_out:
                        rows.append(Row(file, "", None, "excluded"))
                    else:
                        rows.append(
                            _crop_image(source, work, file, crop, plan, no_face, on_bad_image)
                        )
            (work / RECORD).write_bytes(_crops_csv(rows))
            _copy_class_names(source, work)
            if listed := [printable(row.file) for row in rows if row.decision == NO_FACE["list"]]:
                (work / FACELESS).write_text("\n".join([*listed, ""]), "utf-8")
            for name, text in (further or {}).items():
                (work / name).write_text(text, "utf-8")
            if make_room:
                if (out / EXCLUDE).is_file():
                    shutil.copy2(out / EXCLUDE, work)
                make_room(out)
            os.replace(work, out)
    except OSError as error:
        raise UserError(
            f"cannot write {out}: {error.strerror or error}. Check that its folder is writable and "
            "has space left."
        ) from error
    return dict(Counter(row.decision for row in rows))


def recorded_decisions(out: Path) -> dict[str, int]:
    """Returns decision → number of images from the record in a folder of crops."""
    with open(out / RECORD, newline="", encoding="utf-8") as file:
        return dict(Counter(row["decision"] for row in csv.DictReader(file)))


def _check_folders(source: Path, out: Path, *, may_hold_files: bool) -> None:
    """Raises `UserError` if one folder contains the other, or `out` holds files and may not."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; expected the data set's class folders")
    if not may_hold_files and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"{out} {describe_path(out)}: crops are written to a new folder. Give another one, or"
            " move this"
        )
    a, b = source.resolve(), out.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UserError(f"{out} and {source}: one contains the other; give a separate folder")


def _crop_names(files: Sequence[str], source: Path) -> dict[str, str]:
    """Returns file → crop: the path as .png, or with .png appended if two paths would be equal."""
    stems = Counter(Path(file).with_suffix(".png").as_posix().lower() for file in files)
    names = {}
    for file in files:
        crop = Path(file).with_suffix(".png").as_posix()
        names[file] = crop if stems[crop.lower()] == 1 else f"{file}.png"
    repeated = [
        name
        for name, count in Counter(name.lower() for name in names.values()).items()
        if count > 1
    ]
    if repeated:
        raise UserError(f"{source}: two images would both be cropped to {repeated[0]}; rename one")
    return names


def _excluded_files(source: Path, exclude: Path | None, names: dict[str, str]) -> frozenset[str]:
    """Returns the files that the exclude file, or every `exclude.txt` of `source`, leaves out."""
    lists = [path for path in visible_files(source) if path.name == EXCLUDE]
    by_name = {crop: file for file, crop in names.items()} | {file: file for file in names}
    by_name |= {printable(name): file for name, file in by_name.items()}
    left_out: frozenset[str] = frozenset()
    for path in lists if exclude is None else [Path(exclude)]:
        folder = "" if exclude else path.relative_to(source).as_posix().removesuffix(EXCLUDE)
        below = {
            name.removeprefix(folder): file
            for name, file in by_name.items()
            if name.startswith(folder)
        }
        left_out |= excluded(read_exclude(path), by_name | below, path)
    return left_out


def _crop_image(
    source: Path, work: Path, file: str, crop: str, plan: CropPlan, no_face: str, on_bad: str
) -> Row:
    """Crops one image and writes it; returns its row."""
    path = source / file
    try:
        image = read_unresized(path)
    except UserError:
        if on_bad == "error":
            raise
        return Row(file, "", None, "unreadable")
    detected = crop_face(image, plan)
    if detected.image is None and no_face != "keep":
        return Row(file, "", detected, NO_FACE[no_face])
    _write_png(image if detected.image is None else detected.image, work / crop)
    return Row(file, crop, detected, NO_FACE["keep"] if detected.image is None else "cropped")


def _write_png(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path, "PNG")


def _copy_class_names(source: Path, work: Path) -> None:
    """Copies classes.txt, which may be in a folder that an archive was unpacked into."""
    folder: Path | None = source
    while folder is not None:
        if (folder / CLASSES_FILE).is_file():
            copy = work / folder.relative_to(source) / CLASSES_FILE
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / CLASSES_FILE, copy)
        folder = only_folder(folder)


def _crops_csv(rows: Sequence[Row]) -> bytes:
    """Returns the content of `crops.csv`; its names are printable and are no formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue().encode("utf-8")
