"""The page of `launch.explain --split`: the explained data, and tests of the maps' faithfulness."""

from collections.abc import Mapping
from typing import Any

from ferjax.config.explain_config import ExplainConfig
from ferjax.explain.compare_maps import (
    ANOTHER_FACE,
    GAUSSIAN,
    PATCHES,
    PIXELS,
    Curves,
    improvement,
)
from ferjax.explain.explainer import Explainer
from ferjax.explain.replaced_pixels import FILLS
from ferjax.explain.reporting.method_notes import describe_method
from ferjax.explain.reporting.split_faces import SplitFaces
from ferjax.report.pages.markdown_tables import escape, table

_FILL_TEXTS = {"mean": "the face's mean colour", "blur": "the blurred face"}
_CURVES = ("deletion", "insertion")


def page_values(
    config: ExplainConfig,
    explainer: Explainer,
    data: SplitFaces,
    count: int,
    curves: Mapping[str, Curves],
    similarities: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Returns the values of `explain.json`.

    Args:
      config: the flags.
      explainer: the explainer of the network.
      data: the faces of the split.
      count: number of faces of the curves.
      curves: {name: curves} of controls and methods, from `compared_curves`.
      similarities: {method: similarities}, from `similarity_to_randomised`.
    """
    areas = {
        name: {
            fill: dict(zip(_CURVES, face_curves.areas(fill).mean(-1).tolist(), strict=True))
            for fill in FILLS
        }
        for name, face_curves in curves.items()
    }
    differences: dict[str, Any] = {}
    for method in similarities:
        controls = {name: name for name in (GAUSSIAN, PATCHES, PIXELS)}
        controls[ANOTHER_FACE] = f"{method} of {ANOTHER_FACE}"
        differences[method] = {
            fill: {
                control: dict(
                    zip(_CURVES, improvement(curves[method], curves[name], fill), strict=True)
                )
                for control, name in controls.items()
            }
            for fill in FILLS
        }
    return {
        "network": explainer.predictor.network,
        "source": explainer.predictor.source,
        "data": data.source,
        "faces": len(data.split),
        "faces_of_curves": count,
        "notes": list(data.notes),
        "method": config.method,
        "description": describe_method(explainer, config.method, config.layer),
        "areas": areas,
        "better_than": differences,
        "rank_correlation_with_randomised": {k: dict(v) for k, v in similarities.items()},
    }


def page_parts(values: Mapping[str, Any]) -> list[str]:
    """Returns the Markdown parts of `explain.md` from the values of `page_values`."""
    facts = [*values["description"], f"Faces: {values['data']}, {values['faces']:,} images."]
    facts += [f"Note: {note}" for note in values["notes"]]
    parts = [
        f"# What {escape(values['source'])} looks at",
        "\n".join(f"- {escape(fact)}" for fact in facts),
        "## Each emotion",
        "Above, the mean map of the faces that the network names right, on their mean face. Below,"
        " where that map differs from the mean of all emotions.",
        "![Mean maps of each emotion](class_means.png)",
        "![The most certain faces of each emotion](emotions.png)",
        "## Are the maps faithful?",
        f"On {values['faces_of_curves']:,} faces, drawn at random, pixels are deleted from the face"
        " or inserted into nothing in the order of a map; the curve is the probability of the"
        " predicted emotion. Deletion: the smaller the area, the better; insertion: the larger.",
        "![Deletion and insertion curves](curves.png)",
    ]
    for fill, text in _FILL_TEXTS.items():
        parts += [
            f"### Deleted pixels are replaced by {text}",
            _areas(values, fill),
            _differences(values, fill),
        ]
    parts += [
        "A difference is positive where the method is better than the control; in brackets the"
        " bootstrap's 95 % interval over faces. Bold: the interval lies above 0. Random patches are"
        " as coarse as the layer's map; another face's map is the method's own, of a face drawn at"
        " random: what is left of the difference is what the map says about this face.",
        "## Do the maps depend on what was learnt?",
        "Spearman's rank correlation of the maps with those of the same network after its weights"
        " were initialised afresh, from the head downwards. A map that stays as it is shows the"
        " picture and not the network.",
        _similarities(values["rank_correlation_with_randomised"]),
    ]
    return parts


def _areas(values: Mapping[str, Any], fill: str) -> str:
    rows = [
        [escape(name), *(f"{areas[fill][kind]:.3f}" for kind in _CURVES)]
        for name, areas in values["areas"].items()
    ]
    return table(["map", "deletion area", "insertion area"], rows)


def _differences(values: Mapping[str, Any], fill: str) -> str:
    rows = []
    for method, fills in values["better_than"].items():
        for control, kinds in fills[fill].items():
            cells = [_interval(*kinds[kind]) for kind in _CURVES]
            rows.append([method, escape(control), *cells])
    header = ["method", "better than", "deletion", "insertion"]
    return table(header, rows, numbers_from=2)


def _interval(mean: float, low: float, high: float) -> str:
    text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if low > 0 else text


def _similarities(similarities: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(next(iter(similarities.values())))
    rows = [
        [method, *(f"{correlations[column]:+.2f}" for column in columns)]
        for method, correlations in similarities.items()
    ]
    return table(["method", *map(escape, columns)], rows)
