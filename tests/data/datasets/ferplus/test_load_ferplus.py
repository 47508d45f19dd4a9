"""FER+ in both layouts of the release, generated, and real label.csv files if they are on disk."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.datasets.ferplus import vote_files
from ferjax.data.datasets.ferplus.load_ferplus import load
from ferjax.data.datasets.ferplus.votes_to_labels import COLUMNS
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

FOLDERS = {
    "Training": "FER2013Train",
    "PublicTest": "FER2013Valid",
    "PrivateTest": "FER2013Test",
}
# FER2013's number of each of FER+'s first seven columns.
FER2013 = {"neutral": 6, "happiness": 3, "surprise": 5, "sadness": 4, "anger": 0}
FER2013 |= {"disgust": 1, "fear": 2, "contempt": 6}
# One face a row: a majority label for each emotion, then faces some rules drop.
VOTES = [[9 if column == k else 0 for column in range(8)] + [1, 0] for k in range(8)]
UNSURE = [5, 0, 0, 5, 0, 0, 0, 0, 0, 0]
VOTES += [UNSURE, [0, 0, 0, 0, 0, 0, 0, 0, 8, 2], [0] * 9 + [10]]
FACES = [(usage, votes) for usage in FOLDERS for votes in VOTES]
HEADER = f"Usage,Image name,{','.join(COLUMNS)}"


def face(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, (48, 48), np.uint8)


def name(row: int) -> str:
    return f"fer{row:07d}.png"


def write_folders(root: Path, box: str = '"(0, 0, 48, 48)",') -> Path:
    """Writes label.csv and PNG files; removed faces (NF only) are in neither."""
    for usage, own in FOLDERS.items():
        (root / own).mkdir(parents=True)
        lines = []
        for row, (other, votes) in enumerate(FACES):
            if other == usage and votes[9] < 10:
                lines.append(f"{name(row)},{box}{','.join(map(str, votes))}\n")
                Image.fromarray(face(row)).save(root / own / name(row))
        (root / own / "label.csv").write_text("".join(lines))
    return root


def write_csvs(root: Path, end: str = "\n", mark: str = "") -> Path:
    """Writes fer2013new.csv and fer2013.csv; removed faces have a blank name."""
    root.mkdir(parents=True, exist_ok=True)
    lists, faces = [HEADER], ["emotion,pixels,Usage"]
    for row, (usage, votes) in enumerate(FACES):
        image = name(row) if votes[9] < 10 else ""
        lists.append(f"{usage},{image},{','.join(map(str, votes))}")
        emotion = FER2013.get(COLUMNS[int(np.argmax(votes))], 0)
        faces.append(f"{emotion},{' '.join(map(str, face(row).ravel()))},{usage}")
    for file, lines in (("fer2013new.csv", lists), ("fer2013.csv", faces)):
        (root / file).write_bytes((mark + end.join([*lines, ""])).encode())
    return root


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 35,887 rows take a minute to write: the number of rows is that of FACES."""
    monkeypatch.setattr(vote_files, "ROWS", len(FACES))


def check(bundle: DatasetBundle, labels: str = "majority") -> None:
    assert bundle.classes == EMOTIONS
    assert bundle.sources == dict(zip(("train", "val", "test"), FOLDERS.values(), strict=True))
    for start, split in zip((0, 11, 22), bundle.splits.values(), strict=True):
        soft = labels != "majority" and split.name == "train"
        named = [*COLUMNS[:8], "neutral"][: 9 if soft else 8]
        assert [EMOTIONS[label] for label in split.labels] == named
        assert split.shape == (48, 48, 1)
        images = split.read(np.arange(len(split)))
        np.testing.assert_array_equal(images[7, ..., 0], face(start + 7))
        assert split.votes is not None
        np.testing.assert_array_equal(split.votes, VOTES[: len(split)])
        if not soft:
            assert split.targets is None
            continue
        assert split.targets is not None
        assert split.targets.dtype == np.float32
        np.testing.assert_array_equal(split.targets[:8].argmax(axis=1), split.labels[:8])
        even = {"neutral": 0.5, "sadness": 0.5}
        if labels == "multi_target":
            even = dict.fromkeys(even, 1.0)
        np.testing.assert_array_equal(split.targets[8], [even.get(e, 0) for e in EMOTIONS])


@pytest.mark.parametrize("labels", ["majority", "probability", "crossentropy", "multi_target"])
@pytest.mark.parametrize("root", [".", "data", "FERPlus/data"])
def test_label_csv_layout(tmp_path: Path, root: str, labels: str) -> None:
    write_folders(tmp_path / root)
    bundle = load(tmp_path, labels=labels)
    check(bundle, labels)
    assert bundle.splits["train"].ids[3] == "FER2013Train/fer0000003.png"
    assert [note.split(":")[0] for note in bundle.notes] == list(FOLDERS.values())


