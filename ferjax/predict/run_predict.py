"""Runs `launch.predict`: from the flags and words of its command line to a table."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError, on_terminal
from ferjax.faces.detectors import crop_plan
from ferjax.predict.annotate import annotator, check_copies
from ferjax.predict.command_record import command_record
from ferjax.predict.decode_ahead import are_large
from ferjax.predict.inputs import UNREADABLE, Input, list_inputs, part_of_inputs
from ferjax.predict.journal import (
    check_is_new,
    goes_on,
    journal_path,
    journal_rows,
    open_journal,
)
from ferjax.predict.predict_inputs import (
    LARGEST_FACE_PICTURE,
    PredictSettings,
    predict_inputs,
)
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.predict.result_places import (
    check_new_results,
    check_outside,
    check_results,
    own_places,
)
from ferjax.predict.rows import (
    NO_FACE,
    READ,
    Row,
    TableColumns,
    from_json,
    to_json,
)
from ferjax.predict.table_files import csv_text, write_table
from ferjax.predict.table_summary import write_table_summary
from ferjax.runtime.progress_bar import tqdm

# Inputs of a chunk where faces are searched in photographs, or copies are drawn. A chunk takes
# seconds.
_CHUNK_OF_PHOTOGRAPHS = 16
# Key of the number of found faces, beside the numbers of rows with each status.
_FACES = "faces"


def run_predict(
    config: PredictConfig,
    words: Sequence[str],
    listed: Iterable[str] = (),
    predictors: Sequence[Predictor] = (),
) -> str:
    """Predicts the inputs that the words name, writes the table and returns a summary line.

    Without `config.out` the table goes to standard output, chunk by chunk, and the summary line is
    empty.

    Args:
      config: the flags.
      words: see `list_inputs`.
      listed: lines of the list that the word `-` stands for.
      predictors: networks that replace those that the flags name.

    Raises:
      UserError: a mistake in flags or words, before the first image is read; with
        `on_bad_image=error` the first image that cannot be read.
      KeyboardInterrupt: stopped by the user; a line on standard error says how to continue.
    """
    for flag in ("every", "smooth"):
        if getattr(config, flag) != getattr(PredictConfig, flag):
            raise UserError(f"--{flag}: only for videos, and no video is named. Leave it out.")
    out = check_results(config)
    inputs: Sequence[Input] = list_inputs(words, listed, own_places(config))
    if config.part is not None:
        check_outside(config, words)
        inputs = part_of_inputs(inputs, config.part)
    predictors = predictors or _predictors(config)
    chunk = _chunk_size(config, inputs)
    command = command_record(config, predictors, inputs, chunk)
    continued = out is not None and goes_on(out, command)
    if not continued:
        check_new_results(config)
    settings = _settings(config, predictors, inputs, chunk, continued)
    columns = TableColumns(
        predictors[0].classes, faces=config.faces != "whole", sets=config.sets is not None
    )
    report = _reporter(config)
    if out is None:
        for number, rows in enumerate(predict_inputs(predictors, inputs, settings)):
            text = csv_text(rows, columns, header=number == 0)
            sys.stdout.write(on_terminal(text) if sys.stdout.isatty() else text)
            report(rows)
        return ""
    with open_journal(out, command) as journal:
        done = min(journal.chunks * chunk, len(inputs))
        counts = _counts(_rows(out) if done else ())
        if config.on_bad_image == "error":
            # The rows of an earlier command, which may have skipped unreadable images.
            report([row for row in _rows(out) if row.status == UNREADABLE] if done else [])
        bar = tqdm(total=len(inputs), unit="input", disable=None if config.progress else True)
        with bar:
            bar.update(done)
            try:
                for rows in predict_inputs(predictors, inputs, settings, journal.chunks):
                    report(rows)
                    counts += _counts(rows)
                    journal.add(to_json(rows), None)
                    bar.update(min(chunk, len(inputs) - done))
                    done = min(done + chunk, len(inputs))
            except KeyboardInterrupt:
                progress = f"{done:,} of {len(inputs):,} inputs are done"
                print(f"{progress}; the same command goes on from there", file=sys.stderr)
                raise
        faces = counts.pop(_FACES, 0)
        if config.summary:
            page = Path(config.summary)
            write_table_summary(page, _rows(out), inputs, counts, faces, columns.classes)
        check_is_new(out)
        write_table(_rows(out), columns, out)
        with suppress(OSError):
            journal_path(out).unlink()
    return _summary(out, len(inputs), counts, faces)


def _predictors(config: PredictConfig) -> list[Predictor]:
    """Returns the networks that the flags name.

    Raises:
      UserError: no such network, or networks with other classes.
    """
    # As paths: a run directory may have the name of a shipped recogniser.
    sources: Sequence[Any] = [Path(run) for run in config.workdir] or [config.weights]
    arguments = config.checkpoint, config.batch_size, config.tta
    predictors = [load_predictor(source, *arguments) for source in sources]
    for other in predictors[1:]:
        if other.classes != predictors[0].classes:
            raise UserError(
                f"--workdir: {predictors[0].source} names {', '.join(predictors[0].classes)}, and"
                f" {other.source} {', '.join(other.classes)}. Only networks with the same classes"
                " can be averaged."
            )
    return predictors


def _chunk_size(config: PredictConfig, inputs: Sequence[Input]) -> int:
    """Returns the number of inputs of a chunk."""
    slow = config.annotate or (config.faces != "whole" and are_large(inputs))
    return _CHUNK_OF_PHOTOGRAPHS if slow else PredictSettings.chunk


def _settings(
    config: PredictConfig,
    predictors: Sequence[Predictor],
    inputs: Sequence[Input],
    chunk: int,
    continued: bool,
) -> PredictSettings:
    """Returns the settings of the prediction; checks `--sets` and `--annotate`."""
    if config.sets is not None and len(predictors) > 1:
        raise UserError(
            f"--sets={config.sets}: the mean of several networks is not calibrated. Name one."
        )
    annotate = None
    if config.annotate:
        check_copies([each.name for each in inputs if not each.status], Path(config.annotate))
        annotate = annotator(Path(config.annotate), predictors[0].classes, goes_on=continued)
    return PredictSettings(
        None if config.faces == "whole" else crop_plan(config.detector),
        config.faces == "crop",
        None if config.sets is None else predictors[0].set_threshold(config.sets),
        chunk,
        annotate,
    )


def _reporter(config: PredictConfig) -> Callable[[Sequence[Row]], None]:
    """Returns a function that prints unreadable images, and notes once that faces are searched.

    The function raises `UserError` for the first unreadable image with `on_bad_image=error`.
    """
    is_noted = config.faces != "auto"

    def report(rows: Sequence[Row]) -> None:
        nonlocal is_noted
        if not is_noted and any(row.face is not None or row.status == NO_FACE for row in rows):
            is_noted = True
            print(
                f"note: in pictures larger than {LARGEST_FACE_PICTURE} pixels faces are searched"
                f" ({config.detector}); smaller ones are taken for faces. --faces=whole or"
                " --faces=crop treats all alike.",
                file=sys.stderr,
            )
        for row in rows:
            if row.status == UNREADABLE:
                if config.on_bad_image == "error":
                    raise UserError(f"{row.reason}. --on_bad_image=skip gives it an empty row.")
                print(f"warning: {row.reason}; its row is empty", file=sys.stderr)

    return report


def _counts(rows: Iterable[Row]) -> Counter[str]:
    """Returns the number of rows with each status, and under `_FACES` the number of found faces."""
    counts = Counter[str]()
    for row in rows:
        counts[row.status] += 1
        counts[_FACES] += row.face is not None
    return counts


def _rows(out: Path) -> Iterator[Row]:
    return journal_rows(out, from_json)


def _summary(out: Path, inputs: int, counts: Counter[str], faces: int) -> str:
    parts = [f"{counts[READ]:,} rows with emotions", f"{faces:,} of them faces found"]
    for status, count in counts.items():
        if status != READ:
            parts.append(f"{count:,} {status}")
    return f"{out}: {inputs:,} inputs; {', '.join(parts)}"
