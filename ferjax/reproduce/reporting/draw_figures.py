"""The figures of a paper, redrawn from our runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ferjax.emotions import EMOTIONS
from ferjax.report.figures.class_histogram import draw_class_histogram
from ferjax.report.figures.confusion_matrix import draw_confusion
from ferjax.report.figures.image_grids import draw_batch
from ferjax.report.figures.per_class_curves import draw_per_class
from ferjax.report.figures.training_curves import draw_curves
from ferjax.reproduce.judging.departures_of_claim import missing_test_notes
from ferjax.reproduce.judging.estimates import Results
from ferjax.reproduce.judging.metrics import confusion_of
from ferjax.reproduce.paper_table import Figure
from ferjax.reproduce.run_result import RunResult


def draw_figures(
    figures: Sequence[Figure], results: Results, folder: Path
) -> dict[str, list[Path]]:
    """Draws every figure whose experiment has been run; returns figure → its pictures.

    Args:
      figures: the figures of a paper.
      results: experiment → its finished runs.
      folder: the folder that gets the pictures.

    Raises:
      UserError: a picture cannot be written.
    """
    files: dict[str, list[Path]] = {}
    for figure in figures:
        runs = results.get(figure.experiment)
        files[figure.name] = _DRAW_KIND[figure.kind](figure, runs, folder) if runs else []
    return files


def what_is_shown(figure: Figure, results: Results, missing: Mapping[str, str]) -> str:
    """Returns the end of a caption: the runs from which a figure is drawn, or why it is not."""
    name = figure.experiment
    runs = results.get(name)
    if not runs:
        return f"not drawn: {name}: {missing.get(name, 'not run yet')}"
    if figure.kind in ("curves", "emotions"):
        return f"seed {runs[0].seed} of {name}"
    notes = "".join(f"; {note}" for note in missing_test_notes(runs[0].facts))
    if figure.kind == "histogram":
        return f"the splits of {name}{notes}"
    if figure.kind == "augmentation":
        return f"drawn faces, then three augmented copies of each, as in {name}"
    if not _matrices(figure, runs):
        return f"not drawn: {name} has no predictions for it"
    printed = "; the printed one first" if figure.matrix else ""
    return f"the sum over {len(runs)} run{'s' * (len(runs) != 1)} of {name}{printed}{notes}"


def _matrices(figure: Figure, runs: Sequence[RunResult]) -> list[np.ndarray]:
    """Returns the confusion matrix of each run that has the predictions."""
    split = figure.split if figure.split in runs[0].splits else "val"
    return [
        confusion_of(predictions.labels, predictions.predicted, len(run.classes))
        for run in runs
        if (predictions := run.predictions.get((split, run.epochs[figure.epoch])))
    ]


def _curves(figure: Figure, runs: Sequence[RunResult], folder: Path) -> list[Path]:
    run, path = runs[0], folder / f"{figure.name}.png"
    starts = (0, run.epochs["phase_1"]) if "phase_1" in run.epochs else (0,)
    draw_curves(run.curves, path, run.epochs["selected"], run.experiment, starts)
    return [path]


def _emotions(figure: Figure, runs: Sequence[RunResult], folder: Path) -> list[Path]:
    run, path = runs[0], folder / f"{figure.name}.png"
    draw_per_class(run.curves, run.classes, path, f"{run.experiment}: emotions on val")
    return [path]


def _confusion(figure: Figure, runs: Sequence[RunResult], folder: Path) -> list[Path]:
    files, matrices = [], _matrices(figure, runs)
    if not matrices:
        return []
    if figure.matrix:
        files.append(folder / f"{figure.name}-printed.png")
        draw_confusion(np.array(figure.matrix), figure.classes, files[0], "as printed")
    split = figure.split if figure.split in runs[0].splits else "val"
    files.append(folder / f"{figure.name}.png")
    title = f"{runs[0].experiment}: {split}, {figure.epoch} epoch"
    draw_confusion(np.sum(matrices, 0), runs[0].classes, files[-1], title)
    return files


def _histogram(figure: Figure, runs: Sequence[RunResult], folder: Path) -> list[Path]:
    run, path = runs[0], folder / f"{figure.name}.png"
    counts = {split: part["classes"] for split, part in run.splits.items()}
    draw_class_histogram(counts, path, f"{run.facts.get('dataset', '')}: images of each class")
    return [path]


def _augmentation(figure: Figure, runs: Sequence[RunResult], folder: Path) -> list[Path]:
    """Draws eight synthetic faces and three augmented copies of each: a report shows no person."""
    import jax.numpy as jnp

    from ferjax.data.synthetic.load_synthetic import render_faces
    from ferjax.images.augmented_input import augment
    from ferjax.images.preprocess import denormalize
    from ferjax.runtime.random_keys import stream_key
    from ferjax.specs import InputSpec

    kind, path = str(runs[0].facts["config"]["augment"]), folder / f"{figure.name}.png"
    labels, side = np.arange(8), 72
    faces = render_faces(labels, labels + 3, side)
    spec = InputSpec((side, side), side, 3, (0.0,) * 3, (1.0,) * 3)
    views = [faces / 255.0]
    for number in range(3):
        key = stream_key(0, "augment", number)
        inputs = augment(jnp.asarray(faces), spec, kind, key, jnp.asarray(labels))
        views.append(np.asarray(denormalize(inputs, spec)))
    images = np.concatenate(views)
    draw_batch(images, np.tile(labels, 4), EMOTIONS, path, f"augmentation {kind}")
    return [path]


_Draw = Callable[[Figure, Sequence[RunResult], Path], list[Path]]
_DRAW_KIND: dict[str, _Draw] = {
    "curves": _curves,
    "emotions": _emotions,
    "confusion": _confusion,
    "histogram": _histogram,
    "augmentation": _augmentation,
}
