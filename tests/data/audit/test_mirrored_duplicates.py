"""Mirrored duplicates: they are found, symmetric faces are not; groups by reachability."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ferjax.data.audit.audit_dataset import audit
from ferjax.data.audit.mirrored_duplicates import group_mirrored
from ferjax.data.audit.near_duplicate_pairs import close_pairs, find_mirrored_pairs
from ferjax.data.audit.perceptual_hash import grey, perceptual_hash, thumbnails
from ferjax.data.datasets.fer2013 import load_fer2013
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.synthetic.load_synthetic import render_faces

CLASSES = ("anger", "fear", "neutral")
NONE = {"groups": 0, "images": 0, "surplus": 0, "conflicts": 0}


def mirror(image: np.ndarray) -> np.ndarray:
    return np.asarray(ImageOps.mirror(Image.fromarray(image)))


def found_in(images: np.ndarray, **given: Any) -> list[list[int]]:
    light = grey(images)
    hashes = perceptual_hash(light), perceptual_hash(light[:, :, ::-1].copy())
    return find_mirrored_pairs(*hashes, thumbnails(light), **given).tolist()


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Returns 30 faces, uint8 [30, 64, 64, 3], lit from one side as photographs are."""
    faces = render_faces(np.arange(30) % 7, np.arange(30), 64).astype(np.float32)
    slope = np.random.default_rng(0).uniform(0.2, 0.5, 30) * np.where(np.arange(30) % 2, 1, -1)
    light = 0.7 + slope[:, None] * np.linspace(-1, 1, 64)
    return (faces * light[:, None, :, None]).clip(0, 255).astype(np.uint8)


def symmetric(image: np.ndarray) -> np.ndarray:
    """Returns the picture whose right half is its left half's mirror image."""
    half = image.shape[1] // 2
    return np.concatenate([image[:, :half], mirror(image[:, :half])], axis=1)


@pytest.fixture
def bundle_of(make_split: Callable[..., Split]) -> Callable[..., DatasetBundle]:
    """Returns a function (name → (images, labels)) → bundle."""

    def make(**parts: tuple[list[np.ndarray], list[int]]) -> DatasetBundle:
        splits = {
            name: make_split(np.stack(images), np.array(labels), name)
            for name, (images, labels) in parts.items()
        }
        return DatasetBundle(splits, CLASSES, "by hand", {name: name for name in splits})

    return make


def test_mirrored_copies_are_found_whatever_else_was_done_to_them(drawn: np.ndarray) -> None:
    face, random = mirror(drawn[3]), np.random.default_rng(0)
    noisy = (face + random.normal(0, 8, face.shape)).clip(0, 255).astype(np.uint8)
    small = np.asarray(Image.fromarray(face).resize((48, 48)).resize((64, 64)))
    changed = [face, noisy, (0.8 * face + 20).astype(np.uint8), small, np.roll(face, 1, axis=1)]
    found = found_in(np.concatenate([drawn, np.stack(changed)]))
    assert found == [[3, 30], [3, 31], [3, 32], [3, 33], [3, 34]]
    assert found_in(drawn) == []


def test_a_symmetric_picture_is_no_mirrored_copy(drawn: np.ndarray) -> None:
    """Neither of itself, nor of its copies, which are near as they are."""
    pictures = np.stack([symmetric(image) for image in drawn])
    assert found_in(pictures) == []
    copies = np.concatenate([pictures, pictures[:5], np.stack([mirror(x) for x in pictures[:5]])])
    assert found_in(copies) == []


def test_thresholds_bound_what_counts(drawn: np.ndarray) -> None:
    face = mirror(drawn[0])
    noise = np.random.default_rng(1).normal(0, 25, face.shape)
    both = np.stack([drawn[0], (face + noise).clip(0, 255).astype(np.uint8)])
    assert found_in(both, distance=16, correlation=0.5) == [[0, 1]]
    assert found_in(both, distance=16, correlation=1.0) == []
    flat = np.zeros((3, 32, 32, 1), np.uint8)
    assert found_in(flat) == []
    assert found_in(flat[:0]) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 16), st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 30))
def test_close_pairs_of_two_lists_are_those_of_comparing_all(
    distance: int, seed: int, count: int, others: int
) -> None:
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2**64, 3, np.uint64)
    hashes = centres[random.integers(0, 3, count + others)]
    for _ in range(6):
        hashes ^= np.uint64(1) << random.integers(0, 64, len(hashes)).astype(np.uint64)
    a, b = hashes[:count], hashes[count:]
    expected = [
        [i, j]
        for i, x in enumerate(a.tolist())
        for j, y in enumerate(b.tolist())
        if f"{x ^ y:b}".count("1") <= distance
    ]
    assert close_pairs(a, distance, b).tolist() == expected


