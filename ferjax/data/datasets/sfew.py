"""Loads SFEW: film stills in seven classes; release 2.0 (raw or aligned faces) and release 1.0.

References:
  Dhall et al., "Static Facial Expression Analysis in Tough Conditions: Data, Evaluation Protocol
  and Benchmark", ICCV Workshops 2011.
"""

from itertools import product
from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble_splits import assemble
from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.decoding.image_split import image_split
from ferjax.data.reading.class_folders import (
    class_folders,
    layout_error,
    unread_lists,
    visible_entries,
)
from ferjax.data.splits.folds import stratified_splits
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.emotions import canonical_name, ordered_classes
from ferjax.errors import UserError

_CLASSES = ordered_classes(
    ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
)
_CLASS_OF_FOLDER = {name: name for name in _CLASSES}
_ROOTS = (".", "SFEW", "SFEW_2", "SFEW_2.0", "SFEW2.0")
# Where the class folders of a split S may be. Aligned faces come first, as all papers use them.
_ALIGNED = (
    "{S}/{S}_Aligned_Faces_new",
    "{S}/{S}_Aligned_Faces",
    "{S}_Aligned_Faces_new",
    "{S}_Aligned_Faces",
    "{S}_Aligned_Faces_new/{S}_Aligned_Faces_new",
    "{S}_Aligned_Faces/{S}_Aligned_Faces",
)
_RAW = ("{S}", "{S}/{S}")
_KINDS = {"aligned faces": _ALIGNED, "raw stills or unmarked crops": _RAW}
_ROLES = {"Train": "train", "Val": "test"}
_TEST_SHARE = 0.2  # of release 1.0, as in P3
LAYOUTS = (
    "Train/ and Val/ holding folders Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise, also "
    "inside Train_Aligned_Faces/ or Val_Aligned_Faces_new/ (2.0)",
    "the seven class folders alone (1.0)",
)
SOURCE = "https://users.cecs.anu.edu.au/~few_group/AFEW.html (licence on request)"


def load(
    data_dir: Path | str,
    *,
    storage_size: int = 120,
    on_bad_image: str = "error",
    val_fraction: float = 0.1,
    split_seed: int = 0,
) -> DatasetBundle:
    """Loads SFEW. Release 2.0: test = Val, val is cut from Train. Release 1.0: test is a fifth.

    The labels of Test of release 2.0 were never published, so all papers report on Val. It is the
    test split here and must not select a model. Both cuts are stratified.

    Args:
      data_dir: the folder of either release, or its parent folder.
      storage_size: side that images of different sizes are resized to (aligned: all 143×181).
      on_bad_image: `error`, or `skip`: files with broken headers are ignored.
      val_fraction: share of train that becomes val.
      split_seed: seed of the cuts.

    Raises:
      UserError: no known layout, absent, misplaced or broken files, or labels that look permuted.
    """
    data_dir = Path(data_dir)
    # A copy of Val alone can be evaluated, but not trained on.
    for required_split, name in product(_ROLES, _ROOTS):
        root = data_dir / name
        for kind, patterns in _KINDS.items():
            folders = {source: _find_class_folders(root, source, patterns) for source in _ROLES}
            if class_root := folders[required_split]:
                splits = _release_2(
                    root,
                    {source: f for source, f in folders.items() if f},
                    storage_size,
                    on_bad_image,
                )
                return assemble(
                    "sfew",
                    splits,
                    _ROLES,
                    _CLASSES,
                    layout=f"2.0, {kind} ({class_root.relative_to(root).as_posix()}/)",
                    where=str(root),
                    val_fraction=val_fraction,
                    split_seed=split_seed,
                    notes=(*_unlabelled_test_note(root), *unread_lists(root)),
                    crops="aligned faces as released" if patterns is _ALIGNED else "as on disk",
                )
        if _has_classes(root):
            pool = _load_pool(root, {"all": root}, storage_size, on_bad_image)
            counts = np.bincount(pool.labels, minlength=len(_CLASSES)).tolist()
            counts = dict(zip(_CLASSES, counts, strict=True))
            notes = check_counts("sfew1", {"all": counts}, str(root))
            parts = stratified_splits(pool, test_fraction=_TEST_SHARE, seed=split_seed)
            test_source = f"stratified {_TEST_SHARE} of all (split seed {split_seed})"
            return assemble(
                "sfew1, one cut",  # no published counts: they were checked before the cut
                {"all but the test cut": parts["train"], test_source: parts["test"]},
                {"all but the test cut": "train", test_source: "test"},
                _CLASSES,
                layout="1.0 (seven class folders)",
                where=str(root),
                val_fraction=val_fraction,
                split_seed=split_seed,
                notes=(*notes, *unread_lists(root)),
                cut_notes=(f"SFEW 1.0 has no splits: test is a {test_source}",),
                crops="as on disk",
            )
    raise layout_error("SFEW", data_dir, LAYOUTS, SOURCE)


def _release_2(
    root: Path, folders: dict[str, Path], storage_size: int, on_bad_image: str
) -> dict[str, Split]:
    """Returns original name → split; all `folders` contain the same kind of images."""
    if "Val" not in folders and any(
        _find_class_folders(root, "Val", patterns) for patterns in _KINDS.values()
    ):
        raise UserError(
            f"{root}: Train is in {folders['Train'].relative_to(root).as_posix()}/, but Val of "
            "the same kind (aligned or raw) is not there; unpack both kinds alike"
        )
    pool = _load_pool(root, folders, storage_size, on_bad_image)
    source = np.array(
        [next(n for n, f in folders.items() if _is_below(root, f, i)) for i in pool.ids]
    )
    return {name: subset(pool, np.flatnonzero(source == name), name) for name in folders}


def _load_pool(root: Path, folders: dict[str, Path], storage_size: int, on_bad_image: str) -> Split:
    """Returns the images of all folders as one split, so that they share one shape."""
    entries = [
        (name, path)
        for folder in folders.values()
        for name, paths in class_folders(folder, _CLASS_OF_FOLDER).items()
        for path in paths
    ]
    labels = np.array([_CLASSES.index(name) for name, _ in entries])
    ids = [path.relative_to(root).as_posix() for _, path in entries]
    paths = [path for _, path in entries]
    return image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)


def _is_below(root: Path, folder: Path, name: str) -> bool:
    """Returns whether the file `name` of `root` is in `folder`, at any depth."""
    return folder in (root / name).parents


def _find_class_folders(root: Path, source: str, patterns: tuple[str, ...]) -> Path | None:
    """Returns the first folder, by `patterns`, that has the class folders of a split."""
    return next((p for s in patterns if _has_classes(p := root / s.format(S=source))), None)


def _has_classes(folder: Path) -> bool:
    """Returns whether a folder contains a class folder."""
    if not folder.is_dir():
        return False
    return any(
        e.is_dir() and canonical_name(e.name) in _CLASS_OF_FOLDER for e in visible_entries(folder)
    )


def _unlabelled_test_note(root: Path) -> tuple[str, ...]:
    """Returns a note if the unlabelled test images are on disk."""
    folders = [root / pattern.format(S="Test") for pattern in (*_ALIGNED, *_RAW)]
    if not any(folder.is_dir() for folder in folders):
        return ()
    return ("the images of Test were not read: their labels are not public",)
