"""`launch.explain FILES`: a picture of each face with its map over it, a sheet, and a page."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ferjax.config.explain_config import ExplainConfig
from ferjax.errors import UserError, printable
from ferjax.explain.explainer import Explainer, load_explainer
from ferjax.explain.layers import LayerMap
from ferjax.explain.methods import to_unit_range
from ferjax.explain.overlay import legible_overlay
from ferjax.explain.reporting.method_notes import describe_method
from ferjax.explain.reporting.sheet import Shown, draw_sheet
from ferjax.faces.detectors import crop_plan
from ferjax.predict.annotate import emotion_label
from ferjax.predict.decode_ahead import read_inputs_ahead
from ferjax.predict.inputs import UNREADABLE, Input, list_inputs
from ferjax.predict.predict_inputs import PredictSettings, rows_and_faces
from ferjax.predict.rows import NO_FACE, Row
from ferjax.report.figures.style import encode_png
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.report.pages.report_files import to_json_types
from ferjax.runs.finished_runs.load_network import network_source
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.new_folder import check_new_folder, filled_when_complete
from ferjax.runtime.progress_bar import tqdm

# Size of the sheet: 8 rows of 6 faces.
_SHEET_ROWS, _SHEET_COLUMNS = 8, 6
_NO_MAP = "no map: nothing in the face speaks for this emotion"


class _Face(NamedTuple):
    """A face to explain: its row of `launch.predict`, and its pixels uint8 [h, w, 1 or 3]."""

    row: Row
    image: np.ndarray


def explain_files(config: ExplainConfig, words: Sequence[str], listed: Iterable[str] = ()) -> str:
    """Explains the faces that the words name; returns a summary of one line.

    Writes `NNNN-name.png` for each face, `sheet.png` of the first ones, `explain.md` with
    `explain.html`, and `explain.json`.

    Args:
      config: the flags.
      words: as `launch.predict` takes them.
      listed: lines of a list, for the word `-`.

    Raises:
      UserError: a mistake in flags or words, before the first image is read; no face in any image;
        with `--on_bad_image=error` an image that cannot be read. In all cases nothing is written.
    """
    out = check_new_folder(Path(config.out))
    inputs = list_inputs(words, listed, [out])
    source = network_source(config.workdir, config.weights)
    explainer = load_explainer(source, config.checkpoint, config.batch_size)
    layer = explainer.find_layer(config.method, config.layer)
    target = None if config.emotion is None else explainer.class_index(config.emotion)
    with filled_when_complete(out) as folder:
        rows, sheet = _write_pictures(folder, explainer, inputs, config, layer, target)
        if not rows:
            raise UserError(
                f"{' '.join(words)}: no face in {len(inputs):,} inputs, so nothing was written."
                " --faces=whole takes every picture for a face."
            )
        sheet_rows = [("", faces) for faces in _batches(iter(sheet), _SHEET_COLUMNS)]
        columns = min(_SHEET_COLUMNS, len(sheet))
        title = f"{explainer.predictor.source}: {config.method}"
        draw_sheet(sheet_rows, folder / "sheet.png", title, max(2, columns))
        _write_page(folder, explainer, config, rows)
    return f"{out}: {len(rows):,} faces of {len(inputs):,} inputs explained by {config.method}"


def _write_pictures(
    folder: Path,
    explainer: Explainer,
    inputs: Sequence[Input],
    config: ExplainConfig,
    layer: LayerMap | None,
    target: int | None,
) -> tuple[list[dict[str, Any]], list[Shown]]:
    """Writes a picture of each face; returns the rows of all faces, and the first for the sheet.

    Args:
      folder: the folder for the pictures.
      explainer: the explainer of the network.
      inputs: the inputs to read.
      config: the flags.
      layer: a layer of the network, for the methods that need one.
      target: the class to explain, None for the most probable class of each face.
    """
    classes = explainer.predictor.classes
    rows: list[dict[str, Any]] = []
    sheet: list[Shown] = []
    bar = tqdm(total=len(inputs), unit="input", disable=None if config.progress else True)
    with bar:
        for batch in _batches(_faces(inputs, config, bar), config.batch_size):
            images = [face.image for face in batch]
            probabilities = explainer.predictor.probabilities(images)
            best = probabilities.argmax(-1)
            targets = best if target is None else np.full(len(images), target)
            maps = to_unit_range(explainer.importance(images, targets, config.method, layer))
            for face, heat, scores, index in zip(batch, maps, probabilities, targets, strict=True):
                name = _picture_name(len(rows), face.row)
                picture = Image.fromarray(legible_overlay(face.image, heat))
                write_atomically(folder / name, encode_png(picture), look_for_leftovers=False)
                rows.append(
                    {
                        "picture": name,
                        "file": face.row.file,
                        "face": face.row.face,
                        "box": face.row.box,
                        "explained": classes[index],
                        "probabilities": dict(zip(classes, scores.round(4).tolist(), strict=True)),
                        "note": "" if heat.any() else _NO_MAP,
                    }
                )
                if len(sheet) < _SHEET_ROWS * _SHEET_COLUMNS:
                    caption = _caption(scores, classes, int(index))
                    sheet.append(Shown(face.image, heat, caption, _sheet_name(face.row, heat)))
    return rows, sheet


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yields lists of `size` items; the last list may be shorter."""
    while batch := list(islice(items, size)):
        yield batch


