"""The audit of a data set as `audit.json`, `audit.md` and up to four pictures."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import DatasetBundle
from ferjax.report.figures.class_histogram import draw_class_histogram
from ferjax.report.figures.contact_sheet import COLUMNS, Cell, draw_sheet
from ferjax.report.figures.style import class_colours
from ferjax.report.pages import audit_sections
from ferjax.report.pages.report_files import plain
from ferjax.runtime.atomic_files import write_atomically

_GROUPS_DRAWN, _GROUP_DRAWN = 40, 6


def write_audit(audit: Mapping[str, Any], bundle: DatasetBundle, directory: Path) -> Path:
    """Writes the audit of a data set and returns the path of its `audit.md`.

    Beside it: `audit.json`, `classes.png` (class histogram), `samples.png` (images of each class,
    the same ones each time) and, where there are any, `conflicts.png` (duplicates whose labels
    differ) and `mirrored.png` (copies that are mirrored).

    Args:
      audit: of `ferjax.data.audit.audit_dataset.audit`.
      bundle: the data set it was made of, for the pictures.
      directory: where to write.

    Raises:
      UserError: a file cannot be written.
    """
    directory = Path(directory)
    report = plain(audit)
    name, classes = report["dataset"], bundle.classes
    counts = {split: facts["counts"] for split, facts in report["splits"].items()}
    draw_class_histogram(counts, directory / "classes.png", f"{name}: images of each class")
    pictures = {"classes.png": "Images of each class, and their share of the split."}
    broken = {item["id"] for facts in report["splits"].values() for item in facts["unreadable"]}
    rows = list(_samples(bundle, broken))
    draw_sheet(rows, directory / "samples.png", f"{name}: images of each class of train")
    pictures["samples.png"] = "Images of each class of train, drawn at random."
    copies = {
        "conflicts": (_conflicts(report), "duplicates whose labels differ"),
        "mirrored": (report["mirrored"]["groups"], "copies that are mirrored"),
    }
    for file, (groups, what) in copies.items():
        if groups:
            drawn = [_cells(bundle, group) for group in groups[:_GROUPS_DRAWN]]
            shown = f"{len(drawn)} of {len(groups):,} groups, at most {_GROUP_DRAWN} images of each"
            draw_sheet(drawn, directory / f"{file}.png", f"{name}: {what}", shown)
            pictures[f"{file}.png"] = f"{what.capitalize()}. {shown}"
    encoded = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(directory / "audit.json", encoded.encode())
    text = "\n\n".join(audit_sections.document(report, classes, pictures)) + "\n"
    return write_atomically(directory / "audit.md", text.encode())


def _samples(bundle: DatasetBundle, broken: set[str]) -> Iterator[list[Cell]]:
    """Yields a row of random readable images for each class that has any."""
    split, random = bundle.splits["train"], np.random.default_rng(0)
    colours = class_colours(bundle.classes)
    for k, name in enumerate(bundle.classes):
        where = [
            i for i in map(int, np.flatnonzero(split.labels == k)) if split.ids[i] not in broken
        ]
        if where:
            picked = random.permutation(where)[:COLUMNS]
            yield [Cell(image, (name,), colours[name]) for image in split.read(np.sort(picked))]


def _conflicts(report: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Returns the groups of (near) duplicates with more than one label."""
    groups = report["near_duplicates"]["groups"]
    return [g for g in groups if len({m["label"] for m in g}) > 1]


def _cells(bundle: DatasetBundle, group: list[dict[str, Any]]) -> list[Cell]:
    """Returns the thumbnails of one group, at least one of each label and side among the first."""
    firsts = {(m["label"], m.get("mirrored")): m for m in reversed(group)}.values()
    others = [member for member in group if member not in firsts]
    shown = sorted([*firsts, *others][:_GROUP_DRAWN], key=group.index)
    shown.sort(key=lambda member: member.get("mirrored", False))
    colours = class_colours(bundle.classes)
    return [
        Cell(
            bundle.splits[member["split"]].read(np.array([member["position"]]))[0],
            (member["label"], member["split"], member["id"]),
            colours[member["label"]],
        )
        for member in shown
    ]
