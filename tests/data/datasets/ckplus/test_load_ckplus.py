"""CK+48, the original sequences and csv copies, generated with the counts of the release."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.ckplus.load_ckplus import load
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

# Label of an _emotion.txt → folder of CK+48 and its labelled sequences in the release.
FOLDERS = ("", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
SEQUENCES = (0, 45, 18, 59, 25, 69, 28, 83)
CANONICAL = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
PEOPLE = 118
SEVEN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")


def pixel(path: Path, value: int, side: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), value).save(path)


def sequences(scale: int = 1) -> list[tuple[str, str, int]]:
    """Returns person, sequence and label of every 1/`scale` of the labelled sequences."""
    labels = [k for k, n in enumerate(SEQUENCES) for _ in range(n // scale)]
    ids = np.sort(np.random.default_rng(0).choice(900, PEOPLE, replace=False))
    return [
        (f"S{ids[i % PEOPLE]:03d}", f"{i // PEOPLE + 1:03d}", label)
        for i, label in enumerate(labels)
    ]


@pytest.fixture(scope="module")
def ck48(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ck48")
    for person, sequence, label in sequences():
        for frame in (15, 16, 17):
            name = f"{person}_{sequence}_{frame:08d}.png"
            pixel(root / "CK+48" / FOLDERS[label] / name, 10 * label + frame)
    return root


def original(root: Path, entries: list[tuple[str, str, int]], frames: int = 6) -> Path:
    """Writes the frames (value: label·10 + number) and label files, and what lies around."""
    for person, sequence, label in entries:
        stem = f"{person}_{sequence}"
        for frame in range(1, frames + 1):
            name = f"{stem}_{frame:08d}.png"
            pixel(root / "cohn-kanade-images" / person / sequence / name, 10 * label + frame)
        folder = root / "Emotion" / person / sequence
        folder.mkdir(parents=True)
        (folder / f"{stem}_{frames:08d}_emotion.txt").write_text(f"   {label:.7e}\n")
    person = entries[0][0]
    (root / "Emotion" / person / "099").mkdir()  # 266 sequences have no label
    pixel(root / "cohn-kanade-images" / person / "099" / f"{person}_099_00000001.png", 0)
    (root / "cohn-kanade-images" / person / ".DS_Store").write_bytes(b"x")
    (root / "cohn-kanade-images" / person / entries[0][1] / ".DS_Store").write_bytes(b"x")
    (root / "Emotion" / ".DS_Store").write_bytes(b"x")
    return root


def test_the_published_folds(ck48: Path) -> None:
    everybody = sorted({person for person, _, _ in sequences()})
    assert len(everybody) == PEOPLE
    tested: list[str] = []
    for fold in range(1, 11):
        bundle = load(ck48, fold=fold)
        parts = {role: set(split.subjects.tolist()) for role, split in bundle.splits.items()}
        assert parts["test"] == set(everybody[fold - 1 :: 10])
        assert parts["val"] == set(everybody[fold % 10 :: 10])
        assert parts["train"] == set(everybody) - parts["test"] - parts["val"]
        runs = [
            {re.match(r".*(S\d+_\d+)", name)[1] for name in split.ids}
            for split in bundle.splits.values()
        ]
        assert sum(map(len, runs)) == len(set.union(*runs)) == 327
        tested += bundle.splits["test"].ids
    assert len(tested) == len(set(tested)) == 981
    assert bundle.sources["train"].startswith("all other images, 8")
    assert bundle.sources["val"].startswith("from fold 1 of 10, ")
    assert bundle.sources["test"].startswith("fold 10 of 10, ")


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_fewer_folds_leave_train_more_than_val_and_test_have_folds(ck48: Path, folds: int) -> None:
    bundle = load(ck48, folds=folds)
    train, val, test = (len(bundle.splits[name]) / 981 for name in ("train", "val", "test"))
    assert test == pytest.approx(1 / folds, abs=0.05)
    assert 0.05 < val < 0.15
    assert train == pytest.approx(1 - 1 / folds - 0.1, abs=0.1)
    parts = [set(split.subjects.tolist()) for split in bundle.splits.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == PEOPLE


def counts(bundle) -> dict[str, int]:
    labels = np.concatenate([split.labels for split in bundle.splits.values()])
    return dict(zip(bundle.classes, np.bincount(labels).tolist(), strict=True))


def test_ck48_counts_and_classes(ck48: Path) -> None:
    bundle = load(ck48 / "CK+48")
    assert bundle.classes == SEVEN
    assert list(counts(bundle).values()) == [135, 177, 75, 207, 84, 249, 54]
    assert counts(load(ck48, num_classes=6)) == {
        name: n for name, n in counts(bundle).items() if name != "contempt"
    }
    for split in bundle.splits.values():
        shown = split.read(np.arange(len(split)))[:, 0, 0, 0] // 10 - 1
        assert [CANONICAL[label] for label in shown] == [SEVEN[label] for label in split.labels]
        assert all(
            name.startswith(("anger/", "contempt/", "dis", "f", "h", "s")) for name in split.ids
        )
    assert "118 people, 327 sequences, last 3 frames" in bundle.notes[-1]
    assert not any("published" in note for note in bundle.notes)


def test_fewer_frames_are_the_last(ck48: Path) -> None:
    bundle = load(ck48, last_frames=1)
    assert sum(map(len, bundle.splits.values())) == 327
    assert all("_00000017" in name for name in bundle.splits["test"].ids)


def test_the_original_tree_agrees_with_ck48(ck48: Path, tmp_path: Path) -> None:
    entries = sequences(scale=6)
    root = original(tmp_path / "x", entries)
    bundle = load(root, folds=4)
    assert bundle.classes == SEVEN
    assert sum(counts(bundle).values()) == 3 * len(entries)
    for split in bundle.splits.values():
        value = split.read(np.arange(len(split)))[:, 0, 0, 0]
        assert set(value % 10) == {4, 5, 6}
        assert [CANONICAL[v // 10] for v in value] == [SEVEN[label] for label in split.labels]
        assert [name.split("/")[1] for name in split.ids] == split.subjects.tolist()


@pytest.mark.parametrize("labels", ["Emotion_labels", "Emotion_labels/Emotion"])
def test_eight_classes_have_first_frames_as_neutral(tmp_path: Path, labels: str) -> None:
    entries = sequences(scale=9)
    root = original(tmp_path / "x", entries)
    shutil.move(root / "Emotion", root / "moved")
    (root / labels).parent.mkdir(exist_ok=True)
    shutil.move(root / "moved", root / labels)
    bundle = load(root, num_classes=8, last_frames=1, folds=3)
    assert bundle.classes == EMOTIONS
    found = counts(bundle)
    assert found["neutral"] == len(entries)
    assert sum(found.values()) == 2 * len(entries)
    for split in bundle.splits.values():
        neutral = split.labels == EMOTIONS.index("neutral")
        value = split.read(np.arange(len(split)))[:, 0, 0, 0] % 10
        assert set(value[neutral]) == {1}
        assert set(value[~neutral]) == {6}
    assert "first frame as neutral" in bundle.notes[-1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"num_classes": 8}, "CK[+]48 holds no neutral faces"),
        ({"num_classes": 5}, "num_classes=5: CK[+] has 6"),
        ({"last_frames": 0}, "last_frames=0"),
        ({"last_frames": 4}, "3 frames of S.*last_frames=4 asked for"),
        ({"fold": 11}, "fold=11: expected 1 to 10"),
        ({"folds": 1}, "folds=1: expected 2 to 118"),
        ({"folds": 119}, "2 to 118, the number of people"),
    ],
)
def test_options_that_ck48_does_not_support(ck48: Path, given: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(ck48, **given)


@pytest.mark.parametrize("text", ["8.0", "0.0", "3.5", "", "three", "nan", "inf", "1e400"])
def test_invalid_labels_are_refused(tmp_path: Path, text: str) -> None:
    root = original(tmp_path / "x", [("S005", "001", 3)])
    file = root / "Emotion" / "S005" / "001" / "S005_001_00000006_emotion.txt"
    file.write_text(text)
    with pytest.raises(UserError, match=r"_emotion\.txt: .*a number from 1 to 7"):
        load(root)


def spoil_no_labels(root: Path) -> None:
    shutil.rmtree(root / "Emotion")


def spoil_empty_labels(root: Path) -> None:
    shutil.rmtree(root / "Emotion" / "S005")


def spoil_no_images(root: Path) -> None:
    shutil.rmtree(root / "cohn-kanade-images" / "S005" / "001")


def spoil_foreign_image(root: Path) -> None:
    pixel(root / "cohn-kanade-images" / "S005" / "001" / "S005_002_00000009.png", 0)


def spoil_name(root: Path) -> None:
    pixel(root / "cohn-kanade-images" / "S005" / "001" / "apex.png", 0)


def spoil_two_labels(root: Path) -> None:
    (root / "Emotion" / "S005" / "001" / "S005_001_00000009_emotion.txt").write_text("1.0")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_no_labels, "no labels beside it"),
        (spoil_empty_labels, r"no label files such as .*Emotion_labels\.zip"),
        (spoil_no_images, r"001: 0 images, S005_001_00000006_emotion\.txt labels them"),
        (spoil_foreign_image, r"S005_002_00000009\.png: this image belongs to another"),
        (spoil_name, r"apex\.png: expected a name such as"),
        (spoil_two_labels, "two label files for one sequence"),
    ],
)
def test_broken_trees(tmp_path: Path, spoil, says: str) -> None:
    root = original(tmp_path / "x", [("S005", "001", 3)])
    spoil(root)
    with pytest.raises(UserError, match=says):
        load(root)


def test_a_sequence_in_two_classes(ck48: Path, tmp_path: Path) -> None:
    for folder in FOLDERS[1:]:
        pixel(tmp_path / folder / "S001_001_00000001.png", 0)
    with pytest.raises(UserError, match="S001_001 is in anger and contempt"):
        load(tmp_path)


def test_another_folder_is_no_ckplus(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(UserError, match=r"no CK[+] found, it holds readme\.txt"):
        load(tmp_path)


COUNTS = dict(zip(CANONICAL[1:], [135, 54, 177, 75, 207, 84, 249], strict=True))


def test_swapped_folders_do_not_count_like_ckplus(
    ck48: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PUBLISHED, "ckplus", {"all": COUNTS})
    assert not any("published" in note for note in load(ck48, num_classes=6).notes)
    root = shutil.copytree(ck48 / "CK+48", tmp_path / "CK+48")
    (root / "S").mkdir()  # no class folder: moved away before loading
    for old, new in (("happy", "S/x"), ("sadness", "happy"), ("S/x", "sadness")):
        (root / old).rename(root / new)
    (root / "S").rmdir()
    with pytest.raises(UserError, match="labels of ckplus look permuted over all"):
        load(tmp_path)


# Class → rows of ckextended.csv, by its page on Kaggle; emotion 0, 1, 2, ... in this order.
ROWS = dict(zip(EMOTIONS, (45, 59, 25, 69, 28, 83, 593, 18), strict=True))
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


def csv_copy(
    path: Path,
    counts: dict[str, int] = ROWS,
    numbered: tuple[str, ...] = EMOTIONS,
    usage: bool = True,
) -> Path:
    """Writes a csv copy; row i shows its class (pixel 0: 10 plus its index in EMOTIONS) and i.

    Every tenth row is PublicTest, the one after it PrivateTest.
    """
    names = [name for name, n in counts.items() for _ in range(n)]
    np.random.default_rng(0).shuffle(names)
    rest = " 7" * (48 * 48 - 3)
    lines = [f"emotion,pixels{',Usage' * usage}"]
    for i, name in enumerate(names):
        own = {0: "PublicTest", 1: "PrivateTest"}.get(i % 10, "Training")
        pixels = f"{10 + EMOTIONS.index(name)} {i // 256} {i % 256}{rest}"
        lines.append(f"{numbered.index(name)},{pixels}{f',{own}' * usage}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def shown(split: Split) -> tuple[list[str], list[int]]:
    """Returns the class and the row, from 0, that each image itself shows."""
    pixels = split.read(np.arange(len(split))).reshape(len(split), -1).astype(int)
    return [EMOTIONS[v - 10] for v in pixels[:, 0]], (256 * pixels[:, 1] + pixels[:, 2]).tolist()


def assert_subjects_are_unknown(bundle: DatasetBundle) -> None:
    assert bundle.notes[0].startswith("PERSONS ARE UNKNOWN")
    assert "the same person may be in train, val and test" in bundle.notes[0]
    assert "persons unknown" in bundle.layout
    assert all(split.subjects is None for split in bundle.splits.values())


@pytest.mark.parametrize("num_classes", [6, 7, 8])
def test_a_csv_copys_usage_makes_the_splits(tmp_path: Path, num_classes: int) -> None:
    path = csv_copy(tmp_path / "CK+" / "ckextended.csv")
    bundle = load(tmp_path, num_classes=num_classes)
    wanted = {6: SEVEN[:6], 7: SEVEN, 8: EMOTIONS}[num_classes]
    assert bundle.classes == wanted
    assert counts(bundle) == {name: ROWS[name] for name in wanted}
    assert_subjects_are_unknown(bundle)
    every: list[int] = []
    for own, role in USAGES.items():
        split = bundle.splits[role]
        names, rows = shown(split)
        assert names == [wanted[label] for label in split.labels]
        assert split.ids == tuple(f"{path.name}:{row + 1}" for row in rows)
        assert {min(row % 10, 2) for row in rows} == {"Training": {2}, "PublicTest": {0}}.get(
            own, {1}
        )
        assert bundle.sources[role] == f"{own} (persons unknown)"
        every += rows
    assert len(set(every)) == len(every)
    told = [note for note in bundle.notes if "left out" in note]
    assert (
        told
        == {
            6: [
                "ckextended.csv: rows of other classes are left out: 593 of neutral, 18 of contempt"
            ],
            7: ["ckextended.csv: rows of other classes are left out: 593 of neutral"],
            8: [],
        }[num_classes]
    )
    assert not any("published" in note for note in bundle.notes)


def test_a_csv_copy_without_usage_is_cut_by_class(tmp_path: Path) -> None:
    path = csv_copy(tmp_path / "mine.csv", usage=False)
    bundle = load(path, num_classes=8, val_fraction=0.2, split_seed=3)
    assert_subjects_are_unknown(bundle)
    sizes = {role: np.bincount(s.labels).tolist() for role, s in bundle.splits.items()}
    assert sizes["test"] == [max(round(n / 10), 1) for n in ROWS.values()]
    left = [n - k for n, k in zip(ROWS.values(), sizes["test"], strict=True)]
    assert sizes["val"] == [round(n / 5) for n in left]
    assert "stratified 0.1 of all (split seed 3, persons unknown)" in bundle.sources["test"]
    rows = [set(shown(split)[1]) for split in bundle.splits.values()]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 920
    again = load(path, num_classes=8, val_fraction=0.2, split_seed=3)
    other = load(path, num_classes=8, val_fraction=0.2, split_seed=4)
    assert again.splits["test"].ids == bundle.splits["test"].ids != other.splits["test"].ids


def test_folds_of_a_csv_copy_are_by_class_and_say_so(tmp_path: Path) -> None:
    path = csv_copy(tmp_path / "ckextended.csv")
    tested: list[str] = []
    for fold in (1, 2, 3, 4):
        bundle = load(path, fold=fold, folds=4)
        assert_subjects_are_unknown(bundle)
        assert bundle.sources["test"].startswith(f"fold {fold} of 4, 25 % of all (stratified, per")
        assert [len(split) for split in bundle.splits.values()][1] == 33
        tested += bundle.splits["test"].ids
    assert len(tested) == len(set(tested)) == 327


def test_beside_images_that_name_persons_a_csv_copy_is_not_read(tmp_path: Path) -> None:
    root = original(tmp_path / "x", sequences(scale=9))
    csv_copy(root / "ckextended.csv")
    bundle = load(root, folds=3)
    assert "original" in bundle.layout
    assert "ckextended.csv beside it was not read: it names no persons" in bundle.notes


def test_a_csv_copy_with_another_numbering_is_refused(tmp_path: Path) -> None:
    """The numbering of CK+'s own label files, and neutral and contempt exchanged."""
    for k, numbered in enumerate((CANONICAL, (*EMOTIONS[:6], "contempt", "neutral"))):
        path = csv_copy(tmp_path / f"{k}.csv", numbered=numbered)
        with pytest.raises(UserError, match="labels of ckextended look permuted over all"):
            load(path, num_classes=6)


