"""A user's own images: class folders, lists, classes.txt, and every error in them."""

import contextlib
import json
import os
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.datasets.user_folder import load
from ferjax.data.reading.image_table_columns import ListingBuilder
from ferjax.data.reading.path_label_list import read_list
from ferjax.data.splits.compact_names import Files, Names
from ferjax.errors import UserError


def still(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 3), value).save(path)


def fill(root: Path, *folders: str, each: int = 4) -> Path:
    """Writes `each` images in every folder; their grey is 10 times the folder's index."""
    for k, folder in enumerate(folders):
        for i in range(each):
            still(root / folder / f"{i}.png", 10 * k)
    return root


def listed(root: Path, text: str, name: str = "list.csv") -> Path:
    path = root / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def shown(bundle, role: str) -> list[tuple[str, str, int]]:
    """Returns (id, class, grey) of every image of a split."""
    split = bundle.splits[role]
    values = split.read(np.arange(len(split)))[:, 0, 0, 0].tolist()
    names = [bundle.classes[label] for label in split.labels]
    return list(zip(split.ids, names, values, strict=True))


def test_class_folders(tmp_path: Path) -> None:
    bundle = load(fill(tmp_path, "tired", "Happy", "angry", "Bored"), val_fraction=0.25)
    assert bundle.classes == ("anger", "happiness", "bored", "tired")
    assert {role: len(split) for role, split in bundle.splits.items()} == {"train": 12, "val": 4}
    truth = {0: "tired", 10: "happiness", 20: "anger", 30: "bored"}
    for role in bundle.splits:
        assert all(truth[value] == name for _, name, value in shown(bundle, role))
    assert "Bored/0.png" in [*bundle.splits["train"].ids, *bundle.splits["val"].ids]
    assert bundle.layout == "class folders"


@pytest.mark.parametrize(
    ("train", "val", "test"), [("train", "val", "test"), ("Training", "valid", "Testing")]
)
def test_given_splits_are_kept(tmp_path: Path, train: str, val: str, test: str) -> None:
    folders = [f"{split}/{c}" for split in (train, val, test) for c in ("sad", "joy")]
    bundle = load(fill(tmp_path, *folders))
    assert bundle.classes == ("happiness", "sadness")
    for k, role in enumerate(("train", "val", "test")):
        assert {value for _, _, value in shown(bundle, role)} == {20 * k, 20 * k + 10}
        assert {name for _, name, v in shown(bundle, role) if v == 20 * k} == {"sadness"}


def test_images_may_lie_deeper_and_other_files_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, "sad/ann/monday", "sad/bob", "happy")
    (tmp_path / "sad" / "readme.md").write_text("x")
    (tmp_path / "sad" / ".hidden.png").write_text("x")
    (tmp_path / "Thumbs.db").write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    bundle = load(tmp_path)
    assert sum(map(len, bundle.splits.values())) == 12
    assert "1 files that are no images were passed over, first sad/readme.md" in bundle.notes


def test_numbers_are_refused_without_their_names(tmp_path: Path) -> None:
    fill(tmp_path, "1", "2", "3")
    with pytest.raises(UserError, match=r"classes are numbers \(1, 2, 3\).*classes\.txt"):
        load(tmp_path)
    (tmp_path / "classes.txt").write_text("1 surprise\n2: fear\n3, Disgusted\n")
    assert load(tmp_path).classes == ("disgust", "fear", "surprise")
    assert {(c, v) for _, c, v in shown(load(tmp_path), "train")} == {
        ("surprise", 0),
        ("fear", 10),
        ("disgust", 20),
    }
    (tmp_path / "classes.txt").write_text("surprise\nfear\ndisgust\n")
    with pytest.raises(UserError, match="no name for 3; it names 0, 1, 2"):
        load(tmp_path)
    (tmp_path / "classes.txt").write_text("nobody\nsurprise\nfear\ndisgust\n")
    assert load(tmp_path).classes == ("disgust", "fear", "surprise")
    for text, says in {"1 fear\nsad\n": "'sad' has no number", "1 sad\n1 fear\n": "twice"}.items():
        (tmp_path / "classes.txt").write_text(text)
        with pytest.raises(UserError, match=says):
            load(tmp_path)


