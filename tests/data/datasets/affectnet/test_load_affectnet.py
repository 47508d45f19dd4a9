"""AffectNet in all its layouts, with the shares of its classes; dangerous and bad labels."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.affectnet.load_affectnet import load
from ferjax.data.datasets.affectnet.npy_annotations import read_npy_label
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError

NUMBERED = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
EIGHT = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
# Images of label 0 to 10 in train and in val: a thousandth and less of the real numbers.
TRAIN = (75, 134, 25, 14, 6, 4, 25, 4, 3, 2, 5)
VAL = (3,) * 8 + (0, 0, 1)


def entries() -> list[tuple[str, int, int]]:
    """Returns split, number and label of every image; labels follow each other in turn."""
    rows = []
    for split, counts in (("train_set", TRAIN), ("val_set", VAL)):
        labels = np.repeat(np.arange(11), counts)
        np.random.default_rng(0).shuffle(labels)
        rows += [(split, number, int(label)) for number, label in enumerate(labels)]
    return rows


def image(path: Path, label: int, side: int = 6) -> None:
    """Writes an image whose grey is 20 times its label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (20 * label,) * 3).save(path)


def make_npy(root: Path, valid: str = "val_set") -> Path:
    for split, number, label in entries():
        folder = root / (valid if split == "val_set" else split)
        image(folder / "images" / f"{number}.png", label)
        (folder / "annotations").mkdir(exist_ok=True)
        # Numbers and texts, as loaders differ in what they take them to be.
        value = np.array(str(label)) if number % 2 else np.array(label)
        np.save(folder / "annotations" / f"{number}_exp.npy", value)
        np.save(folder / "annotations" / f"{number}_val.npy", np.array(0.5))
    return root


def make_text(root: Path, classes: int = 8) -> Path:
    lines: dict[str, list[str]] = {"train": [], "valid": []}
    for split, number, label in entries():
        name = "train" if split == "train_set" else "valid"
        image(root / f"{name}_set" / "images" / f"{number}.png", label)
        if label < classes:
            lines[name].append(f"{number}.png {label}\n")
    for name, text in lines.items():
        (root / f"{name}_set" / f"{name}_annotations_{classes}class.txt").write_text("".join(text))
    return root


def make_csv(root: Path) -> Path:
    rows = [",phase,img_path,label\n"]
    for k, (split, number, label) in enumerate(entries()):
        image(root / split / "images" / f"{number}.png", label)
        phase = split.removesuffix("_set")
        rows.append(f"{k},{phase},../AffectNet/{split}/images/{number}.png,{label}\n")
    (root / "affectnet.csv").write_text("".join(rows))
    return root


def make_folders(root: Path, named: bool = False) -> Path:
    for split, number, label in entries():
        if label < 8:
            folder = NUMBERED[label] if named else str(label)
            image(root / split.removesuffix("_set") / folder / f"{number}.png", label)
    return root


def make_first(root: Path, boxes: bool = True) -> Path:
    """Writes the first release; each picture is white around the box of its face."""
    lists = root / "Manually_Annotated_file_lists"
    lists.mkdir(parents=True)
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression"
    rows = {"training": [head], "validation": [head]}
    for split, number, label in entries():
        name = f"{number % 3}/{split}{number}.png"
        path = root / "Manually_Annotated" / "Manually_Annotated_Images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((12, 10, 3), 255 if boxes else 20 * label, np.uint8)
        pixels[3:9, 2:8] = 20 * label
        Image.fromarray(pixels).save(path)
        box = "NULL,NULL,NULL,NULL" if label == 10 else "2,3,6,6"
        where = "training" if split == "train_set" else "validation"
        rows[where].append(f"{name},{box},1.5;2.5,{label}")
    for where, lines in rows.items():
        text = "\n".join(lines)
        if not boxes:
            text = "\n".join(",".join(line.split(",")[::6]) for line in lines)
        (lists / f"{where}.csv").write_text(text + ",0.1,0.2\n" * 0 + "\n")
    return root


