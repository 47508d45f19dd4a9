"""Figures of a report: size, content and colours of each, and errors."""

import json
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.report.calibration import reliability_bins
from ferjax.report.figures import confusion_matrix, image_grids
from ferjax.report.figures.confusion_matrix import draw_confusion
from ferjax.report.figures.epoch_axes import percent_axis, series_from_lines
from ferjax.report.figures.image_grids import draw_batch, draw_mistakes, percent
from ferjax.report.figures.per_class_curves import draw_per_class
from ferjax.report.figures.reliability import draw_reliability
from ferjax.report.figures.style import DPI, SIZE_LIMIT, class_colours
from ferjax.report.figures.training_curves import draw_curves

TITLE = "resnet50 on synthetic: $a_1$"


def metrics(epochs, classes=EMOTIONS):
    """Returns lines as `metrics.jsonl` holds them."""
    lines = []
    for epoch in range(1, epochs + 1):
        shared = {"step": 10 * epoch, "epoch": epoch, "loss": 2 / epoch, "accuracy": 1 - 1 / epoch}
        recall = {name: (k + 1) / 10 for k, name in enumerate(classes)}
        lines.append({**shared, "split": "train", "learning_rate": 0.1})
        lines.append({**shared, "split": "val", "recall": recall})
    return lines