def test_zero_padded_numbers(tmp_path: Path) -> None:
    fill(tmp_path, "00", "01")
    (tmp_path / "classes.txt").write_text("\ufeffsad\nhappy\n")
    assert {(c, v) for _, c, v in shown(load(tmp_path), "train")} == {
        ("sadness", 0),
        ("happiness", 10),
    }


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        (("sad",), "one class only, sadness"),
        (("train/sad", "train/happy", "test/sad", "test/fear"), "no training images of fear"),
        (("train/sad", "train/happy", "val/sad", "valid/sad"), "one for val"),
        (("train/sad", "train/happy", "extra/sad"), "extra: beside a folder for train"),
        ((), "no class folders"),
    ],
)
def test_inconsistent_folders_are_refused(
    tmp_path: Path, folders: tuple[str, ...], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        load(fill(tmp_path, *folders))


def test_misplaced_and_missing_images_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "sad", "happy")
    (tmp_path / "fear").mkdir()
    with pytest.raises(UserError, match="fear: no images in this class folder"):
        load(tmp_path)
    (tmp_path / "fear").rmdir()
    still(tmp_path / "stray.png")
    with pytest.raises(UserError, match=r"stray\.png: an image beside the class folders"):
        load(tmp_path)
    with pytest.raises(UserError, match="nowhere does not exist"):
        load(tmp_path / "nowhere")
    (pixels := tmp_path / "pixels.csv").write_text("emotion,pixels\n0,1 2\n")
    with pytest.raises(UserError, match="csv of pixels goes in with --dataset=fer2013"):
        load(pixels)


@pytest.mark.parametrize("target", ["..", ".", "../sad", "../../x/sad"])
def test_links_that_lead_back_are_refused(tmp_path: Path, target: str) -> None:
    root = fill(tmp_path / "x", "sad", "tired")
    (root / "tired" / "more").symlink_to(target, target_is_directory=True)
    with pytest.raises(UserError, match=r"more: a link to .* which is listed already"):
        load(root)