def test_without_neutral_rows_six_is_not_taken_for_neutral(tmp_path: Path) -> None:
    """CK+48 was also numbered 0 to 6 with contempt last."""
    seven = {name: 3 * ROWS[name] for name in SEVEN}
    path = csv_copy(tmp_path / "a.csv", seven, numbered=SEVEN)
    with pytest.raises(UserError, match=r"a\.csv: no row's emotion is 7 \(contempt\).*6 is cont"):
        load(path)
    assert "neutral" not in load(path, num_classes=6).classes
    right = csv_copy(tmp_path / "b.csv", seven)
    assert counts(load(right)) == seven
    assert not any("published" in note for note in load(right).notes)
    with pytest.raises(UserError, match=r"b\.csv: no row's emotion is 6 \(neutral\)"):
        load(right, num_classes=8)


def test_a_smaller_csv_copy_gets_a_note_with_its_counts(tmp_path: Path) -> None:
    fewer = {**ROWS, "neutral": 123}
    notes = load(csv_copy(tmp_path / "a.csv", fewer)).notes
    assert "all: 450 images, 920 published (neutral -470)" in notes


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("8,{},Training", "emotion '8', expected a whole number from 0 to 7"),
        ("0,{},Test", "Usage 'Test', expected Training, PublicTest, PrivateTest"),
        ("0,1 2 3,Training", "3 values in pixels, expected 2,304"),
    ],
)
def test_a_csv_copys_broken_row(tmp_path: Path, row: str, says: str) -> None:
    path = csv_copy(tmp_path / "a.csv")
    with open(path, "a") as file:
        file.write(row.format(" ".join(["0"] * 2304)) + "\n")
    with pytest.raises(UserError, match=rf"a\.csv: row 921 .*{says}"):
        load(path)


