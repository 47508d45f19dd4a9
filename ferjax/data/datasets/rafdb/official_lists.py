"""Reads RAF-DB in the official layout, list_patition_label.txt and Image/; also APViT's lists."""

from pathlib import Path

from ferjax.config.given_files import check_text_file
from ferjax.data.reading.class_folders import describe_path, namesake, visible_entries
from ferjax.errors import UserError

# Label k, 1 to 7, is NUMBERED[k - 1], in the list files and in Kaggle's folder names.
NUMBERED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
BY_NUMBER = {str(k): name for k, name in enumerate(NUMBERED, start=1)}
LIST = Path("EmoLabel", "list_patition_label.txt")  # sic, as released
_SPLIT_LISTS = (Path("EmoLabel", "train.txt"), Path("EmoLabel", "test.txt"))
# Image folder → what reports say about its crops. The first that exists is read.
_IMAGE_FOLDERS = {
    "Image/aligned": "aligned faces as released",
    "Image/aligned_224": "faces re-aligned to 224x224 (APViT's)",
    "Image/original": "original pictures as released, faces not cut out",
}
_SPLIT_NAMES = ("train", "test")

# One image: split name, class name (or number, if only the counts identify it), file.
Entry = tuple[str, str, Path]


def has_lists(root: Path) -> bool:
    """Returns whether the list files of the official release or of APViT are below `root`."""
    return any((root / path).is_file() for path in (LIST, *_SPLIT_LISTS))


def read_lists(root: Path) -> tuple[list[Entry], str, str]:
    """Reads the entries of the list files, without a split that has no image on disk.

    Returns:
      The entries, the layout, and how the faces were cropped.

    Raises:
      UserError: a broken line, or listed images that are absent.
    """
    lists = [LIST] if (root / LIST).is_file() else [p for p in _SPLIT_LISTS if (root / p).is_file()]
    files_in = {name: _file_names(namesake(root / name)) for name in _IMAGE_FOLDERS}
    name = next((name for name, files in files_in.items() if files), "Image/aligned")
    folder, present = namesake(root / name), files_in[name]
    entries = [
        (split, emotion, folder / _file_name(stem, present, name))
        for split, emotion, stem in _read_entries([root / path for path in lists])
    ]
    # A copy of the test images alone can be evaluated, but not trained on.
    splits_on_disk = {split for split, _, path in entries if path.name in present} or _SPLIT_NAMES
    entries = [entry for entry in entries if entry[0] in splits_on_disk]
    absent = [path for _, _, path in entries if path.name not in present]
    if absent:
        raise UserError(
            f"{folder}: {len(absent):,} of the {len(entries):,} images that {lists[0].as_posix()} "
            f"lists are absent, first {absent[0].name}; {folder.name} {describe_path(folder, 3)}"
            f". Unpack {name}.zip again"
        )
    kind = "official" if lists == [LIST] else "APViT's lists"
    list_names = " and ".join(path.as_posix() for path in lists)
    return entries, f"{kind} ({list_names} and {name})", _IMAGE_FOLDERS[name]


def _file_names(folder: Path) -> set[str]:
    """Returns the names of the entries of a folder; an empty set if it does not exist."""
    return {path.name for path in visible_entries(folder)} if folder.is_dir() else set()


def _file_name(stem: str, present: set[str], folder: str) -> str:
    """Returns the file name of one listed image; the usual one if no spelling of it exists.

    Both lists and folders use train_00001.jpg or train_00001_aligned.jpg, independently.
    """
    usual_name = f"{stem}_aligned.jpg" if folder == "Image/aligned" else f"{stem}.jpg"
    spellings = (
        usual_name,
        f"{stem}_aligned.jpg",
        f"{stem}.jpg",
        f"{stem}_aligned.png",
        f"{stem}.png",
    )
    return next((name for name in spellings if name in present), usual_name)


def _read_entries(paths: list[Path]) -> list[tuple[str, str, str]]:
    """Reads lines like `train_00001.jpg 5`; fields after the second are ignored."""
    entries: dict[str, tuple[str, str, str]] = {}
    for path in paths:
        for number, line in enumerate(_read_lines(path), start=1):
            fields = line.split()
            if not fields:
                continue
            split = fields[0].partition("_")[0]
            if len(fields) < 2 or split not in _SPLIT_NAMES or fields[1] not in BY_NUMBER:
                raise UserError(
                    f"{path}:{number}: {line[:60]!r}, expected a train_ or test_ image name and a "
                    "label from 1 to 7; download the list again"
                )
            stem = Path(fields[0]).stem.removesuffix("_aligned")
            if stem in entries:
                raise UserError(f"{path}:{number}: {fields[0]} is listed twice; remove one line")
            entries[stem] = split, BY_NUMBER[fields[1]], stem
        if not entries:
            raise UserError(f"{path}: no images are listed; download the list again")
    return list(entries.values())


def _read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file, with or without a byte order mark."""
    check_text_file(path, "Copy it again.")
    try:
        return path.read_text("utf-8-sig", "replace").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
