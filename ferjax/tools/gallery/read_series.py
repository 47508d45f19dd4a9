"""Reads the folder of several runs for the gallery: seeds, folds, the trials of a search."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.tools.gallery.entry import Entry, SplitScores
from ferjax.tools.gallery.read_run import DAMAGED, read_object, read_run, report_page
from ferjax.tools.gallery.report_values import number, number_or_none, texts
from ferjax.tools.gallery.run_folders import REPORT, RunFolder


def read_entry(folder: RunFolder) -> Entry:
    """Returns the row of a run, series or search, with the rows of its runs as children."""
    if folder.kind == "run":
        return read_run(folder.path)
    children = tuple(map(read_entry, folder.children))
    folder_entry = read_run(folder.path)
    whole = replace(
        folder_entry, kind=folder.kind, children=children, reason="", page=report_page(folder.path)
    )
    finished = [child for child in children if not child.reason]
    try:
        report = read_object(folder.path / REPORT)
        if report is None or not finished:
            text = f"not finished: {len(finished)} of {len(children)} runs in it are finished"
            if 0 < len(finished) == len(children):
                text = f"all {len(children)} runs in it are finished, and the report over them is"
                text += " missing"
            unfinished = (child for child in children if child.reason)
            more = "".join(f"; {child.folder.name}: {child.reason}" for child in unfinished)
            return replace(whole, reason=text + more)
        build_entry = _search if folder.kind == "search" else _series
        return build_entry(report, whole, finished)
    except UserError as error:
        return replace(whole, reason=str(error))
    except (*DAMAGED, StopIteration) as error:
        reason = f"the file of its numbers, {folder.path / REPORT}, is not as ferjax writes it"
        reason += f" ({error})"
        return replace(whole, reason=reason)


def _search(report: Mapping[str, Any], whole: Entry, finished: list[Entry]) -> Entry:
    """Returns the best trial as the row of a search; a stamp states how it was chosen."""
    best = next(child for child in finished if child.folder.name == report["best"]["directory"])
    ranked = sorted(whole.children, key=lambda child: -_val_accuracy(child))
    return replace(
        best,
        folder=whole.folder,
        kind="search",
        page=whole.page,
        date=max(child.date for child in finished),
        minutes=_sum(child.minutes for child in finished),
        stamps=(
            f"best of {len(whole.children)} trials, chosen on val ({best.folder.name})",
            *best.stamps,
        ),
        children=tuple(ranked),
    )


def _series(report: Mapping[str, Any], whole: Entry, finished: list[Entry]) -> Entry:
    """Returns mean and deviation as the row of a series."""
    first, mean, spread, kind = finished[0], report["mean"], report["deviation"], report["kind"]
    splits = [name for name in ("val", "test") if f"{name}_selected_accuracy" in mean]
    stamps = [f"mean of {len(report['rows'])} {kind}s"]
    return replace(
        first,
        folder=whole.folder,
        kind="series",
        page=whole.page,
        date=max(child.date for child in finished),
        seed=", ".join(dict.fromkeys(child.seed for child in finished)),
        epochs=", ".join(dict.fromkeys(child.epochs.split(" of ")[-1] for child in finished)),
        commit=", ".join(dict.fromkeys(child.commit for child in finished)),
        scores={
            name: SplitScores(
                selected=number(mean[f"{name}_selected_accuracy"]),
                last=number_or_none(mean.get(f"{name}_last_accuracy")),
                deviation=number_or_none(spread.get(f"{name}_selected_accuracy")),
                macro_f1=number_or_none(mean.get(f"{name}_selected_macro_f1")),
                calibration_error=_mean(
                    child.scores[name].calibration_error
                    for child in finished
                    if name in child.scores
                ),
            )
            for name in splits
        },
        digests=_joint_digests(finished),
        # No image is in val or test of two folds.
        images={name: sum(child.images.get(name, 0) for child in finished) for name in splits}
        if kind == "fold"
        else first.images,
        stamps=(*stamps, *first.stamps),
        warnings=texts(report.get("warnings", ())),
        minutes=_sum(child.minutes for child in finished),
        train_lines=(),
        val_lines=tuple(line for child in finished for line in child.val_lines),
        confusion=_joint_confusion(finished),
        children=whole.children,
    )


def _joint_digests(finished: list[Entry]) -> dict[str, str]:
    """Returns the fingerprint that all runs share, or for folds one of all their fingerprints."""
    joint = {}
    for name in finished[0].digests:
        different = sorted({child.digests.get(name, "") for child in finished})
        text = "\n".join(different)
        joint[name] = text if len(different) == 1 else hashlib.sha256(text.encode()).hexdigest()
    return joint


def _joint_confusion(finished: list[Entry]) -> list[list[int]] | None:
    """Returns the sum of the confusion matrices, or None if their shapes differ."""
    matrices = [np.array(child.confusion) for child in finished if child.confusion is not None]
    same_shape = matrices and len({matrix.shape for matrix in matrices}) == 1
    return np.sum(matrices, 0).tolist() if same_shape else None


def _val_accuracy(entry: Entry) -> float:
    """Returns the val accuracy of a row, or -1 where it has none."""
    return entry.scores["val"].selected if "val" in entry.scores and not entry.reason else -1.0


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _sum(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) if defined else None