def test_the_registry_reads_a_csv_copy(tmp_path: Path) -> None:
    csv_copy(tmp_path / "ckextended.csv")
    plain = load_dataset("ckplus", tmp_path)
    assert plain.sources["val"] == "PublicTest (persons unknown)"
    folded = load_dataset("ckplus", tmp_path, folds=5, fold=2, num_classes=8)
    assert folded.sources["test"].startswith("fold 2 of 5")
    assert_subjects_are_unknown(folded)


def test_judged_data_are_whole(ck48: Path) -> None:
    """No val is wanted of data that are only judged; no image may be lost on the way."""
    bundle = load_dataset("ckplus", ck48, val_fraction=0)
    ids = [name for split in bundle.splits.values() for name in split.ids]
    assert len(ids) == len(set(ids)) == 981
    assert [*bundle.splits] == ["test"]
    assert "10 folds" not in bundle.notes[-1]


@pytest.mark.parametrize("people", [1, 4])
def test_a_few_people_can_be_judged_and_need_fewer_folds_to_train_on(
    people: int, tmp_path: Path
) -> None:
    for k in range(people):
        for label, folder in enumerate(FOLDERS[1:]):
            pixel(tmp_path / folder / f"S00{k + 1}_00{label + 1}_00000009.png", 10 * label)
    bundle = load(tmp_path, val_fraction=0, last_frames=1)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 7 * people}
    says = "number of people is 1" if people == 1 else "expected 2 to 4, .* people. Give --folds"
    with pytest.raises(UserError, match=says):
        load(tmp_path, last_frames=1)


def test_no_split_of_a_csv_copy_without_usage_is_cut_to_judge_it(tmp_path: Path) -> None:
    path = csv_copy(tmp_path / "a.csv", usage=False)
    bundle = load(path, num_classes=8, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 920}
    assert bundle.sources == {"test": "all rows (persons unknown)"}
