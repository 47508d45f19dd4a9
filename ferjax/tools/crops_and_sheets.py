"""`launch.prepare --crops`: a folder of face crops, and beside it a contact sheet of each class."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from ferjax.config.tool_configs import PrepareConfig
from ferjax.data.registry import data_path
from ferjax.errors import UserError
from ferjax.faces.detectors import crop_plan
from ferjax.report.figures.contact_sheet import draw_contact_sheets
from ferjax.runtime.atomic_files import temporary_beside
from ferjax.tools.crop_folder import NO_FACE, RECORD, crop_folder, recorded_decisions

# A folder of crops holds this file until its sheets are drawn; it stores the command's settings.
_UNFINISHED = ".unfinished"
_SETTINGS_OF_CROPS = ("dataset", "data_dir", "detector", "rule", "margin", "align")
_SETTINGS_OF_CROPS += ("no_face", "on_bad_image")


def only_sheets_are_missing(config: PrepareConfig, out: Path) -> bool:
    """Returns whether the same command finished the crops in `out` and was killed afterwards."""
    marker = out / _UNFINISHED
    return marker.is_file() and marker.read_text("utf-8", "replace") == _settings(config)


def _settings(config: PrepareConfig) -> str:
    """Returns the settings that decide the crops, as a line of JSON."""
    return (
        json.dumps({name: getattr(config, name) for name in _SETTINGS_OF_CROPS}, default=str) + "\n"
    )


def write_crops(
    config: PrepareConfig, out: Path, *, make_room: Callable[[Path], None]
) -> list[str]:
    """Writes the folder of face crops, and a second folder with a contact sheet of each class.

    Args:
      config: the flags.
      out: the folder of the crops; the sheets go to `<out>-sheets`.
      make_room: moves an earlier result aside, after the caller has checked that it may.

    Returns:
      Lines to print, the last of which is the path of the crops.

    Raises:
      UserError: the data do not exist, the sheets exist already, no image has a face, or a folder
        cannot be written.
    """
    sheets = out.with_name(f"{out.name}-sheets")
    crops_are_finished = only_sheets_are_missing(config, out)
    counts = (
        recorded_decisions(out) if crops_are_finished else _crops(config, out, sheets, make_room)
    )
    if not {"cropped", NO_FACE["keep"]} & counts.keys():
        (out / _UNFINISHED).unlink()
        decisions = ", ".join(f"{count:,} {decision}" for decision, count in counts.items())
        raise UserError(
            f"no face found in any of {sum(counts.values()):,} images of"
            f" {data_path(config.dataset, config.data_dir)} ({decisions}); see {out / RECORD}."
            " --no_face=keep keeps images without a face whole."
        )
    try:
        if not (crops_are_finished and sheets.exists()):
            make_room(sheets)
            with temporary_beside(sheets) as unfinished:
                draw_contact_sheets(out, unfinished)
                os.replace(unfinished, sheets)
        (out / _UNFINISHED).unlink()
    except OSError as error:
        raise UserError(
            f"{sheets} cannot be written: {error.strerror or error}. The crops are finished; the"
            " same command draws the sheets."
        ) from None
    pages = len([*sheets.rglob("*.png")])
    return [
        *(f"{count:,} images {decision}" for decision, count in counts.items()),
        f"check the {pages} contact sheets in {sheets} and list images that show no face in"
        f" {out / 'exclude.txt'}; training leaves them out",
        str(out),
    ]


def _crops(
    config: PrepareConfig, out: Path, sheets: Path, make_room: Callable[[Path], None]
) -> dict[str, int]:
    """Writes the crops; returns decision → number of images."""
    source = data_path(config.dataset, config.data_dir)
    if source is None:
        raise UserError(f"--dataset={config.dataset}: synthetic faces need no crops.")
    if sheets.exists() and not (config.overwrite and (out / RECORD).is_file()):
        raise UserError(
            f"{sheets} exists already. Nothing was written; give another --out, or --overwrite."
        )
    return crop_folder(
        source,
        out,
        crop_plan(config.detector, rule=config.rule, margin=config.margin, align=config.align),
        no_face=config.no_face,
        on_bad_image=config.on_bad_image,
        progress=config.progress,
        make_room=make_room,
        further={_UNFINISHED: _settings(config)},
    )
