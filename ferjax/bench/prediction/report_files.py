"""Report of the suite `predict`: bench.md, bench.html, bench.json, and the terminal's tables."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ferjax.bench.measuring.case import OURS
from ferjax.bench.measuring.case_result import median, peers_of, speedup
from ferjax.bench.prediction.results import PredictionResult
from ferjax.bench.prediction.video_score import VideoScore
from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import (
    environment,
    escaped_table,
    notes_section,
    write_suite_report,
)
from ferjax.report.pages.markdown_tables import percentage

_EXPLANATION = """\
*Crops*: ferjax's side is all of `launch.predict` but the start of its process: listing the folder,
decoding, the network, the journal, the table. *The network alone* is the same compiled network on
faces in memory. PyTorch (channels_last) and onnxruntime (of the network that
PyTorch exports) decode with Pillow in as many threads, while the network computes; they write
nothing. A ratio above 1 means that ferjax is faster: the median of the ratios of all rounds, in
which the sides take turns. *One face* is a call with one picture in memory; the sides take turns
after every hundred calls. *Photographs*: a face is found by a box about its nose of half to twice
its height. *The video* shows three drawn persons, two of whom hide each other when they cross; a
person of the table is *mixed* if it is more than one of them. Memory is that of the process that
predicts: its growth is the largest in the second half of the time less the largest in the quarter
before."""
_CROPS, _FACE, _DETECTORS = "Face crops in a folder", "One face", "Photographs"
_VIDEO = "A made video of 1280x720 pixels"


def write_prediction(folder: Path, result: PredictionResult, seconds: float) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      result: the measurements so far.
      seconds: wall time.

    Raises:
      UserError: a file cannot be written.
    """
    parts = [_EXPLANATION]
    for title, cells in _tables(result).items():
        parts += [f"## {title}", escaped_table(cells, 2)]
    parts += notes_section([*result.notes, *_mistakes(result)])
    write_suite_report(folder, environment(seconds), result.to_json(), "Prediction", parts)


def prediction_tables(result: PredictionResult) -> str:
    """Returns the results as aligned columns of text, and the notes."""
    tables = [f"{title}\n{aligned(cells)}" for title, cells in _tables(result).items()]
    return "\n\n".join([*tables, *(f"note: {note}" for note in result.notes)])


def _tables(result: PredictionResult) -> dict[str, list[list[str]]]:
    """Returns title → header and rows, for each part that has been measured."""
    tables = {
        _CROPS: _crop_cells(result) if result.crops else [],
        _FACE: _latency_cells(result) if result.latencies else [],
        _DETECTORS: _detector_cells(result) if result.detectors else [],
        _VIDEO: _video_cells(result.video) if result.video else [],
    }
    return {title: cells for title, cells in tables.items() if cells}


def _crop_cells(result: PredictionResult) -> list[list[str]]:
    peers = peers_of(result.crops)
    rows = [["case", "files", f"{OURS}, faces/s", *(f"vs {peer}" for peer in peers)]]
    for case in result.crops:
        rate = (case.images or 0) / (median(case, OURS) or 1)
        ratios = [speedup(case, peer) for peer in peers]
        ratio_cells = ["–" if ratio is None else f"{ratio:.2f}x" for ratio in ratios]
        rows.append([case.name, case.shape, f"{rate:,.0f}", *ratio_cells])
    return rows


def _latency_cells(result: PredictionResult) -> list[list[str]]:
    rows = [["network", "side", "calls", "median", "99 of 100 within"]]
    return rows + [
        [each.network, each.side, f"{each.calls:,}", f"{each.p50:.2f} ms", f"{each.p99:.2f} ms"]
        for each in result.latencies
    ]


def _detector_cells(result: PredictionResult) -> list[list[str]]:
    rows = [["detector", "photographs", "faces found", "recall", "precision", "a photograph"]]
    return rows + [
        [
            score.detector,
            f"{result.photographs}",
            f"{score.found} of {score.faces}, {score.boxes} boxes",
            percentage(score.recall, 1),
            percentage(score.precision, 1),
            f"{1000 * score.seconds:.0f} ms",
        ]
        for score in result.detectors
    ]


def _video_cells(video: VideoScore) -> list[list[str]]:
    return [
        ["measured", "value"],
        ["frames in the video", f"{video.frames:,}"],
        ["frames in the table, at the stream's times", f"{video.table.frames:,}"],
        ["frames a second, all of the process", f"{video.rate:.1f}"],
        ["frames a second, decoding alone", f"{video.decoding:.0f}"],
        ["memory in its second half", f"{video.largest_bytes / 1e6:.0f} MB"],
        ["growth of memory", f"{video.growth / 1e6:+.0f} MB"],
        ["persons in the table, of 3", f"{video.table.persons}"],
        ["mixed persons", f"{video.table.mixed}"],
        ["persons found, of all in all frames", percentage(video.table.found, 1)],
    ]


def _mistakes(result: PredictionResult) -> list[str]:
    """Returns for each detector the photographs of missed faces and of false alarms."""
    return [
        f"{score.detector}: missed in {_counted(score.missed)}; no face in"
        f" {_counted(score.false_alarms)}"
        for score in result.detectors
    ]


def _counted(names: Iterable[str]) -> str:
    counts = Counter(names)
    return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in counts.items()) or "none"