MAKERS: dict[str, Callable[[Path], Path]] = {
    "npy release": make_npy,
    "npy release with valid_set": lambda root: make_npy(root, "valid_set"),
    "text lists": make_text,
    "affectnet.csv": make_csv,
    "folders 0 to 7": make_folders,
    "folders named by emotion": lambda root: make_folders(root, named=True),
    "first release": make_first,
    "first release, without boxes": lambda root: make_first(root, boxes=False),
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("affectnet")
    return {name: make(root / str(k)) for k, (name, make) in enumerate(MAKERS.items())}


def check_pixels(bundle: DatasetBundle) -> None:
    for split in bundle.splits.values():
        faces = split.read(np.arange(len(split)))
        assert (faces == faces[:, :1, :1]).all()
        emotions = [NUMBERED[grey // 20] for grey in faces[:, 0, 0, 0]]
        assert emotions == [bundle.classes[label] for label in split.labels]


@pytest.mark.parametrize("layout", MAKERS)
@pytest.mark.parametrize("num_classes", [7, 8])
def test_every_layout(layout: str, num_classes: int, trees: dict[str, Path]) -> None:
    bundle = load_dataset("affectnet", trees[layout], image_size=8, num_classes=num_classes)
    assert bundle.classes == EIGHT[:num_classes]
    sizes = {name: len(split) for name, split in bundle.splits.items()}
    in_train = sum(TRAIN[:num_classes])
    assert sizes["train"] + sizes["val"] == in_train
    assert abs(sizes["val"] - in_train / 10) < 3
    assert sizes["test"] == 3 * num_classes
    assert bundle.sources["test"] == "val_set"
    assert layout.partition(" with")[0].partition(",")[0] in bundle.layout
    check_pixels(bundle)
    notes = " ".join(bundle.notes)
    assert "test is AffectNet's validation set, on which all papers report" in notes
    left_out = [] if num_classes == 8 else ["7 of contempt"]
    if layout.startswith(("npy", "affectnet.csv", "first")):
        left_out += ["3 of None", "2 of Uncertain", "6 of No-Face"]
    text = f"images of other labels are left out: {', '.join(left_out)}"
    assert (text in notes) == bool(left_out)


def test_lists_of_seven_classes(tmp_path: Path) -> None:
    make_text(tmp_path, classes=7)
    bundle = load(tmp_path)
    assert "contempt" not in " ".join(bundle.notes)
    check_pixels(bundle)
    with pytest.raises(UserError, match=r"no image shows contempt, and --num_classes=8 wants it"):
        load(tmp_path, num_classes=8)
    with pytest.raises(UserError, match="num_classes=6: AffectNet has 7, or 8"):
        load(tmp_path, num_classes=6)


def test_the_first_release_of_seven_classes(tmp_path: Path) -> None:
    make_first(tmp_path)
    for path in (tmp_path / "Manually_Annotated_file_lists").iterdir():
        head, *rows = path.read_text().splitlines()
        kept = [row for row in rows if int(row.rpartition(",")[2]) < 7]
        path.write_text("\n".join([head, *kept]) + "\n")
    bundle = load(tmp_path)
    assert len(bundle.splits["test"]) == 21
    assert "val_set: 21 images, 3,500 published" in " ".join(bundle.notes)
    check_pixels(bundle)
    with pytest.raises(UserError, match=r"first release .*no image shows contempt"):
        load(tmp_path, num_classes=8)


def test_annotations_come_before_lists(tmp_path: Path) -> None:
    make_npy(tmp_path)
    (tmp_path / "affectnet.csv").write_text(",phase,img_path,label\n0,train,no/such/image.jpg,0\n")
    bundle = load(tmp_path)
    check_pixels(bundle)
    assert "not read: affectnet.csv; the labels are those in annotations/" in bundle.notes


def test_the_archive_may_lie_a_level_too_deep(tmp_path: Path) -> None:
    make_npy(tmp_path / "release" / "AffectNet")
    bundle = load_dataset("affectnet", tmp_path, image_size=8)
    assert len(bundle.splits["test"]) == 21


def test_the_validation_set_alone_is_judged(tmp_path: Path) -> None:
    make_npy(tmp_path)
    (tmp_path / "train_set").rename(tmp_path / "elsewhere")
    bundle = load_dataset("affectnet", tmp_path, image_size=8, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 21}
    with pytest.raises(UserError, match=r"no training images \(train_set\), found val_set"):
        load(tmp_path)


def test_another_numbering_is_refused(tmp_path: Path) -> None:
    """Alphabetical numbers, as a folder loader gives them, over many images."""
    alphabetical = sorted(NUMBERED)
    lines = [
        f"{label}_{k}.png {alphabetical.index(NUMBERED[label])}\n"
        for label in range(8)
        for k in range(8 * TRAIN[label])
    ]
    folder = tmp_path / "train_set"
    (folder / "images").mkdir(parents=True)
    for line in lines:
        (folder / "images" / line.split()[0]).touch()
    (folder / "train_annotations_8class.txt").write_text("".join(lines))
    with pytest.raises(UserError, match="labels of affectnet look permuted over train_set"):
        load(tmp_path)


class Malicious:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["array of objects", "pickle"])
def test_objects_are_never_unpickled(kind: str, tmp_path: Path) -> None:
    make_npy(tmp_path)
    trace, label = tmp_path / "trace", tmp_path / "train_set" / "annotations" / "7_exp.npy"
    if kind == "pickle":
        label.write_bytes(pickle.dumps(Malicious(trace)))
    else:
        np.save(label, np.array(Malicious(trace), object), allow_pickle=True)
    with pytest.raises(UserError, match=r"7_exp\.npy: it holds Python objects \(pickle\), which"):
        load(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no numpy file with a label"),
        (b"\x93NUMPY\x01\x00\xff\xff", "no numpy file with a label"),
        (b"PK\x03\x04" + b"x" * 100, "no numpy file with a label"),
        (b"x" * 5000, "5,000 bytes, expected one label"),
        (np.array([1, 2]), "2 values, expected one label"),
        (np.array(11), "label '11', expected 0 to 7"),
        (np.array("happy"), "label 'happy', expected 0 to 7"),
        (np.array(b"\xff"), "label '\ufffd', expected 0 to 7"),
        (np.array(2.5), r"label '2\.5', expected 0 to 7"),
    ],
)
def test_bad_labels(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "3_exp.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(UserError, match=words):
        read_npy_label(path)


@pytest.mark.parametrize("value", [np.array("3"), np.array(b"3"), np.array([3.0]), np.uint8(3)])
def test_labels_of_every_kind(value: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "3_exp.npy", value)
    assert read_npy_label(tmp_path / "3_exp.npy") == 3


def test_two_images_of_one_label_are_refused(tmp_path: Path) -> None:
    make_npy(tmp_path)
    image(tmp_path / "train_set" / "images" / "3.jpg", 0)
    with pytest.raises(UserError, match=r"3\.jpg and 3\.png would share the label 3_exp\.npy"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("make", "folder", "other"),
    [
        (make_npy, "val_set", "valid_set"),
        (make_text, "valid_set", "val_set"),
        (make_folders, "val", "valid"),
    ],
)
def test_two_validation_folders_are_refused(
    tmp_path: Path, make: Callable[[Path], Path], folder: str, other: str
) -> None:
    make(tmp_path)
    shutil.copytree(tmp_path / folder, tmp_path / other)
    for path in (tmp_path / other).glob("valid_*.txt"):
        path.rename(path.with_name(path.name.replace("valid", "val")))
    with pytest.raises(UserError, match=r"val.*/ and val.*/ are both there"):
        load(tmp_path)


def test_images_and_labels_belong_together(tmp_path: Path) -> None:
    make_npy(tmp_path)
    (tmp_path / "train_set" / "images" / "3.png").unlink()
    (tmp_path / "train_set" / "annotations" / "5_exp.npy").unlink()
    with pytest.raises(UserError, match=r"1 of the 296 .*first 3_exp\.npy, and 1 .*first 5\.png"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3.png", r"txt:1: '3\.png', expected an image name and a label"),
        ("3.png 12", "txt:1: label '12', expected 0 to 7"),
        ("nothing.png 1", r"1 of the 1 listed images are absent, first .*nothing\.png"),
        ("x" * 300 + ".png 1", "1 of the 1 listed images are absent, first .*xxx"),
        ("3.png 1\n\n3.png 2", "txt:3: 3.png is listed twice"),
        ("", "0 of the 0 listed images are absent"),
    ],
)
def test_bad_text_lists(line: str, words: str, tmp_path: Path) -> None:
    make_text(tmp_path)
    (tmp_path / "train_set" / "train_annotations_8class.txt").write_text(line)
    with pytest.raises(UserError, match=words):
        load(tmp_path)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("0,test1,train_set/images/3.png,1", "phase 'test1', expected train or val"),
        ("0,train,train_set/images/3.png,x", "label 'x', expected 0 to 7"),
        ("0,train,../../../x.png,1", "expected a path as train_set/images/7.jpg"),
        ("0,train,a/train_set/images/999.png,1", "1 of the 1 listed images are absent"),
        ("", "a header and no rows"),
    ],
)
def test_bad_rows_of_the_cached_csv(row: str, words: str, tmp_path: Path) -> None:
    make_csv(tmp_path)
    (tmp_path / "affectnet.csv").write_text(f",phase,img_path,label\n{row}\n")
    with pytest.raises(UserError, match=words):
        load(tmp_path)


