"""The data set `synthetic`: reproducible, independent of the batch, balanced, medium hard."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.synthetic.draw_head_hair_light import render
from ferjax.data.synthetic.face_parameters import sample_faces
from ferjax.data.synthetic.load_synthetic import load, render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError

SMALL = {"train": 24, "val": 9, "test": 8}


def draw(labels, identities, size=32, seed=0):
    return render_faces(np.array(labels), np.array(identities), size, seed)


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int))


# Rendering.


@settings(max_examples=15, deadline=None)
@given(
    faces=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2**40)), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_a_face_depends_on_itself_alone_not_on_its_batch(faces, seed, data):
    labels, identities = np.array(faces).T
    images = render_faces(labels, identities, 32, seed)
    assert images.shape == (len(faces), 32, 32, 3)
    assert images.dtype == np.uint8
    i = data.draw(st.integers(0, len(faces) - 1))
    alone = render_faces(labels[i : i + 1], identities[i : i + 1], 32, seed)
    np.testing.assert_array_equal(images[i], alone[0])


def test_seed_identity_and_label_each_change_the_image():
    face = draw([3], [5])
    for other in (draw([3], [5], seed=1), draw([3], [6]), draw([4], [5])):
        assert difference(face, other).mean() > 5


@pytest.mark.parametrize("size", [32, 33, 64, 224])
def test_any_size_draws_with_contrast_and_without_saturation(size):
    images = draw(range(8), range(8), size)
    assert images.shape == (8, size, size, 3)
    assert (images.reshape(8, -1).std(1) > 20).all()
    assert ((images == 0) | (images == 255)).mean() < 0.2


def test_a_small_image_is_the_large_one_scaled_down():
    # Without the sensor noise, which is drawn per pixel.
    faces = sample_faces(np.arange(8), np.arange(8), seed=0)
    small = render(faces, np.zeros((8, 32, 32), np.float32))
    large = render(faces, np.zeros((8, 128, 128), np.float32))
    shrunk = large.reshape(8, 32, 4, 32, 4, 3).mean((2, 4))
    assert difference(small, shrunk).mean() < 5


def test_moving_the_lip_corners_changes_a_small_part_of_the_image():
    faces = sample_faces(np.zeros(1, int), np.array([7]), seed=0)
    calm = faces | {"corner": faces["corner"] * 0 - 0.12}
    no_noise = np.zeros((1, 64, 64), np.float32)
    changed = difference(render(faces, no_noise), render(calm, no_noise)).max(-1)[0] > 8
    assert 5 < changed.sum() < 0.1 * changed.size


# The data set.


def test_bundle_holds_the_contract():
    bundle = load(size=32, counts=SMALL)
    assert list(bundle.splits) == ["train", "val", "test"]
    assert bundle.classes == EMOTIONS[:7]
    assert bundle.layout
    assert set(bundle.sources) == set(SMALL)
    assert bundle.notes == ()
    for name, split in bundle.splits.items():
        assert split.name == name
        assert len(split) == len(split.ids) == SMALL[name]
        assert split.labels.dtype == np.int32
        assert split.shape == (32, 32, 3)
        batch = split.read(np.array([2, 0]))
        assert batch.shape == (2, 32, 32, 3)
        assert batch.dtype == np.uint8
    assert bundle.splits["train"].ids[12] == "synthetic/train/00012"
    assert len({i for split in bundle.splits.values() for i in split.ids}) == sum(SMALL.values())


@pytest.mark.parametrize("num_classes", [7, 8])
def test_labels_are_balanced_and_mixed(num_classes):
    bundle = load(num_classes=num_classes)
    assert bundle.classes == EMOTIONS[:num_classes]
    for split in bundle.splits.values():
        counts = np.bincount(split.labels, minlength=num_classes)
        assert len(counts) == num_classes
        assert np.ptp(counts) <= 1
        assert (split.labels[:-1] != split.labels[1:]).mean() > 0.7
    labels = [split.labels for split in bundle.splits.values()]
    assert not np.array_equal(labels[1], labels[2])


def test_reading_twice_in_any_order_gives_the_same_images():
    split = load(size=32, counts=SMALL).splits["train"]
    again = load(size=32, counts=SMALL).splits["train"]
    order = np.random.default_rng(0).permutation(len(split))
    np.testing.assert_array_equal(split.labels, again.labels)
    np.testing.assert_array_equal(split.read(np.arange(len(split)))[order], again.read(order))
    assert split.read(np.arange(0)).shape == (0, 32, 32, 3)


def test_splits_share_no_face_and_do_not_depend_on_each_others_size():
    bundle = load(size=32, counts=SMALL)
    images = [split.read(np.arange(len(split))) for split in bundle.splits.values()]
    faces = {image.tobytes() for batch in images for image in batch}
    assert len(faces) == sum(SMALL.values())
    larger = load(size=32, counts=SMALL | {"train": 40}).splits["val"]
    np.testing.assert_array_equal(larger.read(np.arange(len(larger))), images[1])


def test_read_draws_the_labels_it_states():
    split = load(size=32, counts=SMALL).splits["test"]
    first = 2 << 32
    expected = render_faces(split.labels[3:5], np.array([first + 3, first + 4]), 32)
    np.testing.assert_array_equal(split.read(np.array([3, 4])), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_classes": 6}, ["num_classes=6", "7", "8"]),
        ({"size": 31}, ["image_size=31", "32"]),
        ({"seed": -1}, ["seed=-1"]),
        ({"counts": {"train": 100}}, ["train", "val"]),
        ({"counts": {"train": 100, "val": 50, "dev": 50}}, ["dev", "val"]),
        ({"counts": {"train": 100, "val": 3}}, ["'val': 3", "7"]),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, words):
    with pytest.raises(UserError) as error:
        load(**arguments)
    assert all(word in str(error.value) for word in words)


# Difficulty: a linear model on pixels must not solve the task.


def linear_accuracy(train, test, size=48, iterations=300):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    bundle = load(size=size, counts={"train": train, "val": 7, "test": test})
    pixels, labels = {}, {}
    for name in ("train", "test"):
        split = bundle.splits[name]
        rgb = split.read(np.arange(len(split)))
        pixels[name] = (rgb @ np.array([0.299, 0.587, 0.114])).reshape(len(rgb), -1) / 255
        labels[name] = split.labels
    model = LogisticRegression(C=1, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(pixels["train"].astype(np.float32), labels["train"])
    return model.score(pixels["test"].astype(np.float32), labels["test"])


def test_pixels_alone_do_not_tell_the_emotion():
    assert 0.2 < linear_accuracy(500, 280, size=32, iterations=100) < 0.6


@pytest.mark.slow
def test_pixels_alone_do_not_tell_the_emotion_of_a_thousand_larger_faces():
    assert 0.2 < linear_accuracy(1000, 350) < 0.6


@pytest.mark.slow
def test_pixels_alone_do_not_tell_the_emotion_of_five_thousand_faces():
    assert 0.35 < linear_accuracy(5000, 1000) < 0.7