def photographs(count, side, channels):
    """Returns smooth random uint8 [count, side, side, channels] images with sensor noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 8, 8, 3), np.uint8)
    big = [
        Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in coarse
    ]
    noisy = np.stack(big)[..., :channels] + random.normal(0, 3, (count, side, side, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def check_png(path, width, height, colours=10):
    """Asserts that the file is a PNG of about this size in inches with that many colours."""
    assert path.stat().st_size <= SIZE_LIMIT
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        assert image.size == pytest.approx((DPI * width, DPI * height), abs=DPI)
        small = np.asarray(image.convert("RGB").resize((200, 200)))
    assert len(np.unique(small.reshape(-1, 3), axis=0)) >= colours
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("epochs", [0, 1, 200])
def test_curves(tmp_path, epochs):
    draw_curves(metrics(epochs), tmp_path / "curves.png", epochs or None, TITLE)
    check_png(tmp_path / "curves.png", 9.2, 3.75)


@pytest.mark.parametrize("epochs", [0, 1, 200])
def test_per_class(tmp_path, epochs):
    draw_per_class(metrics(epochs), EMOTIONS, tmp_path / "per_class.png", TITLE)
    check_png(tmp_path / "per_class.png", 9.2, 4.7)


def test_per_class_without_a_value_for_a_class(tmp_path):
    lines = metrics(3, EMOTIONS[:2])
    lines[-1]["recall"]["fear"] = None
    draw_per_class(lines, EMOTIONS[:4], tmp_path / "per_class.png", TITLE)
    check_png(tmp_path / "per_class.png", 9.2, 4.7)


def test_curves_accept_none_and_nan_from_jsonl(tmp_path):
    lines = [json.loads(json.dumps(line)) for line in metrics(3)]
    lines += [{"step": 31, "epoch": 3.1, "split": "train", "loss": None, "accuracy": float("nan")}]
    draw_curves(lines, tmp_path / "curves.png", 99, TITLE)
    check_png(tmp_path / "curves.png", 9.2, 3.75)


def test_series_orders_epochs_and_keeps_the_last_line_of_each():
    lines = [
        {"split": "train", "epoch": 2, "loss": 5.0},
        {"split": "train", "epoch": 1, "loss": 7.0},
        {"split": "val", "epoch": 1, "loss": 9.0},
        {"split": "train", "epoch": 2, "loss": 6.0},
        {"split": "train", "epoch": 3, "loss": float("inf")},
        {"split": "train", "epoch": 4},
    ]
    curve = series_from_lines(lines, "train", lambda line: line.get("loss"))
    assert curve.epochs.tolist() == [1, 2]
    assert curve.values.tolist() == [7, 6]


@pytest.mark.parametrize(
    ("classes", "side"), [(("awake", "a class with a long name"), 4.7), (EMOTIONS, 8.3)]
)
def test_confusion_with_a_class_that_never_occurs(tmp_path, classes, side):
    matrix = np.arange(len(classes) ** 2).reshape(len(classes), -1)
    matrix[-1] = 0
    draw_confusion(matrix, classes, tmp_path / "confusion_val.png", TITLE * 5)
    check_png(tmp_path / "confusion_val.png", side, side)


@pytest.mark.parametrize(("count", "bins"), [(0, 15), (1, 15), (3000, 15), (50, 1), (50, 100)])
def test_reliability(tmp_path, count, bins):
    random = np.random.default_rng(0)
    confidence = random.uniform(0.2, 1, max(count, 1))
    probabilities = np.stack([confidence, *[(1 - confidence) / 7] * 7], axis=1)
    labels = (random.random(len(confidence)) > confidence).astype(int)
    rows = reliability_bins(probabilities, labels, bins)
    rows = rows if count else [{**row, "count": 0} for row in rows]
    draw_reliability(rows, tmp_path / "reliability_val.png", TITLE)
    check_png(tmp_path / "reliability_val.png", 4.65, 6.0)


def test_confusion_without_images(tmp_path):
    draw_confusion(np.zeros((7, 7), int), EMOTIONS[:7], tmp_path / "confusion_val.png", TITLE)
    check_png(tmp_path / "confusion_val.png", 7.6, 7.5)


@pytest.mark.parametrize(
    ("count", "side", "channels", "height"),
    [(1, 48, 1, 2.0), (32, 48, 1, 5.7), (40, 224, 3, 5.7)],
)
def test_batch(tmp_path, count, side, channels, height):
    images = photographs(count, side, channels) / 255
    labels = np.arange(count) % 8
    draw_batch(images, labels, EMOTIONS, tmp_path / "batch.png", TITLE)
    check_png(tmp_path / "batch.png", 8.3, height)


def test_batch_clips_to_the_display_range(tmp_path):
    images = np.full((2, 8, 8, 3), 1.7)
    images[1] = -3.0
    draw_batch(images, np.array([0, 1]), EMOTIONS, tmp_path / "batch.png", TITLE)
    with Image.open(tmp_path / "batch.png") as image:
        row = np.asarray(image.convert("RGB"))[round(1.0 * DPI)]
    assert (row[round(0.65 * DPI)] == 255).all()
    assert (row[round(1.65 * DPI)] == 0).all()


@pytest.mark.parametrize(
    ("count", "shape", "height"),
    [(0, (48, 48, 1), 1.6), (1, (48, 64, 1), 2.6), (30, (100, 100, 3), 8.5)],
)
def test_mistakes(tmp_path, count, shape, height):
    images = photographs(count, max(shape), shape[2])[:, : shape[0]] if count else np.zeros((0,))
    true, predicted = np.arange(count) % 8, (np.arange(count) + 1) % 8
    ids = [f"test/anger/{k:05d}_with_a_rather_long_name.png" for k in range(count)]
    confidence = np.linspace(1, 0, count)
    path = tmp_path / "mistakes.png"
    draw_mistakes(images, true, predicted, confidence, ids, EMOTIONS, path, TITLE)
    check_png(path, 9.0, height, colours=10 if count else 2)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.97, "97 %"), (1, "100 %"), (0.999, ">99 %"), (0.001, "<1 %"), (0, "0 %"), (0.994, "99 %")],
)
def test_percent_is_0_or_100_only_for_exact_rates(rate, text):
    assert percent(rate) == text


def test_colours_are_one_per_class_and_fixed_per_emotion():
    assert len(set(class_colours(EMOTIONS).values())) == len(EMOTIONS)
    mixed = class_colours(["fear", "yawning", "sleeping"])
    assert mixed["fear"] == class_colours(EMOTIONS)["fear"]
    assert len(set(mixed.values())) == 3
    assert not set(class_colours(EMOTIONS).values()) & {mixed["yawning"], mixed["sleeping"]}


def test_figures_do_not_change_the_settings_of_matplotlib(tmp_path):
    # Reading `backend` would make matplotlib choose one.
    names = [name for name in matplotlib.rcParams if name != "backend"]
    before = [matplotlib.rcParams[name] for name in names]
    draw_curves(metrics(2), tmp_path / "curves.png", 1, TITLE)
    assert [matplotlib.rcParams[name] for name in names] == before


def test_a_figure_that_cannot_be_written_is_the_users_error(tmp_path):
    (tmp_path / "run").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cannot write .*run.curves\.png"):
        draw_curves(metrics(1), tmp_path / "run" / "curves.png", 1, TITLE)


def test_half_percents_are_printed_as_such(tmp_path):
    """The ticks of a narrow axis: 19 %, 19.5 %, 20 % and no label twice."""
    figure, axes = plt.subplots()
    for low, high, expected in ((0.188, 0.209, "19.5 %"), (-0.01, 1.01, "20 %"), (0.5, 0.504, "")):
        percent_axis(axes, low, high)
        figure.canvas.draw()
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert len(set(labels)) == len(labels)
        assert not expected or expected in labels
        for label, tick in zip(labels, axes.get_yticks(), strict=True):
            assert float(label.removesuffix(" %")) == pytest.approx(100 * tick)
    plt.close(figure)


def test_cells_say_what_their_shading_says(tmp_path, monkeypatch):
    """9 of 31 images of a rare class are 29 %, whatever the size of the set."""
    cells = {}

    def draw(axes, x, y, size, colour, count, share, strong):
        cells[count] = share, colour[0]

    monkeypatch.setattr(confusion_matrix, "_draw_cell", draw)
    matrix = np.array([[300, 8], [22, 9]])
    draw_confusion(matrix, ["anger", "disgust"], tmp_path / "c.png", "x")
    shares = {count: share for count, (share, _) in cells.items()}
    assert shares == {"300": "97.4 %", "8": "2.6 %", "22": "71.0 %", "9": "29.0 %"}
    assert cells["300"][1] < cells["9"][1]


def test_blended_images_have_both_labels(tmp_path, monkeypatch):
    captions = []
    monkeypatch.setattr(
        image_grids, "_write_caption", lambda axes, x, y, text, *_, **__: captions.append(text)
    )
    mix = SimpleNamespace(partner=np.array([1, 2, 0]), share=np.array([0.75, 0.25, 1.0]))
    names, labels = ["anger", "fear", "joy"], np.array([0, 1, 2])
    draw_batch(np.zeros((3, 8, 8, 1)), labels, names, tmp_path / "b.png", "x", mix)
    assert captions == ["anger 75 %", "fear 25 %", "joy 75 %", "fear 25 %", "joy"]
