"""SFEW: film stills in seven classes; release 2.0 with its splits, raw or aligned, and 1.0.

References:
  Dhall et al., "Static Facial Expression Analysis in Tough Conditions: Data, Evaluation Protocol
  and Benchmark", ICCV Workshops 2011.
"""

from pathlib import Path

import numpy as np

from ferjax.data.datasets.assemble import assemble
from ferjax.data.datasets.check_counts import check_counts
from ferjax.data.decoding.image_file import image_split
from ferjax.data.reading.class_folders import class_folders, layout_error, visible_entries
from ferjax.data.splits.folds import stratified_splits
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.emotions import canonical_name, ordered_classes
from ferjax.errors import UserError

_CLASSES = ordered_classes(
    ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
)
_NAMED = {name: name for name in _CLASSES}
_ROOTS = (".", "SFEW", "SFEW_2", "SFEW_2.0", "SFEW2.0")
# Where the class folders of a split S may lie; aligned ones first, as everybody reports on them.
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
_TEST_SHARE = 0.2  # of release 1.0, P3
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
    """Loads SFEW: of 2.0 test = Val and val is cut from Train; of 1.0 test is a fifth of all.

    The labels of 2.0's Test were never published, so every paper reports on Val: it may not also
    select. Both cuts are stratified.

    Args:
      data_dir: the folder of either release, or the one that holds it.
      storage_size: side that images of differing sizes are stored in (aligned: 143×181 throughout).
      on_bad_image: `error`, or `skip`: files with broken headers are passed over.
      val_fraction: share of train that becomes val.
      split_seed: seed of the cuts.

    Raises:
      UserError: no known layout, absent, misplaced or broken files, or labels that look permuted.
    """
    data_dir = Path(data_dir)
    for root in (data_dir / name for name in _ROOTS):
        for kind, places in _KINDS.items():
            folders = {own: _place(root, own, places) for own in _ROLES}
            if train := folders["Train"]:
                found = _release_2(
                    root, {own: f for own, f in folders.items() if f}, storage_size, on_bad_image
                )
                return assemble(
                    "sfew",
                    found,
                    _ROLES,
                    _CLASSES,
                    layout=f"2.0, {kind} ({train.relative_to(root).as_posix()}/)",
                    where=str(root),
                    val_fraction=val_fraction,
                    split_seed=split_seed,
                    notes=_test_note(root),
                    crops="aligned faces as released" if places is _ALIGNED else "as on disk",
                )
        if _has_classes(root):
            pool = _pool(root, {"all": root}, storage_size, on_bad_image)
            counts = np.bincount(pool.labels, minlength=len(_CLASSES)).tolist()
            counts = dict(zip(_CLASSES, counts, strict=True))
            notes = check_counts("sfew1", {"all": counts}, str(root))
            parts = stratified_splits(pool, test_fraction=_TEST_SHARE, seed=split_seed)
            share = f"stratified {_TEST_SHARE} of all (split seed {split_seed})"
            return assemble(
                "sfew1, one cut",  # counts were checked on the whole: a cut has none of its own
                {"all but the test cut": parts["train"], share: parts["test"]},
                {"all but the test cut": "train", share: "test"},
                _CLASSES,
                layout="1.0 (seven class folders)",
                where=str(root),
                val_fraction=val_fraction,
                split_seed=split_seed,
                notes=(*notes, f"SFEW 1.0 has no splits: test is a {share}"),
                crops="as on disk",
            )
    raise layout_error("SFEW", data_dir, LAYOUTS, SOURCE)


def _release_2(
    root: Path, folders: dict[str, Path], storage_size: int, on_bad_image: str
) -> dict[str, Split]:
    """Returns own name → split of the folders found, which hold the same kind of images."""
    if "Val" not in folders and any(_place(root, "Val", places) for places in _KINDS.values()):
        raise UserError(
            f"{root}: Train is in {folders['Train'].relative_to(root).as_posix()}/, but Val of "
            "the same kind (aligned or raw) is not there; unpack both kinds alike"
        )
    whole = _pool(root, folders, storage_size, on_bad_image)
    own = np.array([next(n for n, f in folders.items() if _below(root, f, i)) for i in whole.ids])
    return {name: subset(whole, np.flatnonzero(own == name), name) for name in folders}


def _pool(root: Path, folders: dict[str, Path], storage_size: int, on_bad_image: str) -> Split:
    """Returns the images of all folders as one split, so that they share one shape."""
    entries = [
        (name, path)
        for folder in folders.values()
        for name, paths in class_folders(folder, _NAMED).items()
        for path in paths
    ]
    labels = np.array([_CLASSES.index(name) for name, _ in entries])
    ids = [path.relative_to(root).as_posix() for _, path in entries]
    paths = [path for _, path in entries]
    return image_split("all", paths, labels, ids, storage_size, on_bad_image=on_bad_image)


def _below(root: Path, folder: Path, name: str) -> bool:
    return folder in (root / name).parents


def _place(root: Path, own: str, places: tuple[str, ...]) -> Path | None:
    """Returns the first of the places in which the class folders of a split lie."""
    return next((p for s in places if _has_classes(p := root / s.format(S=own))), None)


def _has_classes(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return any(e.is_dir() and canonical_name(e.name) in _NAMED for e in visible_entries(folder))


def _test_note(root: Path) -> tuple[str, ...]:
    """Returns a note where the unlabelled test images are on disk."""
    places = [root / s.format(S="Test") for s in (*_ALIGNED, *_RAW)]
    if not any(place.is_dir() for place in places):
        return ()
    return ("the images of Test were not read: their labels are not public",)
