"""Reads csv copies of CK+ (ckextended.csv): the columns of FER2013, without subjects."""

from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.reading.csv_rows import csv_header
from ferjax.data.reading.pixel_csv import PixelRows, read_pixel_csv
from ferjax.data.reading.pixel_csv_split import pixel_split, repeats_note, row_ids
from ferjax.data.splits.folds import describe_folds, fold_splits, stratified_splits
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError

FILE = "ckextended.csv"
# The numbering of FER2013, then contempt.
_NUMBERED = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
    "contempt",
)
_ROLES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
_TEST_SHARE = 0.1  # as in the copies that have a column Usage
_UNKNOWN_SUBJECTS = "persons unknown"


def csv_bundle(
    path: Path,
    classes: tuple[str, ...],
    *,
    val_fraction: float,
    split_seed: int,
    fold: int,
    folds: int | None,
) -> DatasetBundle:
    """Returns the bundle of a csv copy of CK+; its notes say that subjects are unknown.

    If there is a column Usage, Training, PublicTest and PrivateTest are train, val and test.
    Without it a tenth of all images becomes test and a share of the others val, both stratified.
    With `folds` all rows are distributed over stratified folds and Usage is ignored. If the data
    are only evaluated (`val_fraction` 0), nothing is cut: without Usage all rows are test.

    Args:
      path: the csv file; emotions 0 to 6 are as in FER2013, 7 is contempt.
      classes: the class list; rows of other classes are left out, and a note counts them.
      val_fraction: share of train that becomes val if there is no PublicTest; with `folds` the
        share of all rows, at most one fold.
      split_seed: seed of the stratified cuts and folds.
      fold: 1 to `folds`.
      folds: 2 or more, or None for the splits of the file.

    Raises:
      UserError: a column is missing, a row is broken, a class has no rows, labels look permuted, or
        a number is out of range.
    """
    has_usage = "usage" in csv_header(path)
    rows = read_pixel_csv(path, len(_NUMBERED), None if has_usage else "Training")
    emotions = rows.emotion.tolist()
    counts = {name: emotions.count(number) for number, name in enumerate(_NUMBERED)}
    notes = (*_check_numbering(counts, classes, path), *repeats_note(rows, path.name))
    kept_positions = np.flatnonzero(
        np.isin(rows.emotion, [_NUMBERED.index(name) for name in classes])
    )
    left_out = {name: n for name, n in counts.items() if n and name not in classes}
    if left_out:
        left_out_text = ", ".join(f"{n:,} of {name}" for name, n in left_out.items())
        notes += (f"{path.name}: rows of other classes are left out: {left_out_text}",)
    ids = row_ids(path, rows)
    kept_rows = PixelRows(
        rows.emotion[kept_positions], rows.usage[kept_positions], rows.images[kept_positions]
    )
    pool = pixel_split(kept_rows, [ids[i] for i in map(int, kept_positions)], _NUMBERED, classes)
    usage = kept_rows.usage if has_usage else None
    splits, roles = _splits(pool, usage, fold, folds, val_fraction, split_seed)
    return assemble(
        "ckplus, one cut",  # no published counts: they were checked before the cut
        splits,
        roles,
        classes,
        layout=f"{path.name} (emotion, pixels{', Usage' * has_usage}), {_UNKNOWN_SUBJECTS}",
        where=str(path),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=(
            f"PERSONS ARE UNKNOWN: {path.name} names nobody, so the same person may be in train, "
            "val and test, and most likely is (CK+ shows each person several times). These scores "
            "are not subject-independent: they say little about new people, and compare neither "
            "with folds by person nor with papers that use them. CK+48 or the original sequences "
            "name persons",
            *notes,
        ),
        crops="48×48 as in the csv copy",
    )


def _splits(
    pool: Split,
    usage: np.ndarray | None,
    fold: int,
    folds: int | None,
    val_fraction: float,
    seed: int,
) -> tuple[dict[str, Split], dict[str, str]]:
    """Returns original name → split, and original name → role."""
    if folds:
        parts = fold_splits(pool, fold, folds, val_fraction=val_fraction, seed=seed)
        source_of = {
            role: f"{text} (stratified, {_UNKNOWN_SUBJECTS})"
            for role, text in describe_folds(parts, fold, folds).items()
        }
        splits = {source_of[role]: part for role, part in parts.items()}
        return splits, {name: role for role, name in source_of.items()}
    if usage is None and val_fraction == 0:
        source = f"all rows ({_UNKNOWN_SUBJECTS})"
        return {source: pool}, {source: "test"}
    if usage is None:
        parts = stratified_splits(pool, test_fraction=_TEST_SHARE, seed=seed)
        test_source = f"stratified {_TEST_SHARE} of all (split seed {seed}, {_UNKNOWN_SUBJECTS})"
        source_of = {"train": "all but the test cut", "test": test_source}
        splits = {source_of[role]: part for role, part in parts.items()}
        return splits, {name: role for role, name in source_of.items()}
    source_of = {name: f"{name} ({_UNKNOWN_SUBJECTS})" for name in _ROLES}
    splits = {source_of[n]: subset(pool, np.flatnonzero(usage == n), n) for n in _ROLES}
    return splits, {source_of[name]: role for name, role in _ROLES.items()}


def _check_numbering(
    counts: dict[str, int], classes: tuple[str, ...], path: Path
) -> tuple[str, ...]:
    """Refuses other numberings; returns notes on class counts that differ."""
    missing = [f"{_NUMBERED.index(n)} ({n})" for n in _NUMBERED if n in classes and not counts[n]]
    if missing:
        # CK+48 was also numbered 0 to 6 with contempt last.
        hint = " Where 6 is contempt, number it 7." if not counts["contempt"] else ""
        raise UserError(
            f"{path}: no row's emotion is {', '.join(missing)}, and --num_classes={len(classes)} "
            f"wants it; expected {', '.join(f'{i} {n}' for i, n in enumerate(_NUMBERED))}.{hint} "
            "Ask for fewer classes (6: no contempt, 7: no neutral) or correct the file"
        )
    if counts["neutral"] and counts["contempt"]:
        return check_counts("ckextended", {"all": counts}, str(path))
    seven_counts = {name: n for name, n in counts.items() if name != "neutral"}
    return check_counts("ckplus", {"all": seven_counts}, str(path))


def find_csv(data_dir: Path) -> Path | None:
    """Returns `data_dir` if it is a csv file, else ckextended.csv in it or in its folder CK+."""
    if data_dir.is_file() and data_dir.suffix.lower() == ".csv":
        return data_dir
    candidates = (data_dir / root / FILE for root in (".", "CK+", "ck+"))
    return next((path for path in candidates if path.is_file()), None)