@pytest.mark.parametrize("labels", ["majority", "crossentropy", "multi_target"])
@pytest.mark.parametrize(("end", "mark"), [("\n", ""), ("\r\n", "\ufeff")])
@pytest.mark.usefixtures("few_rows")
def test_fer2013new_layout(tmp_path: Path, labels: str, end: str, mark: str) -> None:
    write_csvs(tmp_path, end, mark)
    bundle = load(tmp_path, labels=labels)
    check(bundle, labels)
    assert bundle.splits["val"].ids[0] == "fer2013.csv:12"


@pytest.mark.usefixtures("few_rows")
def test_a_clone_of_the_repository_with_the_faces_above_it(tmp_path: Path) -> None:
    write_csvs(tmp_path)
    write_folders(tmp_path / "FERPlus" / "data")
    for image_file in tmp_path.rglob("*.png"):
        image_file.unlink()
    shutil.move(tmp_path / "fer2013new.csv", tmp_path / "FERPlus" / "fer2013new.csv")
    check(load(tmp_path))


def test_old_lists_have_no_box(tmp_path: Path) -> None:
    check(load(write_folders(tmp_path, box="")))


def test_lists_without_images_say_how_to_get_them(tmp_path: Path) -> None:
    write_folders(tmp_path)
    for image_file in tmp_path.rglob("*.png"):
        image_file.unlink()
    with pytest.raises(UserError, match=r"votes without faces.*generate_training_data\.py"):
        load(tmp_path)


@pytest.mark.parametrize("labels", ["majority", "crossentropy"])
def test_without_test_and_val_images(tmp_path: Path, labels: str) -> None:
    write_folders(tmp_path)
    (tmp_path / "FER2013Train" / "label.csv").write_text(
        "".join(
            f"{name(row)},{','.join(map(str, VOTES[k]))}\n"
            for row, k in enumerate(k for k in (0, 1, 2, 8) for _ in range(10))
        )
    )
    for row in range(40):
        Image.fromarray(face(row)).save(tmp_path / "FER2013Train" / name(row))
    for own in ("FER2013Valid", "FER2013Test"):
        for image_file in (tmp_path / own).glob("*.png"):
            image_file.unlink()
    bundle = load(tmp_path, val_fraction=0.3, labels=labels)
    assert list(bundle.splits) == ["train", "val"]
    assert "no test split on disk (FER2013Test)" in bundle.notes
    # val has majority labels only: none of the faces that half of the votes call sad.
    val = bundle.splits["val"]
    assert val.targets is None
    rows = [int(identity[-11:-4]) for identity in val.ids]
    assert max(rows) < 30
    assert [EMOTIONS[label] for label in val.labels] == [COLUMNS[row // 10] for row in rows]


@pytest.mark.parametrize("labels", ["probability", "crossentropy", "multi_target"])
def test_folds_train_on_the_votes_and_judge_by_the_majority(tmp_path: Path, labels: str) -> None:
    write_folders(tmp_path)
    for start, own in ((100, "FER2013Train"), (150, "FER2013Valid")):
        rows = range(start, start + 39)
        for row in rows:
            Image.fromarray(face(row)).save(tmp_path / own / name(row))
        # Every vote is split, one half of them without a majority.
        (tmp_path / own / "label.csv").write_text(
            "".join(
                f"{name(row)},{','.join(map(str, [7, 0, 0, 3] + [0] * 6 if row % 2 else UNSURE))}\n"
                for row in rows
            )
        )
    bundles = [
        load_dataset("ferplus", tmp_path, labels=labels, folds=3, fold=fold) for fold in (1, 2, 3)
    ]
    neutral, sadness = EMOTIONS.index("neutral"), EMOTIONS.index("sadness")
    share = ((1, 1), (1, 1)) if labels == "multi_target" else ((0.7, 0.3), (0.5, 0.5))
    for bundle in bundles:
        train = bundle.splits["train"]
        assert train.targets is not None
        odd = np.array([int(identity[-11:-4]) % 2 for identity in train.ids], bool)
        folders = {identity.split("/")[0] for identity in train.ids}
        assert folders == {"FER2013Train", "FER2013Valid"}
        expected = np.where(odd[:, None], *np.array(share, np.float32)[:, None])
        np.testing.assert_allclose(train.targets[:, [neutral, sadness]], expected)
        assert 0 < odd.sum() < len(odd)
        for split in bundle.splits.values():
            assert split.votes is not None
            assert split.votes.tolist() == [
                [7, 0, 0, 3] + [0] * 6 if int(identity[-11:-4]) % 2 else UNSURE
                for identity in split.ids
            ]
        for judged in (bundle.splits["val"], bundle.splits["test"]):
            assert judged.targets is None
            assert len(judged)
            assert all(int(identity[-11:-4]) % 2 for identity in judged.ids)
            assert (judged.labels == neutral).all()
        assert not any("on disk" in note for note in bundle.notes)
    tested = sorted(identity for bundle in bundles for identity in bundle.splits["test"].ids)
    assert len(tested) == len(set(tested)) == 38


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('fer0000001.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0', "expected 10 votes"),
        ('fer0000001.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,x', "each a whole number"),
        ('fer0000001.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,-1', "each a whole number"),
        ('fer0000001.png,"(8, 8, 40, 40)",4,0,0,1,3,2,0,0,0,0', "face box"),
        ('fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0', "listed twice"),
        ('../a.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0', "expected an image name"),
        ("fer00000", "expected 10 votes"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, line: str, words: str) -> None:
    write_folders(tmp_path)
    path = tmp_path / "FER2013Train" / "label.csv"
    first = path.read_text().splitlines()[0]
    path.write_text(f"{first}\n{line}\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    assert f"{path}: row 2 (line 2): " in str(caught.value)
    assert words in str(caught.value)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 400), st.integers(0, 40), st.binary(max_size=20))
def test_spoilt_lists_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, inserted: bytes
) -> None:
    lines = [f'{name(i)},"(0, 0, 48, 48)",{",".join(map(str, v))}' for i, v in enumerate(VOTES)]
    text = "\n".join(lines).encode()
    path = tmp_path_factory.mktemp("spoilt") / "label.csv"
    path.write_bytes(text[:start] + inserted + text[start + length :])
    try:
        rows = vote_files.read_label_csv(path)
    except UserError as error:
        refused = str(error)
    else:
        refused = str(path)
        assert all(len(votes) == 10 and min(votes) >= 0 for votes in rows.values())
    assert str(path) in refused