def test_the_first_release(tmp_path: Path) -> None:
    make_first(tmp_path)
    path = tmp_path / "Manually_Annotated_file_lists" / "training.csv"
    text = path.read_text()
    first = next(line for line in text.splitlines() if line[-2:] == ",1")
    again = first.replace(",1.5;2.5,1", ",1.5;2.5,4")
    path.write_text(text + again + "\n")
    notes = " ".join(load(tmp_path).notes)
    assert "1 rows give a face again (1 of them another label): the first counts" in notes
    path.write_text(text.replace("2,3,6,6,1.5;2.5,1", "-1,0,0,0,1.5;2.5,1", 1))
    bundle = load(tmp_path)
    assert "1 rows have no box: the whole picture is the face" in bundle.notes
    assert sum("#xywh=0,0,10,12" in name for s in bundle.splits.values() for name in s.ids) == 1
    path.write_text(text + "../x.png,1,1,2,2,0,1\n")
    with pytest.raises(UserError, match=r"'\.\./x\.png' leads out of"):
        load(tmp_path)
    path.write_text(text + "9/x.png,1,1,2,2,0,1\n")
    with pytest.raises(UserError, match=r"1 of the 312 listed images are absent, first .*x\.png"):
        load(tmp_path)
    path.write_text(text)
    (tmp_path / "Manually_Annotated").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="no folder Manually_Annotated_Images/ beside the lists"):
        load(tmp_path)


def test_another_folder_is_no_affectnet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no AffectNet found, it is empty"):
        load(tmp_path)
