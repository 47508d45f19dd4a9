"""ExpW: faces cut out of drawn pictures by the boxes of a list, in all folders that are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.datasets.expw import load
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError

NUMBERED = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CLASSES = NUMBERED


def make(root: Path, images: str = "origin", lst: str = "label.lst", pictures: int = 70) -> Path:
    """Writes pictures of two faces each; a face's grey is 30 times its label plus its place."""
    (root / images).mkdir(parents=True)
    lines = []
    for k in range(pictures):
        pixels = np.full((20, 30, 3), 255, np.uint8)
        for face, (left, label) in enumerate([(2, k % 7), (16, (k + 3) % 7)]):
            pixels[4:14, left : left + 10] = 30 * label + face
            box = f"4 {left} {left + 10} 14"
            lines.append(f"angry_actor_{k}.png {face} {box} {50 + k % 50}.5 {label}")
        Image.fromarray(pixels).save(root / images / f"angry_actor_{k}.png")
    (root / lst).parent.mkdir(exist_ok=True, parents=True)
    (root / lst).write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("images", "lst", "inside"),
    [
        ("origin", "label.lst", "."),
        ("image/origin", "label/label.lst", "."),
        ("origin/origin", "label.lst", "ExpW"),
        ("image/origin", "label/label.lst", "ExpW/data"),
    ],
)
def test_faces_are_cut_by_their_boxes(images: str, lst: str, inside: str, tmp_path: Path) -> None:
    make(tmp_path / inside, images, lst)
    bundle = load_dataset("expw", tmp_path, image_size=8)
    assert bundle.classes == CLASSES
    assert sum(len(split) for split in bundle.splits.values()) == 140
    for split in bundle.splits.values():
        assert split.shape == (8, 8, 3)
        faces = split.read(np.arange(len(split)))
        assert (faces == faces[:, :1, :1]).all()
        assert (faces[:, 0, 0, 0] // 30 == split.labels).all()
        assert all("#xywh=2,4,10,10" in name or "#xywh=16,4,10,10" in name for name in split.ids)


def pictures_of(split_ids: object) -> set[str]:
    return {str(name).partition("#")[0] for name in split_ids}  # pyright: ignore[reportGeneralTypeIssues]


def test_the_cut_is_stratified_and_keeps_pictures_together(tmp_path: Path) -> None:
    make(tmp_path)
    bundle, again = load(tmp_path), load(tmp_path)
    other = load(tmp_path, split_seed=1)
    assert {name: len(split) for name, split in bundle.splits.items()} == {
        "train": 98,
        "val": 14,
        "test": 28,
    }
    places = {name: pictures_of(split.ids) for name, split in bundle.splits.items()}
    assert not places["train"] & places["test"]
    assert not places["train"] & places["val"]
    assert not places["val"] & places["test"]
    assert np.bincount(bundle.splits["test"].labels, minlength=7).min() >= 2
    assert bundle.splits["test"].ids == again.splits["test"].ids != other.splits["test"].ids
    assert bundle.sources["test"] == "stratified 0.2 of all by picture (split seed 0)"
    assert any("ExpW has no official splits" in note for note in bundle.notes)


def test_folds_are_by_picture(tmp_path: Path) -> None:
    make(tmp_path)
    tested: list[str] = []
    for fold in range(1, 6):
        bundle = load_dataset("expw", tmp_path, image_size=8, folds=5, fold=fold)
        places = {name: pictures_of(split.ids) for name, split in bundle.splits.items()}
        assert not places["train"] & places["test"]
        assert not places["val"] & (places["train"] | places["test"])
        # Pictures are no people.
        assert all(split.subjects is None for split in bundle.splits.values())
        tested += bundle.splits["test"].ids
    assert len(tested) == len(set(tested)) == 140


def test_all_are_judged(tmp_path: Path) -> None:
    make(tmp_path, pictures=3)
    bundle = load_dataset("expw", tmp_path, val_fraction=0)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"test": 6}


def append(root: Path, *lines: str) -> None:
    path = root / "label.lst"
    path.write_text(path.read_text() + "\n".join(lines) + "\n")


