"""CK+ as others' csv copies: FER2013's columns, one picture a row, and nobody named."""

from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble import assemble
from ferjax.data.datasets.check_counts import check_counts
from ferjax.data.reading.csv_rows import csv_header
from ferjax.data.reading.pixel_csv import PixelRows, read_pixel_csv
from ferjax.data.reading.pixel_csv_split import pixel_split, repeats_note, row_ids
from ferjax.data.splits.folds import fold_splits, stratified_splits
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.errors import UserError

FILE = "ckextended.csv"
# FER2013's numbering, and contempt after it.
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
_TEST_SHARE = 0.1  # as the copies with a column Usage have it
_UNKNOWN = "persons unknown"


def csv_bundle(
    path: Path,
    classes: tuple[str, ...],
    *,
    val_fraction: float,
    split_seed: int,
    fold: int,
    folds: int | None,
) -> DatasetBundle:
    """Returns the bundle of a csv copy of CK+, whose notes say that persons are unknown.

    Training, PublicTest and PrivateTest of a column Usage are train, val and test. Without that
    column a tenth of all becomes test and a share of the others val, each stratified; with `folds`
    all rows are cut into stratified folds, whatever their Usage.

    Args:
      path: the csv file; emotions 0 to 7 are FER2013's and contempt.
      classes: those asked for; rows of others are left out, and a note counts them.
      val_fraction: share of train that becomes val where there is no PublicTest.
      split_seed: of the stratified cuts and folds.
      fold: 1 to `folds`.
      folds: 3 or more, or None for the file's own splits.

    Raises:
      UserError: no such columns, a broken row, a class without rows, labels that look permuted, or
        a number out of range.
    """
    named = "Usage" in csv_header(path)
    rows = read_pixel_csv(path, len(_NUMBERED), None if named else "Training")
    emotions = rows.emotion.tolist()
    counts = {name: emotions.count(number) for number, name in enumerate(_NUMBERED)}
    notes = (*_check(counts, classes, path), *repeats_note(rows, path.name))
    kept = np.flatnonzero(np.isin(rows.emotion, [_NUMBERED.index(name) for name in classes]))
    left_out = {name: n for name, n in counts.items() if n and name not in classes}
    if left_out:
        told = ", ".join(f"{n:,} of {name}" for name, n in left_out.items())
        notes += (f"{path.name}: rows of other classes are left out: {told}",)
    ids = row_ids(path, rows)
    kept_rows = PixelRows(rows.emotion[kept], rows.usage[kept], rows.images[kept])
    pool = pixel_split(kept_rows, [ids[i] for i in map(int, kept)], _NUMBERED, classes)
    found, roles = _splits(pool, kept_rows.usage if named else None, fold, folds, split_seed)
    return assemble(
        "ckplus, one cut",  # counts were checked on the whole: a cut has none of its own
        found,
        roles,
        classes,
        layout=f"{path.name} (emotion, pixels{', Usage' * named}), {_UNKNOWN}",
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
    pool: Split, usage: np.ndarray | None, fold: int, folds: int | None, seed: int
) -> tuple[dict[str, Split], dict[str, str]]:
    """Returns own name → split, and own name → role."""
    if folds:
        after = f"fold {fold % folds + 1} of {folds} (stratified, {_UNKNOWN})"
        this = f"fold {fold} of {folds} (stratified, {_UNKNOWN})"
        own = {"train": f"the other {folds - 2} of {folds} folds", "val": after, "test": this}
        found = {own[r]: part for r, part in fold_splits(pool, fold, folds, seed=seed).items()}
        return found, {name: role for role, name in own.items()}
    if usage is None:
        parts = stratified_splits(pool, test_fraction=_TEST_SHARE, seed=seed)
        share = f"stratified {_TEST_SHARE} of all (split seed {seed}, {_UNKNOWN})"
        own = {"train": "all but the test cut", "test": share}
        found = {own[role]: part for role, part in parts.items()}
        return found, {name: role for role, name in own.items()}
    own = {name: f"{name} ({_UNKNOWN})" for name in _ROLES}
    found = {own[n]: subset(pool, np.flatnonzero(usage == n), n) for n in _ROLES}
    return found, {own[name]: role for name, role in _ROLES.items()}


def _check(counts: dict[str, int], classes: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Refuses a numbering that is not this one; returns notes on counts that differ."""
    missing = [f"{_NUMBERED.index(n)} ({n})" for n in _NUMBERED if n in classes and not counts[n]]
    if missing:
        # CK+48 was also numbered 0 to 6 with contempt last.
        other = " Where 6 is contempt, number it 7." if not counts["contempt"] else ""
        raise UserError(
            f"{path}: no row's emotion is {', '.join(missing)}, and --num_classes={len(classes)} "
            f"wants it; expected {', '.join(f'{i} {n}' for i, n in enumerate(_NUMBERED))}.{other} "
            "Ask for fewer classes (6: no contempt, 7: no neutral) or correct the file"
        )
    if counts["neutral"] and counts["contempt"]:
        return check_counts("ckextended", {"all": counts}, str(path))
    seven = {name: n for name, n in counts.items() if name != "neutral"}
    return check_counts("ckplus", {"all": seven}, str(path))


def find_csv(data_dir: Path) -> Path | None:
    """Returns the csv file that `data_dir` is, or the one in it or in a folder CK+ there."""
    if data_dir.is_file() and data_dir.suffix.lower() == ".csv":
        return data_dir
    places = (data_dir / root / FILE for root in (".", "CK+", "ck+"))
    return next((path for path in places if path.is_file()), None)
