"""Writes the audit of a data set: `audit.json`, `audit.md`, `audit.html`, up to four figures."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import DatasetBundle
from ferjax.report.figures.class_histogram import draw_class_histogram
from ferjax.report.figures.contact_sheet import COLUMNS, Cell, draw_sheet
from ferjax.report.figures.style import class_colours
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages import audit_sections
from ferjax.report.pages.report_files import to_json_types
from ferjax.runtime.atomic_files import write_atomically

# Files of an audit; the last two figures are written only if there are such images.
AUDIT_FILES = (
    "audit.md",
    "audit.html",
    "audit.json",
    "classes.png",
    "samples.png",
    "conflicts.png",
    "mirrored.png",
)
# The most groups of copies in a figure, and the most images of one group.
_MAX_GROUPS, _MAX_IMAGES = 40, 6


def write_audit(audit: Mapping[str, Any], bundle: DatasetBundle, directory: Path) -> Path:
    """Writes the audit of a data set, replacing an earlier one; returns the path of `audit.md`.

    The other files: `audit.html` (the same page), `audit.json`, `classes.png` (class histogram),
    `samples.png` (random images of each class, the same ones at every call) and, where there are
    any, `conflicts.png` (duplicates with different labels) and `mirrored.png` (mirrored copies).

    Args:
      audit: from `ferjax.data.audit.audit_dataset.audit`.
      bundle: the audited data set, for the figures.
      directory: the folder to write to.

    Raises:
      UserError: a file cannot be written.
    """
    directory = Path(directory)
    report = to_json_types(audit)
    name, classes = report["dataset"], bundle.classes
    counts = {split: facts["counts"] for split, facts in report["splits"].items()}
    draw_class_histogram(counts, directory / "classes.png", f"{name}: images of each class")
    figures = {"classes.png": "Images of each class, and their share of the split."}
    broken = {item["id"] for facts in report["splits"].values() for item in facts["unreadable"]}
    rows = list(_sample_rows(bundle, broken))
    draw_sheet(rows, directory / "samples.png", f"{name}: images of each class of train")
    figures["samples.png"] = "Images of each class of train, drawn at random."
    copies = {
        "conflicts": (_conflicts(report), "duplicates with different labels"),
        "mirrored": (report["mirrored"]["groups"], "mirrored copies"),
    }
    for file, (groups, title) in copies.items():
        (directory / f"{file}.png").unlink(missing_ok=True)  # of an earlier audit
        if groups:
            drawn = [_group_cells(bundle, group) for group in groups[:_MAX_GROUPS]]
            limits = f"{len(drawn)} of {len(groups):,} groups, at most {_MAX_IMAGES} images of each"
            draw_sheet(drawn, directory / f"{file}.png", f"{name}: {title}", limits)
            figures[f"{file}.png"] = f"{title.capitalize()}. {limits}"
    encoded = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(directory / "audit.json", encoded)
    text = "\n\n".join(audit_sections.document(report, classes, figures)) + "\n"
    return write_markdown_page(directory / "audit.md", text)


def _sample_rows(bundle: DatasetBundle, broken: set[str]) -> Iterator[list[Cell]]:
    """Yields a row of random readable images of train for each class that has any."""
    split, random = bundle.splits["train"], np.random.default_rng(0)
    colours = class_colours(bundle.classes)
    for k, name in enumerate(bundle.classes):
        indices = [
            i for i in map(int, np.flatnonzero(split.labels == k)) if split.ids[i] not in broken
        ]
        if indices:
            picked = random.permutation(indices)[:COLUMNS]
            yield [Cell(image, (name,), colours[name]) for image in split.read(np.sort(picked))]


def _conflicts(report: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Returns the groups of exact and near duplicates with more than one label."""
    groups = report["near_duplicates"]["groups"]
    return [g for g in groups if len({m["label"] for m in g}) > 1]


def _group_cells(bundle: DatasetBundle, group: list[dict[str, Any]]) -> list[Cell]:
    """Returns the thumbnails of a group; each label and orientation is shown if they fit."""
    firsts = {
        (member["label"], member.get("mirrored")): member for member in reversed(group)
    }.values()
    others = [member for member in group if member not in firsts]
    members = sorted([*firsts, *others][:_MAX_IMAGES], key=group.index)
    members.sort(key=lambda member: member.get("mirrored", False))
    colours = class_colours(bundle.classes)
    return [
        Cell(
            bundle.splits[member["split"]].read(np.array([member["position"]]))[0],
            (member["label"], member["split"], member["id"]),
            colours[member["label"]],
        )
        for member in members
    ]