def test_repeated_and_empty_lines_are_counted(tmp_path: Path) -> None:
    make(tmp_path)
    append(
        tmp_path,
        "angry_actor_0.png 0 4 2 12 14 50.5 0",  # again
        "angry_actor_1.png 7 4 2 12 14 50.5 6",  # again, with another id and label
        "",
        "angry_actor_2.png 5 9 9 9 9 1 3",  # no area
    )
    bundle = load(tmp_path)
    assert sum(len(split) for split in bundle.splits.values()) == 140
    notes = " ".join(bundle.notes)
    assert "2 lines of label.lst repeat a face (1 under another label): the first counts" in notes
    assert "1 lines of label.lst have a box without area: left out" in notes


def test_what_leads_out_of_a_picture_is_cut_off(tmp_path: Path) -> None:
    make(tmp_path)
    append(tmp_path, "angry_actor_0.png 9 -5 -3 12 14 9 0")
    assert load(tmp_path).splits["train"].shape[2] == 3
    append(tmp_path, "angry_actor_0.png 9 40 40 50 50 9 0")
    with pytest.raises(
        UserError, match=r"40 to 50 by 40 to 50, is outside of the picture of 30 by"
    ):
        load(tmp_path)
    bundle = load_dataset("expw", tmp_path, on_bad_image="skip")
    assert sum(len(split) for split in bundle.splits.values()) == 141


@pytest.mark.parametrize(
    "line",
    [
        "angry_actor_0.png 0 4 2 12 14 50.5 7",
        "angry_actor_0.png 0 4 2 12 14 50.5",
        "angry_actor_0.png 0 4 2 twelve 14 50.5 1",
        "angry_actor_0.png 0 4 2 12 14 sure 1",
        "../angry_actor_0.png 0 4 2 12 14 50.5 1",
        "0 4 2 12 14 50.5 1",
    ],
)
def test_bad_lines(line: str, tmp_path: Path) -> None:
    make(tmp_path, pictures=14)
    append(tmp_path, line)
    with pytest.raises(UserError, match=r"label\.lst:29: .*expected eight fields"):
        load(tmp_path)


def test_absent_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no ExpW found.*label\.lst"):
        load(tmp_path)
    make(tmp_path, pictures=14)
    (tmp_path / "origin" / "angry_actor_3.png").unlink()
    with pytest.raises(
        UserError, match=r"1 of the 14 pictures .* absent, first angry_actor_3\.png"
    ):
        load(tmp_path)
    (tmp_path / "origin").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"no pictures beside it.*Unpack origin\.7z"):
        load(tmp_path)


def test_a_broken_picture_stops_or_is_skipped(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "origin" / "angry_actor_3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"angry_actor_3\.png: cannot be read"):
        load(tmp_path)
    bundle = load_dataset("expw", tmp_path, on_bad_image="skip")
    assert sum(len(split) for split in bundle.splits.values()) == 138


def test_permuted_labels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"anger": 400, "disgust": 40, "fear": 10, "happiness": 300, "sadness": 100}
    whole = {**counts, "surprise": 70, "neutral": 340}
    monkeypatch.setitem(PUBLISHED, "expw", {"all": whole})
    (tmp_path / "origin").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "origin" / "a.png")
    order = sorted(NUMBERED)  # as alphabetical folders would number them
    lines = [
        f"a.png 0 0 0 9 {1 + k} 9.5 {order.index(name)}\n"
        for name in NUMBERED
        for k in range(whole[name])
    ]
    # Boxes must differ, or they are the same face again.
    lines = [f"a.png 0 0 {-k} 9 9 9.5 {line.split()[-1]}\n" for k, line in enumerate(lines)]
    (tmp_path / "label.lst").write_text("".join(lines))
    with pytest.raises(UserError, match="labels of expw look permuted"):
        load(tmp_path)


def test_a_name_that_is_too_long_is_an_absent_picture(tmp_path: Path) -> None:
    make(tmp_path)
    append(tmp_path, f"{'x' * 300}.png 0 4 2 12 14 50.5 0")
    with pytest.raises(UserError, match=r"1 of the \d+ pictures .* absent, first x+; it"):
        load(tmp_path)


def test_a_protocol_changes_the_cut(tmp_path: Path) -> None:
    make(tmp_path)
    bundle = load_dataset("expw", tmp_path, image_size=8, protocol="merged")
    assert sum(len(split) for split in bundle.splits.values()) == 140
    assert not any("in one split" in note for note in bundle.notes)