def test_some_absent_images_are_counted(tmp_path: Path) -> None:
    write_folders(tmp_path)
    (tmp_path / "FER2013Train" / name(2)).unlink()
    with pytest.raises(UserError, match=r"1 of the 10 images .* absent, first fer0000002\.png"):
        load(tmp_path)


def test_the_csv_must_be_whole(tmp_path: Path) -> None:
    write_csvs(tmp_path)
    with pytest.raises(
        UserError, match=r"fer2013new\.csv: 33 rows, expected 35,887.*FER2013Train/label\.csv"
    ):
        load(tmp_path)


@pytest.mark.usefixtures("few_rows")
def test_a_shortened_fer2013_csv_is_refused(tmp_path: Path) -> None:
    path = write_csvs(tmp_path) / "fer2013.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")
    with pytest.raises(UserError, match=r"fer2013\.csv: 31 rows, expected 33.*label\.csv"):
        load(tmp_path)


def reverse_rows(lines: list[str]) -> list[str]:
    return [lines[0], *lines[:0:-1]]


def rotate_rows(lines: list[str]) -> list[str]:
    return [lines[0], *(lines[1 + (i + 3) % 11 + i // 11 * 11] for i in range(33))]


@pytest.mark.parametrize(
    ("reorder", "words"), [(reverse_rows, "Usage 'Training', but"), (rotate_rows, "agree with")]
)
@pytest.mark.usefixtures("few_rows")
def test_a_reordered_fer2013_csv_is_refused(
    tmp_path: Path, reorder: Callable[[list[str]], list[str]], words: str
) -> None:
    path = write_csvs(tmp_path) / "fer2013.csv"
    path.write_text("\n".join([*reorder(path.read_text().splitlines()), ""]))
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    for part in (words, "rows were reordered"):
        assert part in str(caught.value)


def test_missing_and_wrong_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no does not exist\. .*github\.com/microsoft/FERPlus"):
        load(tmp_path / "no")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    for part in ("is empty", "label.csv", "fer2013new.csv", "github.com/microsoft/FERPlus"):
        assert part in str(caught.value)


@pytest.fixture(scope="module")
def real(faces: Path) -> Path:
    if not (faces / "ferplus" / "FER2013Train" / "label.csv").is_file():
        pytest.skip("FERJAX_FACES holds no ferplus/ (see unpack.py)")
    return faces / "ferplus"


@pytest.mark.faces
def test_real_faces(real: Path) -> None:
    bundle = load(real, labels="crossentropy")
    train, val = bundle.splits["train"], bundle.splits["val"]
    assert (len(train), len(val)) == (27947, 3191)
    assert "FER2013Train: 25,045 images, 25,060 published" in bundle.notes[0]
    assert "no test split on disk (FER2013Test)" in bundle.notes
    assert train.targets is not None
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, atol=1e-6)
    highest = train.targets[np.arange(len(train)), train.labels]
    np.testing.assert_array_equal(highest, train.targets.max(axis=1))
    with open(real / "FER2013Valid" / "label.csv", encoding="utf-8") as file:
        votes = {row[0]: [int(vote) for vote in row[2:]] for row in csv.reader(file)}
    for identity, label in zip(val.ids[::100], val.labels[::100], strict=True):
        face_votes = votes[Path(identity).name]
        assert face_votes[COLUMNS.index(EMOTIONS[label])] == max(face_votes)
    assert val.read(np.arange(3)).shape == (3, 48, 48, 1)