def _faces(inputs: Sequence[Input], config: ExplainConfig, bar: Any) -> Iterator[_Face]:
    """Yields the faces in all inputs; prints the inputs that have none or cannot be read."""
    plan = None if config.faces == "whole" else crop_plan(config.detector)
    settings = PredictSettings(plan, config.faces == "crop")
    for source, picture in zip(inputs, read_inputs_ahead(inputs), strict=True):
        for row, face in rows_and_faces(source, picture, settings):
            if face is not None:
                yield _Face(row, face)
            elif row.status == UNREADABLE:
                if config.on_bad_image == "error":
                    raise UserError(f"{row.reason}. --on_bad_image=skip leaves it out.")
                print(f"warning: {row.reason or row.file}; it is left out", file=sys.stderr)
            elif row.status == NO_FACE:
                print(f"note: {printable(row.file)}: no face was found", file=sys.stderr)
        bar.update()


def _picture_name(number: int, row: Row) -> str:
    """Returns a unique file name for a face: its number, and the valid part of the input's name."""
    stem = re.sub(r"[^\w.-]+", "_", Path(row.file).stem, flags=re.ASCII)[-80:]
    return f"{number:04d}-{stem}{'' if row.face is None else f'-face{row.face}'}.png"


def _caption(probabilities: np.ndarray, classes: Sequence[str], explained: int) -> str:
    """Returns the predicted emotion, after the explained emotion if that is another one."""
    label = emotion_label(probabilities.tolist(), classes)
    if explained == probabilities.argmax():
        return label
    return f"{classes[explained]} {100 * probabilities[explained]:.0f} % ({label})"


def _sheet_name(row: Row, heat: np.ndarray) -> str:
    """Returns the second line below a face of the sheet: a note if it has no map, number, file."""
    face = "" if row.face is None else f"face {row.face} of "
    return f"{'' if heat.any() else 'no map: '}{face}{printable(Path(row.file).name)}"


def _share(row: Mapping[str, Any], emotion: str) -> str:
    return f"{100 * row['probabilities'][emotion]:.0f} %"


def _write_page(
    folder: Path, explainer: Explainer, config: ExplainConfig, rows: Sequence[dict[str, Any]]
) -> None:
    """Writes `explain.md` and `explain.json`."""
    facts = describe_method(explainer, config.method, config.layer)
    cells = []
    for row in rows:
        best = max(row["probabilities"], key=lambda name: row["probabilities"][name])
        face = "" if row["face"] is None else str(row["face"])
        emotions = [f"{escape(name)} {_share(row, name)}" for name in (row["explained"], best)]
        names = [escape(row["picture"]), escape(printable(row["file"])), face]
        cells.append([*names, *emotions, row["note"]])
    header = ["picture", "input", "face", "explained", "most probable", "note"]
    # The columns "face" and "note" are left out if they are empty: only faces that were cut out
    # have a number, and few faces have no map.
    kept = [k for k in range(len(header)) if k not in (2, 5) or any(row[k] for row in cells)]
    cells = [[row[k] for k in kept] for row in cells]
    header = [header[k] for k in kept]
    parts = [
        f"# What {escape(explainer.predictor.source)} looks at",
        "\n".join(f"- {escape(line)}" for line in facts),
        "![The first faces beside their maps](sheet.png)",
        "*Below each face is the emotion that is explained, in brackets the most probable one where"
        " it is another.*",
        table(header, cells, numbers_from=len(header)),
    ]
    write_markdown_page(folder / "explain.md", "\n\n".join(parts) + "\n")
    report = {"network": explainer.predictor.network, "method": facts, "faces": list(rows)}
    encoded = json.dumps(to_json_types(report), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "explain.json", encoded)
