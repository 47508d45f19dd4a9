"""Near duplicates: hashes against SciPy's DCT, pairs and groups against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.audit.near_duplicate_pairs import (
    close_pairs,
    connected_components,
    find_near_pairs,
)
from ferjax.data.audit.perceptual_hash import area_weights, grey, perceptual_hash, thumbnails
from ferjax.data.synthetic.load_synthetic import render_faces


def drawn(count: int, size: int = 64) -> np.ndarray:
    return grey(render_faces(np.arange(count) % 7, np.arange(count), size))


def near(images: np.ndarray, **given: float) -> list[list[int]]:
    return find_near_pairs(perceptual_hash(images), thumbnails(images), **given).tolist()


def test_hash_is_the_dct_of_the_reduced_image() -> None:
    fft = pytest.importorskip("scipy.fft")  # comes with jax
    images = drawn(5)
    reduced = images.reshape(5, 32, 2, 32, 2).mean(axis=(2, 4))
    low = fft.dctn(reduced, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(5, 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    expected = [int("".join("01"[int(bit)] for bit in row), 2) for row in bits]
    assert perceptual_hash(images).tolist() == expected


@pytest.mark.parametrize("wanted", [1, 7, 16, 48, 60])
def test_area_weights_are_pillows_box_filter(wanted: int) -> None:
    image = np.random.default_rng(0).random((48, 48), np.float32)
    weights = area_weights(48, wanted)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    if wanted <= 48:
        box = Image.fromarray(image).resize((wanted, wanted), Image.Resampling.BOX)
        atol = 1e-5 if 48 % wanted == 0 else 0.15  # Pillow's box takes whole pixels only
        np.testing.assert_allclose(weights @ image @ weights.T, np.asarray(box), atol=atol)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 16), st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_close_pairs_are_those_of_comparing_all(distance: int, seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    # Around few centres, or random hashes would never be close.
    centres = random.integers(0, 2**64, 4, np.uint64)
    flips = np.zeros(count, np.uint64)
    for _ in range(6):
        flips ^= np.uint64(1) << random.integers(0, 64, count).astype(np.uint64)
    hashes = centres[random.integers(0, 4, count)] ^ flips
    bits = [f"{value:064b}" for value in hashes.tolist()]
    expected = [
        [i, j]
        for i in range(count)
        for j in range(i + 1, count)
        if sum(a != b for a, b in zip(bits[i], bits[j], strict=True)) <= distance
    ]
    assert close_pairs(hashes, distance).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_connected_is_reachability(edges: list[tuple[int, int]]) -> None:
    reach = np.eye(12, dtype=bool)
    for a, b in edges:
        reach[a, b] = reach[b, a] = True
    for k in range(12):
        reach |= reach[:, [k]] & reach[[k], :]
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    assert connected_components(12, pairs).tolist() == reach.argmax(axis=1).tolist()


def test_finds_a_picture_again_whatever_was_done_to_it() -> None:
    faces = drawn(30)
    random = np.random.default_rng(0)
    face = faces[3]
    small = Image.fromarray(face.round().astype(np.uint8)).resize((48, 48)).resize((64, 64))
    changed = np.stack(
        [
            face,
            (face + random.normal(0, 8, face.shape)).clip(0, 255),
            0.8 * face + 20,
            np.asarray(small, np.float32),
            np.roll(face, 1, axis=1),
        ]
    ).astype(np.float32)
    found = near(np.concatenate([faces, changed]))
    assert [j for i, j in found if i == 3] == [30, 31, 32, 33, 34]
    assert all(i == 3 or i >= 30 for i, _ in found), "no two persons are one picture"


def test_thresholds_bound_what_counts() -> None:
    face = drawn(1)[0]
    noisy = (face + np.random.default_rng(1).normal(0, 25, face.shape)).astype(np.float32)
    both = np.stack([face, noisy])
    assert near(both, distance=16, correlation=0.5) == [[0, 1]]
    assert near(both, distance=16, correlation=1.0) == []


def test_plain_surfaces_are_near_to_none() -> None:
    flat = np.stack([np.full((32, 32), level, np.float32) for level in (0, 0, 90, 255)])
    assert near(flat) == []
    assert near(flat[:0]) == []


def test_many_identical_hashes_and_many_hashes() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, 40_000, np.uint64)
    again = np.concatenate([hashes, hashes[:100], hashes[:100]])
    expected = [[i, j] for i in range(100) for j in (40_000 + i, 40_100 + i)]
    expected += [[40_000 + i, 40_100 + i] for i in range(100)]
    assert close_pairs(again, 8).tolist() == sorted(expected)