def test_other_links(tmp_path: Path) -> None:
    root = fill(tmp_path / "x", "sad", "tired")
    fill(tmp_path, "elsewhere")
    (root / "happy").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "sad" / "one.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    assert sum(map(len, load(root).splits.values())) == 13
    (root / "sad" / "gone.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(UserError, match=r"gone\.png: a link that leads nowhere"):
        load(root)
    (root / "sad" / "gone.png").unlink()
    (root / "sad" / "self").symlink_to("self")
    with pytest.raises(UserError, match=r"sad: cannot be listed \(.*self"):
        load(root)


def test_val_that_is_a_link_to_train(tmp_path: Path) -> None:
    root = fill(tmp_path, "train/sad", "train/happy")
    (root / "val").symlink_to("train", target_is_directory=True)
    with pytest.raises(UserError, match=r"val: a link to .*train, which is listed already"):
        load(root)


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    fill(tmp_path, "sad", "happy")
    monkeypatch.setattr("ferjax.data.reading.folder_walk.os.scandir", refuse)
    with pytest.raises(UserError, match=r"cannot be listed \(Permission denied.*permissions"):
        load(tmp_path)


@pytest.mark.parametrize("way", ["folders", "list"])
def test_strange_names_are_read_and_can_be_printed(tmp_path: Path, way: str) -> None:
    longest = "é" * 125 + "a.png"
    odd = [
        b"\xff\xfe.png".decode("utf-8", "surrogateescape"),
        longest,
        'a "b", c\u2028.png',
        " .png",
    ]
    assert len(longest.encode()) == 255
    for name in odd:
        still(tmp_path / "sad" / name)
    fill(tmp_path, "happy")
    source = tmp_path
    if way == "list":
        quoted = ["sad/" + name.replace('"', '""') for name in odd]
        rows = [f'"{name}",sad' for name in quoted] + [f"happy/{i}.png,happy" for i in range(4)]
        source = listed(tmp_path, "path,label\n" + "\n".join(rows))
    bundle = load(source)
    ids = [name for split in bundle.splits.values() for name in split.ids]
    assert r"sad/\xff\xfe.png" in ids
    assert f"sad/{longest}" in ids
    assert "\n".join(ids).encode("utf-8").count(b"\n") == 7
    for split in bundle.splits.values():
        split.read(np.arange(len(split)))


ROWS = [("a.png", "sad", 0), ("b.png", "Happy", 10), ("d/c.png", "happiness", 20)]


def images_of_rows(root: Path) -> None:
    for name, _, value in ROWS:
        still(root / name, value)


CSV = {
    "header": "path,label\n{0}{1}{2}",
    "other names and columns": "id,image,width,emotion\n1,a.png,3,sad\n2,b.png,3,Happy\n3,d/c.png,,"
    "happiness",
    "no header": "{0}{1}{2}",
    "byte order mark, CRLF, blank lines": "\ufeffpath, label\r\n\r\na.png,sad\r\n \r\n"
    'b.png, Happy\r\n"d/c.png",happiness\r\n\r\n',
}


@pytest.mark.parametrize("text", CSV.values(), ids=CSV)
def test_csv_lists(tmp_path: Path, text: str) -> None:
    images_of_rows(tmp_path)
    rows = [f"{name},{label}\n" for name, label, _ in ROWS]
    check_rows(listed(tmp_path, text.format(*rows)))


def test_jsonl_list(tmp_path: Path) -> None:
    images_of_rows(tmp_path)
    lines = [json.dumps({"file": name, "Label": label, "x": [1]}) for name, label, _ in ROWS]
    check_rows(listed(tmp_path, "\ufeff" + "\n\n".join(lines), "list.jsonl"))


def check_rows(path: Path) -> None:
    bundle = load(path, val_fraction=0.5)
    assert bundle.classes == ("happiness", "sadness")
    everything = sorted(shown(bundle, "train") + shown(bundle, "val"))
    assert everything == [
        ("a.png", "sadness", 0),
        ("b.png", "happiness", 10),
        ("d/c.png", "happiness", 20),
    ]


def test_splits_and_people_of_a_list(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(12)]
    for i, name in enumerate(names):
        still(tmp_path / name, i)
    split = ["train"] * 6 + ["Valid"] * 4 + ["test"] * 2
    rows = [f"{n},{'sad' if i % 2 else 'fear'},{split[i]},p{i // 2}" for i, n in enumerate(names)]
    bundle = load(listed(tmp_path, "path,label,split,subject\n" + "\n".join(rows)))
    assert [len(s) for s in bundle.splits.values()] == [6, 4, 2]
    assert bundle.splits["val"].subjects.tolist() == ["p3", "p3", "p4", "p4"]
    assert not bundle.notes
    shared = [rows[0], rows[1].replace("p0", "p5"), *rows[2:]]
    bundle = load(listed(tmp_path, "\n".join(shared)))
    assert bundle.notes == (
        "1 people are in train and in test: the splits are not subject-independent",
    )


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_val_is_cut_by_person_where_people_are_known(tmp_path: Path, seed: int) -> None:
    rows = []
    for i in range(24):
        still(tmp_path / f"{i}.png", i)
        rows.append(f"{i}.png,{'sad' if i % 2 else 'fear'},p{i // 2:02d}")
    path = listed(tmp_path, "path,label,subject\n" + "\n".join(rows))
    bundle = load(path, val_fraction=0.25, split_seed=seed)
    people = {role: set(split.subjects.tolist()) for role, split in bundle.splits.items()}
    everybody = [f"p{i:02d}" for i in range(12)]
    assert people["val"] == set(everybody[seed % 4 :: 4])
    assert people["train"] == set(everybody) - people["val"]
    assert bundle.sources["val"] == "one in 4 of the people of train"
    assert len(bundle.splits["train"]) == 18


BAD = {
    "path,label\na.png,sad\nb.png\n": "list.csv:3: 1 fields, 2 in the first line",
    "path,label\na.png,sad\nb,c.png,sad\n": "list.csv:3: 3 fields",
    'path,label\na.png,sad\n"b.png,happy\n': "list.csv:3: cannot be read",
    "path,label\na.png,sad\nb.png,sad\nc.png,fear\nd.png,fe": "list.csv:5: the last row is cut",
    "path,label\na.png,\n": "list.csv:2: no label",
    "path,label\n,sad\n": "list.csv:2: no path",
    "path,label\na.png,sad\nb.png,fear\na.png,sad\n": "a.png is listed twice; remove",
    "path,label\na.png,sad\n.//a.png,fear\n": "a.png is listed twice; remove",
    "path,label\na.png,sad\nx//../a.png,fear\n": "x//../a.png is listed twice, first as a.png",
    "path,label\nx/../a.png,sad\na.png,fear\n": "a.png is listed twice, first as x/../a.png",
    f"path,label\n{'x' * 300}.png,sad\nb.png,fear\n": "xxx.png: ",
    f"path,label\na.png,{'7' * 5000}\nb.png,fear\n": "is a number, but no whole one",
    "path,label,split\na.png,sad,trian\n": "list.csv:2: 'trian'. Did you mean 'train'",
    "path,label,split\na.png,sad,\n": "unknown split",
    "path,path,label\na,b,c\n": "list.csv:1: the first line is 'path,path,label'",
    "name;label\na.png;sad\n": "list.csv:1: the first line is 'name;label'",
    "": "no images are listed",
    "path,label\n": "no images are listed",
    "path,label\na.png,1\nb.png,2\n": "the classes are numbers",
    "path,label\nmissing.png,sad\nb.png,fear\n": "missing.png: no such image file",
    "path,label,split\na.png,sad,test\nb.png,fear,test\n": "no training images",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_csv_lists(tmp_path: Path, text: str) -> None:
    still(tmp_path / "a.png")
    still(tmp_path / "b.png")
    with pytest.raises(UserError) as caught:
        load(listed(tmp_path, text))
    assert BAD[text] in str(caught.value)


BAD_JSONL = {
    '{"path": "a.png", "label": "sad"}\n{"path": "b': "list.jsonl:2: not valid JSON",
    '["a.png", "sad"]\n': "list.jsonl:1: ",
    '{"path": "a.png"}\n': "list.jsonl:1: no label",
    '{"path": "a.png", "label": ["sad"]}\n': "label is ['sad'], expected a string",
    '{"path": "a.png", "label": "sad"}\n{"path": "b.png", "label": "sad", "split": "val"}\n': (
        "'b.png' has label, split, the rows above it have label"
    ),
}


@pytest.mark.parametrize("text", BAD_JSONL)
def test_bad_jsonl_lists(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        load(listed(tmp_path, text, "list.jsonl"))
    assert BAD_JSONL[text] in str(caught.value)


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_a_share_out_of_range(tmp_path: Path, fraction: float) -> None:
    for name in "ab":
        still(tmp_path / f"{name}.png")
    path = listed(tmp_path, "a.png,sad\nb.png,fear\n")
    with pytest.raises(UserError, match="val_fraction"):
        load(path, val_fraction=fraction)


@given(st.binary(max_size=80), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_a_list_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes((b"path,label\n" if suffix == ".csv" else b"") + data)
    with contextlib.suppress(UserError):
        listing = read_list(path)
        assert len(listing) == len(listing.names) == sum(listing.columns["label"].counts().values())


FILE_NAMES = st.binary(min_size=1, max_size=20).map(lambda b: b.decode("utf-8", "surrogateescape"))


def packed(texts: list[str]) -> Names:
    builder = ListingBuilder("here")
    for text in texts:
        builder.add(text, {"label": "sad"})
    return builder.listing(Path("x")).names


def one_line(text: str) -> str:
    """Returns the text with characters that end or control a line written out."""
    ends = ("Cc", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in ends else c for c in text
    )


@given(st.lists(FILE_NAMES, min_size=1, max_size=20, unique=True), st.data())
def test_names_behave_like_a_tuple_of_str(texts: list[str], data: st.DataObject) -> None:
    names = packed(texts)
    truth = tuple(one_line(os.fsencode(t).decode("utf-8", "backslashreplace")) for t in texts)
    assert tuple(names) == truth
    assert len(names) == len(truth)
    part = slice(*data.draw(st.tuples(*[st.none() | st.integers(-25, 25)] * 2)))
    assert tuple(names[part]) == truth[part]
    assert [path.name for path in Files(Path("x"), packed(["a/é", "b"]))] == ["é", "b"]
    positions = data.draw(st.lists(st.integers(0, len(truth) - 1)))
    assert tuple(names.take(np.array(positions, int))) == tuple(truth[i] for i in positions)
    assert names[-1] == truth[-1]
    with pytest.raises(IndexError):
        names[len(truth)]


def test_a_long_list_takes_little_more_memory_than_its_file(tmp_path: Path) -> None:
    rows = [
        f"images/{i % 100:03d}/Training_{i:07d}.jpg,{('sad', 'happy')[i % 2]}\n"
        for i in range(60_000)
    ]
    path = listed(tmp_path, "path,label\n" + "".join(rows))
    del rows
    tracemalloc.start()
    listing = read_list(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(listing) == 60_000
    assert listing.names[59_999] == "images/099/Training_0059999.jpg"
    assert listing.columns["label"].counts() == {"sad": 30_000, "happy": 30_000}
    assert peak < 1.3 * path.stat().st_size


def test_an_absolute_path_is_the_same_image_as_a_relative_one(tmp_path: Path) -> None:
    """Otherwise an image could be in train and in test."""
    fill(tmp_path, "faces")
    absolute, relative = tmp_path / "faces" / "0.png", "faces/0.png"
    text = f"path,label,split\n{relative},sad,train\nfaces/1.png,fear,train\n{absolute},sad,test\n"
    with pytest.raises(UserError, match=rf"{absolute} is listed twice, first as {relative}"):
        load(listed(tmp_path, text))
    # Other images of the same name are others.
    fill(tmp_path / "other", "faces")
    text = text.replace(str(absolute), str(tmp_path / "other" / "faces" / "0.png"))
    assert len(load(listed(tmp_path, text + "other/faces/1.png,fear,val\n")).splits["test"]) == 1


def test_val_cannot_be_cut_from_one_person(tmp_path: Path) -> None:
    fill(tmp_path, "faces")
    rows = "".join(f"faces/{i}.png,{('sad', 'fear')[i % 2]},ann\n" for i in range(4))
    path = listed(tmp_path, "path,label,subject\n" + rows)
    with pytest.raises(UserError, match=r"list\.csv: its training images are of one subject"):
        load(path)
    assert len(load(path, val_fraction=0).splits["train"]) == 4
