"""`launch.explain --split`: mean maps, the most certain faces, faithfulness, sanity check."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferjax.config.explain_config import ExplainConfig
from ferjax.errors import UserError
from ferjax.explain.compare_maps import Curves, compared_curves
from ferjax.explain.explainer import Explainer, load_explainer
from ferjax.explain.methods import METHODS, OF_A_LAYER, to_unit_range
from ferjax.explain.randomised_weights import similarity_to_randomised
from ferjax.explain.reporting.class_means import ClassMean, class_mean, draw_class_means
from ferjax.explain.reporting.curves_figure import draw_curves
from ferjax.explain.reporting.sheet import Shown, draw_sheet
from ferjax.explain.reporting.split_faces import SplitFaces, load_split_faces, sample
from ferjax.explain.reporting.split_page import page_parts, page_values
from ferjax.report.figures.image_grids import percent
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages.report_files import to_json_types
from ferjax.runs.finished_runs.load_network import network_source
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.new_folder import check_new_folder, filled_when_complete
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say

# Number of faces in an emotion's row of the sheet, and in the check with randomised weights.
_SHEET_COLUMNS, _CHECKED = 6, 64


def explain_split(config: ExplainConfig) -> str:
    """Explains a split of a data set; returns a summary of one line.

    Writes `explain.md` with `explain.html`, `explain.json`, `class_means.png`, `emotions.png` and
    `curves.png`.

    Args:
      config: the flags, with a split.

    Raises:
      UserError: a mistake in the flags, no such data, or no face that the network classifies
        correctly.
    """
    out = check_new_folder(Path(config.out))
    source = network_source(config.workdir, config.weights)
    explainer = load_explainer(source, config.checkpoint, config.batch_size)
    explainer.find_layer(config.method, config.layer)
    data = load_split_faces(config, explainer, source)
    with filled_when_complete(out) as folder:
        faces = _write_all(folder, config, explainer, data)
    return f"{out / 'explain.md'}: {len(data.split):,} faces, {faces:,} of them for the curves"


def _write_all(folder: Path, config: ExplainConfig, explainer: Explainer, data: SplitFaces) -> int:
    """Writes pictures and page into an empty folder; returns the number of faces of the curves."""
    say(f"mean maps of at most {config.images:,} faces of each emotion", config.progress)
    means, certain_faces = _emotions(config, explainer, data)
    title = f"{explainer.predictor.source} on {data.split.name}: {config.method}"
    draw_class_means(means, folder / "class_means.png", f"{title}, mean of each emotion")
    sheet_title = f"{title}, the most certain faces"
    draw_sheet(certain_faces, folder / "emotions.png", sheet_title, _SHEET_COLUMNS)
    # The order is random, so that the neighbour of a face, whose map is a control, is any face.
    positions = sample(len(data.split), config.images)
    faces = list(data.split.read(positions))
    targets = data.probabilities[positions].argmax(-1)
    say(
        f"curves of {len(faces):,} faces (--images) by {len(_methods(explainer))} methods",
        config.progress,
    )
    curves = _curves(config, explainer, faces, targets)
    draw_curves(curves, folder / "curves.png", f"{title.split(':')[0]}: deletion and insertion")
    say("the check with randomised weights", config.progress)
    similarities = {
        method: similarity_to_randomised(
            explainer, faces[:_CHECKED], targets[:_CHECKED], method, _layer_of(config, method)
        )
        for method in _methods(explainer)
    }
    values = page_values(config, explainer, data, len(faces), curves, similarities)
    write_markdown_page(folder / "explain.md", "\n\n".join(page_parts(values)) + "\n")
    encoded = json.dumps(to_json_types(values), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "explain.json", encoded)
    return len(faces)


def _methods(explainer: Explainer) -> list[str]:
    """Returns the methods that can explain the network."""
    return [method for method in METHODS if explainer.layers or method not in OF_A_LAYER]


def _layer_of(config: ExplainConfig, method: str) -> str | None:
    return config.layer if method in OF_A_LAYER else None


def _emotions(
    config: ExplainConfig, explainer: Explainer, data: SplitFaces
) -> tuple[list[ClassMean], list[tuple[str, list[Shown]]]]:
    """Returns the mean face and map of each emotion, and the rows of its most certain faces.

    Only faces that the network classifies correctly are used.
    """
    predicted, classes = data.probabilities.argmax(-1), explainer.predictor.classes
    layer = explainer.find_layer(config.method, config.layer)
    means: list[ClassMean] = []
    rows: list[tuple[str, list[Shown]]] = []
    disable = None if config.progress else True
    for index, emotion in enumerate(tqdm(classes, desc="mean maps", disable=disable)):
        correct = np.flatnonzero((data.split.labels == index) & (predicted == index))
        if not len(correct):
            continue
        drawn = correct[np.sort(sample(len(correct), config.images))]
        means.append(
            class_mean(explainer, emotion, data.split.read(drawn), config.method, config.layer)
        )
        certainty = data.probabilities[correct, index]
        best = correct[np.argsort(-certainty, kind="stable")[:_SHEET_COLUMNS]]
        faces = data.split.read(best)
        targets = np.full(len(best), index)
        maps = to_unit_range(explainer.importance(list(faces), targets, config.method, layer))
        captions = [percent(float(p)) for p in data.probabilities[best, index]]
        names = [str(data.split.ids[int(k)]) for k in best]
        rows.append((emotion, [*map(Shown, faces, maps, captions, names)]))
    if not means:
        raise UserError(
            f"--split={config.split}: the network names none of {len(predicted):,} faces right, so"
            " there is nothing to average. Explain single files instead."
        )
    return means, rows


def _curves(
    config: ExplainConfig, explainer: Explainer, faces: Sequence[np.ndarray], targets: np.ndarray
) -> dict[str, Curves]:
    """Returns the curves of controls and methods by name."""
    methods = _methods(explainer)
    total = 3 + 2 * len(methods)  # three controls; each method with its own and with shifted maps
    curves_by_name: dict[str, Curves] = {}
    pairs = compared_curves(explainer, faces, targets, methods, config.layer)
    disable = None if config.progress else True
    for name, curves in tqdm(pairs, total=total, desc="curves", disable=disable):
        curves_by_name[name] = curves
    return curves_by_name
