"""A tree of photographs to the same tree of face crops, with a record of every decision."""

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.data.decoding.image_file import image_header, read_image
from ferjax.data.reading.class_folders import holds, image_files
from ferjax.data.splits.bad_images import ON_BAD_IMAGE
from ferjax.data.splits.exclude_file import EXCLUDE, excluded, read_exclude
from ferjax.errors import UserError, unknown_name
from ferjax.faces.crop_face import Crop, CropPlan, crop_face
from ferjax.runtime.progress_bar import tqdm

RECORD, FACELESS = "crops.csv", "no_face.txt"
_COLUMNS = ("file", "crop", "faces", "left", "top", "width", "height", "degrees", "decision")
# What becomes of images without a face → the decision in the record.
NO_FACE = {"keep": "kept whole", "drop": "dropped", "list": "listed"}


@dataclass(frozen=True)
class Row:
    """One line of `crops.csv`: the image, its crop (empty if none), and what was decided."""

    file: str
    crop: str
    found: Crop | None
    decision: str

    def cells(self) -> list[str]:
        """Returns the cells of the line, in the order of its columns."""
        box = ["", "", "", ""] if self.found is None or not self.found.box else self.found.box
        faces = "" if self.found is None else self.found.faces
        degrees = f"{self.found.degrees:.1f}" if self.found and self.found.box else ""
        return [str(c) for c in (self.file, self.crop, faces, *box, degrees, self.decision)]


def crop_folder(
    source: Path,
    out: Path,
    plan: CropPlan,
    *,
    no_face: str = "keep",
    exclude: Path | None = None,
    on_bad_image: str = "error",
    progress: bool = True,
) -> dict[str, int]:
    """Cuts the face out of every image below `source` and writes the same tree of PNGs.

    `out` appears when all is done, or not at all. Beside the crops it holds `crops.csv` (each
    image, its box, faces found, decision) and, with no_face=list, `no_face.txt`.

    Args:
      source: a folder of class folders; anything below it that is an image counts.
      out: the new folder; must not exist or be empty.
      plan: how faces are found and cut.
      no_face: what becomes of images without a face: `keep` (whole), `drop`, or `list` (left out
        and written to `no_face.txt`).
      exclude: list of images to leave out; None: `exclude.txt` in `source`, where there is one.
        Paths may be the images' or their crops'.
      on_bad_image: `error`, or `skip` to leave unreadable images out.
      progress: show a bar on a terminal.

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
    _check_folders(source, out)
    names = _names([p.relative_to(source).as_posix() for p in image_files(source)], source)
    left_out = _left_out(source, exclude, names)
    # Beside `out`, so that moving it there is one step.
    work = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        try:
            work.mkdir(parents=True)
            rows = []
            with tqdm(names.items(), unit="image", disable=None if progress else True) as bar:
                for file, crop in bar:
                    if file in left_out:
                        rows.append(Row(file, "", None, "excluded"))
                    else:
                        rows.append(_one(source, work, file, crop, plan, no_face, on_bad_image))
            (work / RECORD).write_bytes(_record(rows))
            if listed := [row.file for row in rows if row.decision == NO_FACE["list"]]:
                (work / FACELESS).write_text("\n".join([*listed, ""]), "utf-8", "surrogateescape")
            os.replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot write {out}: {error.strerror or error}. Check that its folder is writable and "
            "has space left."
        ) from error
    return dict(Counter(row.decision for row in rows))


def _check_folders(source: Path, out: Path) -> None:
    """Refuses an `out` that holds something, or that lies in `source` or around it."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; expected the data set's class folders")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"{out} {holds(out)}: crops are written to a new folder. Give another one, or move it"
        )
    a, b = source.resolve(), out.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UserError(f"{out} and {source} lie one in the other; give a folder apart from it")


def _names(files: Sequence[str], source: Path) -> dict[str, str]:
    """Returns each file → its crop: the same path as .png, or with .png behind where two meet."""
    stems = Counter(Path(file).with_suffix(".png").as_posix().lower() for file in files)
    names = {}
    for file in files:
        crop = Path(file).with_suffix(".png").as_posix()
        names[file] = crop if stems[crop.lower()] == 1 else f"{file}.png"
    twice = [name for name, n in Counter(name.lower() for name in names.values()).items() if n > 1]
    if twice:
        raise UserError(f"{source}: two images would both be cropped to {twice[0]}; rename one")
    return names


def _left_out(source: Path, exclude: Path | None, names: dict[str, str]) -> frozenset[str]:
    """Returns the files that the list leaves out."""
    if exclude is None and not (source / EXCLUDE).exists():
        return frozenset()
    path = source / EXCLUDE if exclude is None else Path(exclude)
    known = {crop: file for file, crop in names.items()} | {file: file for file in names}
    return excluded(read_exclude(path), known, path)


def _one(
    source: Path, work: Path, file: str, crop: str, plan: CropPlan, no_face: str, on_bad: str
) -> Row:
    """Crops one image and writes it; returns its row."""
    path = source / file
    try:
        image = read_image(path, None, image_header(path)[2])
    except UserError:
        if on_bad == "error":
            raise
        return Row(file, "", None, "unreadable")
    found = crop_face(image, plan)
    if found.image is None and no_face != "keep":
        return Row(file, "", found, NO_FACE[no_face])
    _write(image if found.image is None else found.image, work / crop)
    return Row(file, crop, found, NO_FACE["keep"] if found.image is None else "cropped")


def _write(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path, "PNG")


def _record(rows: Sequence[Row]) -> bytes:
    """Returns `crops.csv`; names that are not Unicode keep their bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