def test_a_group_has_two_sides() -> None:
    # 0 ~ 1 ~ 2 near; 2 | 3 and 4 | 0 mirrored; 5 | 6; 7 alone; 8 | 9 mirrored but near through 10.
    near = np.array([[0, 1], [1, 2], [8, 10], [9, 10]])
    group, turned = group_mirrored(11, near, np.array([[2, 3], [0, 4], [5, 6], [8, 9]]))
    assert group.tolist() == [0, 0, 0, 0, 0, 5, 5, 7, 8, 8, 8]
    assert np.flatnonzero(turned).tolist() == [3, 4, 6]
    group, turned = group_mirrored(3, np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64))
    assert (group.tolist(), turned.any()) == ([0, 1, 2], False)


pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6)


@given(st.lists(st.booleans(), min_size=10, max_size=10), pairs)
def test_sides_are_those_of_the_pictures(turned: list[bool], links: list[tuple[int, int]]) -> None:
    """For any links that agree with `turned`, sides are relative to the first image."""
    links = [(a, b) for a, b in links if a != b]
    of_kind = [
        np.array([link for link in links if (turned[link[0]] != turned[link[1]]) == kind], np.int64)
        for kind in (False, True)
    ]
    group, side = group_mirrored(10, of_kind[0].reshape(-1, 2), of_kind[1].reshape(-1, 2))
    reach = np.eye(10, dtype=bool)
    for a, b in links:
        reach[a, b] = reach[b, a] = True
    for k in range(10):
        reach |= reach[:, [k]] & reach[[k], :]
    assert group.tolist() == reach.argmax(axis=1).tolist()
    assert side.tolist() == [turned[k] != turned[int(group[k])] for k in range(10)]


def test_the_audit_counts_mirrored_copies_apart(
    drawn: np.ndarray, bundle_of: Callable[..., DatasetBundle]
) -> None:
    """Train: 0, its mirror under another label, 1 twice. Val: 1 mirrored, 2, 2 mirrored, 0."""
    train = [drawn[0], mirror(drawn[0]), drawn[1], drawn[1], drawn[5]]
    val = [mirror(drawn[1]), drawn[2], mirror(drawn[2]), drawn[0]]
    found = audit("mine", bundle_of(train=(train, [0, 1, 2, 2, 0]), val=(val, [2, 1, 1, 0])))
    facts = found["mirrored"]
    assert facts["within"] == {
        "train": {"groups": 1, "images": 2, "surplus": 1, "conflicts": 1},
        "val": {"groups": 1, "images": 2, "surplus": 1, "conflicts": 0},
    }
    # Train's two of 1 have their mirror image in val; of 0, val 0 has it in train 1.
    across = {"groups": 2, "a_images": 3, "b_images": 2, "conflicts": 1}
    assert facts["across"] == [{"a": "train", "b": "val"} | across]
    listed = [[(m["split"], m["position"], m["mirrored"]) for m in g] for g in facts["groups"]]
    assert listed == [
        [("train", 0, False), ("train", 1, True), ("val", 3, False)],
        [("train", 2, False), ("train", 3, False), ("val", 0, True)],
        [("val", 1, False), ("val", 2, True)],
    ]
    assert (facts["distance"], facts["correlation"]) == (8, 0.96)
    # None of it is mixed into the others: 1 is twice in train, 0 in both.
    for kind in ("duplicates", "near_duplicates"):
        assert found[kind]["within"] == {
            "train": {"groups": 1, "images": 2, "surplus": 1, "conflicts": 0},
            "val": NONE,
        }
        assert [one["groups"] for one in found[kind]["across"]] == [1]


def test_copies_on_one_side_alone_are_not_mirrored(
    drawn: np.ndarray, bundle_of: Callable[..., DatasetBundle]
) -> None:
    made = bundle_of(
        train=([drawn[0], drawn[0], symmetric(drawn[3])], [0, 1, 2]),
        val=([mirror(symmetric(drawn[3])), drawn[1]], [2, 0]),
    )
    facts = audit("mine", made)["mirrored"]
    assert facts["groups"] == []
    assert facts["within"] == {"train": NONE, "val": NONE}


@pytest.mark.faces
def test_real_faces(faces: Path) -> None:
    """All of these groups were checked by eye: each shows an image and its mirror image."""
    facts = audit("fer2013", load_fer2013.load(faces / "csv"))["mirrored"]
    assert len(facts["groups"]) == 11
    assert facts["within"]["train"]["groups"] == 9
    assert (facts["across"][0]["groups"], facts["across"][0]["b_images"]) == (2, 2)
