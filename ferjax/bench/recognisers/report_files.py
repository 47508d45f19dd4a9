"""Report of the suite `recognisers`: bench.md, bench.html, bench.json, and the terminal's table."""

from pathlib import Path

from ferjax.bench.recognisers.peers import BEST_PREPROCESSING, OWN_PREPROCESSING
from ferjax.bench.recognisers.recogniser import BEST
from ferjax.bench.recognisers.results import SuiteResult
from ferjax.bench.recognisers.scored_faces import Score
from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import (
    environment,
    escaped_table,
    notes_section,
    write_suite_report,
)
from ferjax.report.pages.markdown_tables import escape, percentage, table

_EXPLANATION = """\
All recognisers name the same faces; only emotions that all of them have are scored, with their
probabilities renormalised. Accuracy stands with its 95 % Wilson interval; the mean of the classes
is that of the recalls. *Faces per core-second* is processor time, of all cores together, in batches
of up to 256 faces; *one face* is the wall time of a call with a single face. Both are medians of
rounds in which the recognisers take turns, and include the preprocessing. fer runs in TFLite, as
in its library, one face after the other, which is its fastest way. The networks of the other peers
run in ferjax's own operations instead of TensorFlow.js, so that their times say nothing of their
libraries."""


def write_recognisers(folder: Path, result: SuiteResult, seconds: float) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      result: the results of the suite.
      seconds: wall time.

    Raises:
      UserError: a file cannot be written.
    """
    record = {
        "faces": result.faces,
        "preprocessing": {"own": OWN_PREPROCESSING, "best": BEST_PREPROCESSING},
        "notes": result.notes,
        "recognisers": [entry.to_json() for entry in result.results],
    }
    recall = _recall_cells(result)
    parts = [_EXPLANATION, escaped_table(_cells(result), 2)]
    parts += ["## Recall by emotion", table(recall[0], recall[1:], 3)]
    parts += ["## Preprocessing", _preprocessing(result)]
    parts += notes_section(result.notes)
    title = "Recognisers on the same faces"
    write_suite_report(folder, environment(seconds), record, title, parts)


def recognisers_table(result: SuiteResult) -> str:
    """Returns the results as aligned columns of text, and the notes."""
    rows = [[" ".join(row[:2]).strip(), *row[2:]] for row in _cells(result)]
    return "\n".join([aligned(rows), *(f"note: {note}" for note in result.notes)])


def _cells(result: SuiteResult) -> list[list[str]]:
    header, rows = ["recogniser", "preprocessing"], []
    for name in result.faces:
        # All recognisers scored the same faces.
        first = result.results[0].scores[name]
        header += [f"{name}, {len(first.classes)} emotions, n={first.faces:,}", "mean of classes"]
    for entry in result.results:
        scores = [cell for name in result.faces for cell in _score_cells(entry.scores[name])]
        times = f"{entry.faces_per_core_second:,.0f}", f"{entry.milliseconds:.2f} ms"
        rows.append([entry.name, entry.preprocessing, *scores, *times])
    return [[*header, "faces per core-second", "one face"], *rows]


def _score_cells(score: Score) -> tuple[str, str]:
    low, high = (f"{100 * edge:.1f}" for edge in score.interval)
    accuracy = percentage(score.accuracy, 1)
    return f"{accuracy} ({low} to {high})", percentage(score.mean_class_accuracy, 1)


def _recall_cells(result: SuiteResult) -> list[list[str]]:
    first = result.results[0].scores
    classes = [*dict.fromkeys(name for score in first.values() for name in score.classes)]
    rows = [
        [
            escape(name),
            escape(entry.name),
            entry.preprocessing,
            *(percentage(entry.scores[name].recall.get(c), 1) for c in classes),
        ]
        for name in result.faces
        for entry in result.results
    ]
    return [["faces", "recogniser", "preprocessing", *classes], *rows]


def _preprocessing(result: SuiteResult) -> str:
    names = dict.fromkeys(entry.name for entry in result.results if entry.preprocessing)
    lines = [f"- {name}, own: {OWN_PREPROCESSING[name]}." for name in names]
    return "\n".join([*lines, f"- {BEST}: {BEST_PREPROCESSING}."])
