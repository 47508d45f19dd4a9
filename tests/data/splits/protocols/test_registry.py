"""Every protocol: what it refuses, what it says, and that no image is on both sides of a cut."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import DATASETS, load_dataset
from ferjax.data.splits.protocols.registry import (
    PROTOCOLS,
    named_protocol,
    protocol_rows,
    selects_on_test,
    stamp,
    stamped_summary,
)
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError


def made(name: str, count: int, classes: int) -> Split:
    """Returns a split of blank images; every third image is of the same person."""
    labels = np.arange(count, dtype=np.int32) % classes
    ids = tuple(f"{name}/{k}" for k in range(count))
    people = np.array([f"S{k // 3:03}" for k in range(count)])
    return Split(name, labels, ids, (1, 1, 1), lambda i: np.zeros((len(i), 1, 1, 1), np.uint8),
                 subjects=people)  # fmt: skip


def bundle(classes: int = 7) -> DatasetBundle:
    sizes = {"train": 400, "val": 60, "test": 90}
    splits = {name: made(name, count, classes) for name, count in sizes.items()}
    return DatasetBundle(
        splits, EMOTIONS[:classes], "made", {name: f"its {name}" for name in sizes}
    )


def images(split: Split) -> set[str]:
    return set(split.ids)


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "publictest_is_test"])
def test_every_cut_uses_each_image_once(name: str) -> None:
    protocol, before = PROTOCOLS[name], bundle()
    cut = protocol.arrange(before, 3, 0.1)
    again = protocol.arrange(before, 3, 0.1)
    assert [*cut.splits] == [*cut.sources] == ["train", "val", "test"]
    every = set().union(*map(images, before.splits.values()))
    for split, (key, other) in zip(cut.splits.values(), again.splits.items(), strict=True):
        assert split.name == key
        assert split.ids == other.ids
        assert len(images(split)) == len(split.ids)
        assert images(split) <= every
    train, val, test = (images(split) for split in cut.splits.values())
    assert not train & (val | test)
    if selects_on_test(name):
        assert val == test
        assert "the test images" in cut.sources["val"]
    else:
        assert not val & test


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown protocol 'kumary'\. Did you mean 'kumari'\?"):
        load_dataset("synthetic", protocol="kumary")


def test_a_protocol_of_another_data_set_is_refused() -> None:
    with pytest.raises(UserError, match="--protocol=liu is of rafdb, not of --dataset=synthetic"):
        load_dataset("synthetic", protocol="liu")


def test_folds_and_a_protocol_are_refused() -> None:
    with pytest.raises(UserError, match="--protocol=kumari with --folds=10: both"):
        TrainConfig(model="cnn3", dataset="ckplus", protocol="kumari", folds=10)
    with pytest.raises(UserError, match="--protocol=kumari with --folds=10: both"):
        named_protocol("kumari", "ckplus", 10)


def test_data_sets_of_protocols_exist_and_sentences_end() -> None:
    for name, protocol in PROTOCOLS.items():
        assert set(protocol.datasets) <= set(DATASETS)
        assert protocol.breach.endswith(".")
        assert stamp(name)[0].startswith(f"protocol {name}, ")
        assert protocol_rows(name) == {"name": name, "breach": protocol.breach}
        headline = stamped_summary("test accuracy 1 %", name)
        assert headline.startswith(f"protocol {name}")
        assert ("breach" in headline) == protocol.is_breach


def test_several_runs_carry_every_stamp_once() -> None:
    names = ("liu", None, "kumari", "liu")
    assert [text.split(",")[0] for text in stamp(*names)] == ["protocol liu", "protocol kumari"]
    assert protocol_rows(*names)["name"] == "liu, kumari"
    assert stamped_summary("x", *names) == "protocol liu, kumari (a breach, see the warnings): x"


def test_a_run_without_a_protocol_has_no_stamp() -> None:
    assert stamp(None) == []
    assert protocol_rows(None) == {}
    assert stamped_summary("test accuracy 1 %", None) == "test accuracy 1 %"


def test_labels_of_the_ten_columns_in_each_split(tmp_path: Path) -> None:
    """An image without a majority has a label only where the protocol says argmax."""
    sure, unsure, unknown = "9,1,0,0,0,0,0,0,0,0", "0,0,0,0,5,5,0,0,0,0", "0,2,0,0,0,0,0,0,8,0"
    numbers = itertools.count()
    for folder in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        (tmp_path / folder).mkdir()
        lines = []
        for votes in [sure] * 30 + [unsure] * 20 + [unknown] * 5:
            name = f"fer{next(numbers):07}.png"
            Image.new("L", (48, 48)).save(tmp_path / folder / name)
            lines.append(f'{name},"(0, 0, 48, 48)",{votes}\n')
        (tmp_path / folder / "label.csv").write_text("".join(lines))

    def counts(protocol: str | None, labels: str | None = None) -> dict[str, int]:
        cut = load_dataset("ferplus", tmp_path, protocol=protocol, labels=labels)
        return {name: len(split) for name, split in cut.splits.items()}

    assert counts(None) == {"train": 30, "val": 30, "test": 30}
    assert counts("argmax_of_ten") == {"train": 50, "val": 50, "test": 50}
    assert counts("argmax_of_ten_train") == {"train": 50, "val": 30, "test": 30}
    assert counts("argmax_of_ten_test") == {"train": 30, "val": 50, "test": 50}
    assert counts("swapped", labels="crossentropy") == {"train": 50, "val": 30, "test": 30}
    naive = load_dataset("ferplus", tmp_path, protocol="argmax_of_ten").splits["test"]
    assert naive.targets is None
    assert sorted(EMOTIONS[label] for label in np.unique(naive.labels)) == ["anger", "neutral"]
    with pytest.raises(UserError, match="--labels=crossentropy with a --protocol that labels"):
        counts("argmax_of_ten", labels="crossentropy")
