"""Loads CK+: 327 labelled sequences of 118 subjects; original frames, CK+48 crops or a csv copy.

References:
  Lucey et al., "The Extended Cohn-Kanade Dataset (CK+): A complete dataset for action unit and
  emotion-specified expression", CVPR Workshops 2010.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.ckplus.csv_copies import FILE, csv_bundle, find_csv
from ferjax.data.datasets.ckplus.sequences_and_ck48_crops import (
    Frame,
    crop_frames,
    find_tree,
    sequence_frames,
)
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import layout_error, unread_lists
from ferjax.data.splits.folds import describe_folds, fold_splits
from ferjax.data.splits.split import DatasetBundle
from ferjax.emotions import ordered_classes
from ferjax.errors import UserError

LAYOUTS = (
    "folders anger, contempt, disgust, fear, happy, sadness, surprise, also inside CK+48/ (CK+48)",
    "cohn-kanade-images/ and Emotion/, each holding S005/001/ and so on (original)",
    f"{FILE}, or another csv file (columns emotion, pixels, also Usage; it names no persons)",
)
SOURCE = (
    "Kaggle (data set shawon10/ckplus holds CK+48) or the Affect Analysis Group, University of "
    "Pittsburgh (original, on request)"
)
# Number of classes → classes, as in the literature.
_CLASSES = {
    6: ("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    7: ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt"),
    8: ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"),
}
_PUBLISHED_FRAMES = 3  # of each sequence, in CK+48 and most papers


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 48,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
    num_classes: int = 7,
    last_frames: int = 3,
    fold: int = 1,
    folds: int | None = None,
) -> DatasetBundle:
    """Loads one fold of CK+ by the published rule: fold k has every tenth subject from the k-th on.

    Subjects are sorted by id. The cut is that of `fold_splits`: test = fold `fold`; with ten folds
    the next is val and the other eight are train. No subject and no sequence is in two splits. Only
    subjects with an image of the classes count. If the data are only evaluated (`val_fraction` 0),
    all images are `test`.

    A csv copy has no subjects; `csv_bundle` states its splits.

    Args:
      data_dir: the folder of CK+48 or of the original tree, or a csv copy.
      storage_size: side that images of different sizes are resized to (original frames).
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of all images that is val, at most one fold; in a csv copy without
        PublicTest the share of train.
      split_seed: seed of the cuts of a csv copy; otherwise the ids determine the folds.
      num_classes: 6 (without contempt), 7, or 8 (first frames as neutral; not CK+48).
      last_frames: number of frames at the end of a sequence that have its label (not csv copies).
      fold: 1 to `folds`.
      folds: 2 or more. None: 10, or the splits of a csv copy.

    Raises:
      UserError: no known layout, absent or misnamed files, an unknown label, or a number out of
        range.
    """
    if num_classes not in _CLASSES:
        raise UserError(f"num_classes={num_classes}: CK+ has 6 (no contempt), 7 or 8 (neutral)")
    if last_frames < 1:
        raise UserError(f"last_frames={last_frames}: expected 1 or more, 3 in most papers")
    data_dir, classes = Path(data_dir), ordered_classes(_CLASSES[num_classes])
    tree, csv_copy = find_tree(data_dir), find_csv(data_dir)
    if tree is None:
        if csv_copy is None:
            raise layout_error("CK+", data_dir, LAYOUTS, SOURCE)
        return csv_bundle(
            csv_copy,
            classes,
            val_fraction=val_fraction,
            split_seed=split_seed,
            fold=fold,
            folds=folds,
        )
    if tree.labels is None:
        if num_classes == 8:
            raise UserError(
                f"{tree.images}: CK+48 holds no neutral faces, so no 8 classes; give 7, or the "
                "original sequences, whose first frames are neutral"
            )
        frames, crops = crop_frames(tree.images, last_frames), "48×48 crops as released (CK+48)"
        layout = "CK+48 class folders"
        other_lists = unread_lists(tree.images, FILE)
    else:
        frames = sequence_frames(tree.images, tree.labels, last_frames, neutral=num_classes == 8)
        layout, crops = "original sequences (cohn-kanade-images and Emotion)", "whole frames"
        other_lists = ()
    notes = other_lists + _check_class_counts(frames, last_frames, tree.root)
    if csv_copy:
        notes += (f"{csv_copy.name} beside it was not read: it names no persons",)
    frames = [frame for frame in frames if frame.emotion in classes]
    pool = image_split(
        "all",
        [frame.path for frame in frames],
        np.array([classes.index(frame.emotion) for frame in frames], np.int32),
        [frame.path.relative_to(tree.root).as_posix() for frame in frames],
        storage_size,
        on_bad_image=on_bad_image,
    )
    subjects = np.array([frame.subject for frame in frames])
    pool = replace(pool, subjects=subjects)
    if val_fraction == 0:
        parts, source_of, cut_text = {"test": pool}, {"test": "all images"}, ""
    else:
        folds = folds or 10
        parts = fold_splits(pool, fold, folds, val_fraction=val_fraction)
        source_of = describe_folds(parts, fold, folds)
        cut_text = f"{folds} folds by person (sorted ids in steps of {folds}): "
    num_subjects = len(np.unique(subjects))
    sequences = len({frame.sequence for frame in frames})
    return assemble(
        "ckplus, one fold",  # no published counts: they were checked before the folds
        {source_of[role]: part for role, part in parts.items()},
        {name: role for role, name in source_of.items()},
        classes,
        layout=layout,
        where=str(tree.root),
        val_fraction=val_fraction,
        split_seed=split_seed,
        notes=notes,
        cut_notes=(
            f"{cut_text}{num_subjects} people, {sequences} sequences, last {last_frames} frames of"
            " each" + ", first frame as neutral" * (num_classes == 8),
        ),
        crops=crops,
    )


def _check_class_counts(frames: list[Frame], last_frames: int, where: Path) -> tuple[str, ...]:
    """Compares class counts with the published ones, which count three frames per sequence."""
    if last_frames != _PUBLISHED_FRAMES:
        return ()
    emotions = [frame.emotion for frame in frames]
    counts = {name: emotions.count(name) for name in _CLASSES[7]}
    return check_counts("ckplus", {"all": counts}, str(where))
