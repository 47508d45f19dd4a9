"""Frozen branches read from a store: the same losses, logits and run as where they are computed."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.data.pipeline.grain_batches import iterate
from ferjax.errors import UserError
from ferjax.experiment import run_train
from ferjax.images.preprocess import network_input
from ferjax.models import vgg
from ferjax.models.awei import Awei
from ferjax.models.efficientnet import EfficientNet, Stage
from ferjax.models.registry import MODELS, create_model
from ferjax.models.resnet import ResNet
from ferjax.predict import load_run
from ferjax.runs import cached_features, task
from ferjax.runs.cached_features import PhaseInputs, prepare_phase_inputs
from ferjax.runs.frozen_branch import FrozenBranch, build_frozen_branch
from ferjax.runs.phase_optimizer_and_step import compiled_step, first_state, phase_rate
from ferjax.runs.pretrained_values import InitialWeights
from ferjax.runs.task import Task, prepare_task, train_batches
from ferjax.runtime.sharding import put_batch
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.specs import InputSpec
from ferjax.training.forward_pass import evaluation_logits
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.train_step import zero_sums

CAFFE = InputSpec((32, 32), 32, 3, (0.4, 0.45, 0.5), (0.2, 0.25, 0.3), order="bgr")
GUIDE: dict[str, Any] = dict(model="awei", guide="vgg16", jumper="none", pretrained="here")
TRUNK: dict[str, Any] = dict(
    model="resnet18", freeze="all_but_head", head_widths=(5,), dropout=0.5, pretrained="here"
)
KINDS = {"guide": GUIDE, "trunk": TRUNK}
# Networks that compile in a second.
SMALL: dict[str, Callable[..., Any]] = {
    "awei": partial(Awei, widths=(2, 3, 4, 5, 6), hidden=8),
    "resnet18": partial(ResNet, stage_sizes=(1, 1), block="basic", widths=(4, 8)),
    "vgg16": partial(vgg.VGG, stage_sizes=(1, 1), widths=(3, 4)),
    "efficientnet_b0": partial(
        EfficientNet, stages=(Stage(6, 3, 2, 16, 2),), stem_width=8, top_width=24
    ),
}


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the networks small, and what a run starts from random, running statistics too."""
    monkeypatch.setattr(vgg, "_SIZES_16", (1,) * 5)
    monkeypatch.setattr(vgg, "_WIDTHS", (2, 2, 2, 2, 6))
    for name, build in SMALL.items():
        monkeypatch.setitem(MODELS, name, replace(MODELS[name], build=build))

    def load_initial_weights(config: Any, fields: Any, classes: Any) -> InitialWeights:
        model = create_model(config.model, len(classes), **fields)
        image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
        init = partial(model.init, train=False)
        shapes = flatten(jax.eval_shape(init, jax.random.key(0), image))
        return InitialWeights(drawn(shapes), {}, CAFFE, ("here",), guides=config.guide is not None)

    monkeypatch.setattr(task, "load_initial_weights", load_initial_weights)


def drawn(shapes: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Returns random values by path, of no layer's own scale."""
    rng = np.random.default_rng(seed)

    def leaf(path: str, shape: tuple[int, ...]) -> np.ndarray:
        values = rng.standard_normal(shape, np.float32)
        if path.endswith("kernel"):
            return values * np.sqrt(2 / np.prod(shape[:-1]), dtype=np.float32)
        return 0.5 + values**2 if path.endswith(("var", "scale")) else 0.3 * values

    return {path: leaf(path, like.shape) for path, like in shapes.items()}


@pytest.fixture
def make_task(tmp_path: Path, tiny_config: Callable[..., Any]) -> Callable[..., Task]:
    """Returns a function (kind, devices, **given) → task of 24 faces in batches of 8."""

    def make(kind: str, devices: int = 1, **given: Any) -> Task:
        settings: dict[str, Any] = dict(limit=24, epochs=4, cache_dir=str(tmp_path / "cache"))
        config = tiny_config(tmp_path / "run", **{**settings, **KINDS[kind], **given})
        return prepare_task(config, jax.devices()[:devices])

    return make


def variables_of(task: Task) -> dict[str, Any]:
    """Returns the variables that a run of the task starts with: they are all given to it."""
    assert task.initial_weights
    return {"batch_stats": {}, **unflatten(dict(task.initial_weights.variables))}


def losses(task: Task, inputs: PhaseInputs, steps: int = 5) -> list[float]:
    """Returns the loss of each of the first steps of a run."""
    config, state, found = task.config, first_state(task), []
    step = compiled_step(task, 0, inputs, phase_rate(config, 0, 0, task.steps_per_epoch), state)
    batches = iterate(train_batches(config, inputs.train))
    for _ in range(steps):
        state, sums = step(state, zero_sums(), put_batch(next(batches), task.mesh), 1.0)
        found.append(float(sums.loss / sums.weight))
    return found


# All that could tell stored from computed: rows drawn twice, batches in parts, rows on devices.
ALL = dict(devices=4, accumulate=2, balance=True)


# The trunk without mirror images is what the runs in phases below read.
@pytest.mark.parametrize(
    ("kind", "augment", "given"),
    [
        pytest.param("guide", "none", {}, marks=pytest.mark.slow),
        ("guide", "flip", ALL),
        ("trunk", "flip", ALL),
    ],
)
def test_stored_features_train_and_evaluate_as_computed_ones_do(
    kind: str, augment: str, given: dict[str, Any], make_task: Callable[..., Task]
) -> None:
    task = make_task(kind, augment=augment, **given)
    if given:
        # Soft labels: what `target` holds is what the loss sees.
        train = task.bundle.splits["train"]
        targets = np.random.default_rng(0).dirichlet(np.ones(7), len(train)).astype(np.float32)
        splits = {**task.bundle.splits, "train": replace(train, targets=targets)}
        task = replace(task, bundle=replace(task.bundle, splits=splits))
    variables = variables_of(task)
    state = first_state(task)
    jax.tree.map(np.testing.assert_array_equal, state.params, variables["params"])
    stored, computed = (
        prepare_phase_inputs(of_cache(task, cache), 0, variables) for cache in ("on", "off")
    )
    assert (stored.branch, computed.branch) == (kind, None)
    assert computed.train is task.bundle.splits["train"]
    if kind == "trunk":
        assert stored.train.shape == (1, 1, 1)
    ours, theirs = losses(task, stored), losses(task, computed)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert len(set(theirs)) == 5  # none of them is stuck
    logits = stored.logits_of(variables, stored.val)
    np.testing.assert_allclose(
        logits, task.logits_of(variables, computed.val), rtol=1e-5, atol=1e-5
    )


def of_cache(task: Task, cache: str, **changes: Any) -> Task:
    return replace(task, config=replace(task.config, feature_cache=cache, **changes))


def captured(task: Task, variables: Any, images: np.ndarray, layer: str) -> jax.Array:
    """Returns what a layer of the whole network makes of images."""

    def run(variables: Any, images: Any) -> Any:
        inputs = network_input(images, task.spec)
        keep = dict(capture_intermediates=lambda module, _: module.name == layer)
        return task.model.apply(variables, inputs, train=False, **keep)[1]

    return jax.jit(run)(variables, images)["intermediates"][layer]["__call__"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_stored_are_the_features_of_each_image_and_its_mirror_image(
    kind: str, make_task: Callable[..., Task]
) -> None:
    task = make_task(kind, augment="flip", feature_cache="on")
    variables = variables_of(task)
    stored = prepare_phase_inputs(task, 0, variables)
    assert stored.train.features is not None
    assert stored.val.features is not None
    rows = np.arange(24)
    assert stored.val.features.shape[1] == 1
    images = task.bundle.splits["train"].read(rows)
    layer = {"guide": "guide", "trunk": "head_dense1"}[kind]
    for variant, seen in enumerate((images, images[:, :, ::-1])):
        theirs = np.asarray(captured(task, variables, seen, layer))
        ours = stored.train.features[rows][:, variant]
        if kind == "trunk":
            dense = variables["params"][layer]
            ours = ours @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("resnet18", {}),
        ("vgg16", {"head_widths": (6, 5)}),
        ("vgg16", {"pooling": "mean", "head_widths": ()}),
        ("efficientnet_b0", {"stochastic_depth": 0.5}),
        ("fernet_s", {"augment": "none"}),
    ],
)
def test_every_family_has_a_trunk(
    model: str, fields: dict[str, Any], make_task: Callable[..., Task]
) -> None:
    given = {"head_widths": None, "dropout": None, **fields}
    task = make_task("trunk", model=model, feature_cache="on", **given)
    variables = variables_of(task)
    stored = prepare_phase_inputs(task, 0, variables)
    assert stored.branch == "trunk"
    assert stored.val.shape == (1, 1, 1)
    theirs = task.logits_of(variables, task.bundle.splits["val"])
    ours = stored.logits_of(variables, stored.val)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns the list of how many images each forward pass took; features are zeros."""
    counts: list[int] = []

    def counted(*arguments: Any) -> FrozenBranch:
        branch = build_frozen_branch(*arguments)

        def compute(images: np.ndarray, variants: int) -> np.ndarray:
            counts.append(len(images))
            return np.zeros((len(images), variants, *branch.shape), np.float32)

        return replace(branch, compute=compute)

    monkeypatch.setattr(cached_features, "build_frozen_branch", counted)
    return counts


def one_pixel_changed(task: Task) -> Task:
    split = task.bundle.splits["train"]

    def read(indices: np.ndarray) -> np.ndarray:
        images = split.read(indices).copy()
        images[np.asarray(indices) == 23, -1, -1, -1] ^= 1
        return images

    splits = {**task.bundle.splits, "train": replace(split, read=read)}
    return replace(task, bundle=replace(task.bundle, splits=splits))


def with_spec(task: Task, **changes: Any) -> Task:
    return replace(task, spec=replace(task.spec, **changes))


def with_guides_spec(task: Task, **changes: Any) -> Task:
    assert task.spec.guide is not None
    return with_spec(task, guide=replace(task.spec.guide, **changes))


# What another run may have, and how many images it computes then: all 48, train's 24, or none.
OTHERS: dict[str, tuple[str, Callable[[Task], Task], int]] = {
    "nothing": ("guide", lambda task: task, 0),
    "mean": ("trunk", lambda task: with_spec(task, mean=(0.4, 0.45, 0.6)), 48),
    "deviation": ("trunk", lambda task: with_spec(task, std=(0.2, 0.25, 0.31)), 48),
    "order": ("trunk", lambda task: with_spec(task, order="rgb"), 48),
    "size": ("trunk", lambda task: with_spec(task, size=48), 48),
    "interpolation": ("trunk", lambda task: with_spec(task, interpolation="bicubic"), 48),
    "mean of the guide": ("guide", lambda task: with_guides_spec(task, mean=(0.4,) * 3), 48),
    "pixel": ("trunk", one_pixel_changed, 24),
    "mirror images": ("trunk", lambda task: of_cache(task, "on", augment="flip"), 24),
    "seed": ("guide", lambda task: of_cache(task, "on", seed=7), 0),
    "dropout": ("trunk", lambda task: replace(task, fields={**task.fields, "dropout": 0.1}), 0),
    "jumper": ("guide", lambda task: replace(task, fields={**task.fields, "jumper": "input"}), 0),
    "dtype": ("guide", lambda task: replace(task, fields={**task.fields, "dtype": "bfloat16"}), 48),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_is_read_where_all_that_its_features_follow_from_is_the_same(
    kind: str, make_task: Callable[..., Task], computed: list[int]
) -> None:
    task = make_task(kind, feature_cache="on")
    variables = variables_of(task)
    prepare_phase_inputs(task, 0, variables)
    assert computed == [24, 24]
    for what, (of_kind, change, images) in OTHERS.items():
        if of_kind == kind:
            computed.clear()
            prepare_phase_inputs(change(task), 0, variables)
            assert sum(computed) == images, what
            prepare_phase_inputs(task, 0, variables)
            assert sum(computed) == images, what


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (
            "trunk",
            {
                "params/stage1_block0/conv1/kernel": 48,
                "batch_stats/stem_bn/mean": 48,
                "params/head_dense1/kernel": 0,
            },
        ),
        ("guide", {"params/guide/stage5/conv1/bias": 48, "params/conv1/kernel": 0}),
    ],
)
def test_one_bit_of_a_branchs_weights_makes_other_features(
    kind: str, paths: dict[str, int], make_task: Callable[..., Task], computed: list[int]
) -> None:
    task = make_task(kind, feature_cache="on")
    variables = variables_of(task)
    prepare_phase_inputs(task, 0, variables)
    for path, images in paths.items():
        computed.clear()
        flat = flatten(jax.tree.map(np.array, variables))
        flat[path].view(np.int32).flat[-1] ^= 1
        prepare_phase_inputs(task, 0, unflatten(flat))
        assert sum(computed) == images, path


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"augment": "standard"}, "--augment=standard draws another image at every step"),
        ({"augment": "strong"}, "--augment=strong draws"),
        ({"feature_cache": "off"}, "--feature_cache=off"),
        ({"epochs": 1}, "takes 1 passes, and the phase has 1 epochs"),
        ({"epochs": 2, "augment": "flip"}, "takes 2 passes, and the phase has 2 epochs"),
        ({"feature_gigabytes": 1e-6}, "1.15e-06 GB are more than --feature_gigabytes=1e-06"),
    ],
)
def test_auto_says_why_it_stores_nothing(
    given: dict[str, Any],
    words: str,
    make_task: Callable[..., Task],
    computed: list[int],
    tmp_path: Path,
) -> None:
    task = make_task("guide", **given)
    found = prepare_phase_inputs(task, 0, variables_of(task))
    assert found.branch is None
    assert found.note.startswith("frozen guide is computed at every step: ")
    assert words in found.note
    assert not computed
    assert not (tmp_path / "cache").exists()


def test_auto_minds_the_disk_and_what_it_has_there_already(
    make_task: Callable[..., Task], computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task("guide")
    variables = variables_of(task)
    usage = type("Usage", (), {"free": 0})
    with monkeypatch.context() as patch:
        patch.setattr("ferjax.data.storage.feature_store.shutil.disk_usage", lambda path: usage)
        refused = prepare_phase_inputs(task, 0, variables)
        assert "1.15e-06 GB are more than the 0 that the disk has" in refused.note
    assert prepare_phase_inputs(task, 0, variables).branch == "guide"
    # The features themselves have filled the disk: a resumed run goes on as it began.
    monkeypatch.setattr("ferjax.data.storage.feature_store.shutil.disk_usage", lambda path: usage)
    assert prepare_phase_inputs(task, 0, variables).branch == "guide"
    assert sum(computed) == 48


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**TRUNK, "freeze": "none"}, "no branch of the network is frozen whole"),
        ({**TRUNK, "freeze": "stem.*"}, "no branch of the network is frozen whole"),
        ({**GUIDE, "augment": "standard"}, "--augment=standard draws another image at every step"),
    ],
)
def test_on_is_refused_where_it_cannot_be(
    given: dict[str, Any], words: str, tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    config = tiny_config(tmp_path / "run", **given, feature_cache="on")
    with pytest.raises(UserError, match=f"--feature_cache=on: {re.escape(words)}"):
        run_train(config)
    assert not (tmp_path / "run").exists()


def test_where_nothing_is_frozen_nothing_is_said(make_task: Callable[..., Task]) -> None:
    task = make_task("trunk", freeze="none")
    found = prepare_phase_inputs(task, 0, variables_of(task))
    assert (found.branch, found.note) == (None, "")


def test_nothing_of_a_stored_branch_is_in_the_program(make_task: Callable[..., Task]) -> None:
    task = make_task("trunk", epochs=4)
    variables = variables_of(task)
    counts = {}
    for cache in ("on", "off"):
        found = prepare_phase_inputs(of_cache(task, cache), 0, variables)
        step = compiled_step(task, 0, found, phase_rate(task.config, 0, 0, 3), first_state(task))
        batch = train_batches(task.config, found.train)[0]
        text = step.lower(first_state(task), zero_sums(), batch, 1.0).compile().as_text()
        counts[cache] = len(re.findall(r" convolution\(", text))
    # Five forward, and no gradient below the head.
    assert counts == {"on": 0, "off": 6}


class Doubled(nn.Module):
    """Twice its input, in its dtype."""

    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return 2 * x.astype(self.dtype or x.dtype)


class Around(nn.Module):
    """Three times the input, two of them from a branch."""

    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return x.astype(self.dtype or x.dtype) + Doubled(self.dtype, name="branch")(x)


@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
def test_what_is_stored_has_the_dtype_that_it_is_computed_in(dtype: Any) -> None:
    x = jnp.array([1.0, 3.0])
    found = evaluation_logits(Around(dtype), {}, x, {"branch": 2 * x})
    expected = Around(dtype).apply({}, x, train=False)
    assert isinstance(expected, jax.Array)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def stopping(after: int, log: list[int]) -> Callable[..., FrozenBranch]:
    """Returns a `build_frozen_branch` that logs the images it is given and fails in one pass."""

    def of(*arguments: Any) -> FrozenBranch:
        branch = build_frozen_branch(*arguments)

        def compute(images: np.ndarray, variants: int) -> np.ndarray:
            if len(log) == after:
                raise KeyboardInterrupt
            log.append(len(images))
            return branch.compute(images, variants)

        return replace(branch, compute=compute)

    return of


def test_ctrl_c_stops_between_two_blocks(
    make_task: Callable[..., Task], computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_features, "_BLOCK", 8)
    task = make_task("trunk", feature_cache="on")
    variables = variables_of(task)
    interruptions = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        prepare_phase_inputs(task, 0, variables, lambda: next(interruptions))
    assert computed == [8] * 2
    prepare_phase_inputs(task, 0, variables)
    assert computed == [8] * 6


def test_a_run_stopped_while_it_fills_is_the_run_that_was_not(
    tmp_path: Path,
    tiny_config: Callable[..., Any],
    timeless_lines: Callable[[Path], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cached_features, "_BLOCK", 8)

    def train(name: str) -> dict[str, Any]:
        settings = dict(limit=24, epochs=4, augment="flip", resume=True)
        settings |= dict(cache_dir=str(tmp_path / name))
        config = tiny_config(tmp_path / f"run {name}", **{**TRUNK, **settings})
        return run_train(config, jax.devices()[:1])

    report = train("whole")
    log: list[int] = []
    for after in (2, 5):  # in train, in val
        with monkeypatch.context() as patch:
            patch.setattr(cached_features, "build_frozen_branch", stopping(after, log))
            with pytest.raises(KeyboardInterrupt):
                train("stopped")
    monkeypatch.setattr(cached_features, "build_frozen_branch", stopping(6, log))
    resumed = train("stopped")
    assert log == [8] * 6
    one, other = (tmp_path / f"run {name}" for name in ("whole", "stopped"))
    assert timeless_lines(one) == timeless_lines(other)
    assert report["results"] == resumed["results"]
    last = [load_run(run, "last").variables for run in (one, other)]
    jax.tree.map(np.testing.assert_array_equal, *last)
    where = f"GB in {tmp_path / 'whole'}"
    (note,) = report["protocol"]["course"]
    assert note.startswith("frozen trunk is computed once for each image and its mirror image: ")
    assert note.endswith(where)


def test_a_phase_reads_the_features_of_the_weights_it_begins_with(
    tmp_path: Path, tiny_config: Callable[..., Any]
) -> None:
    found = {}
    for cache in ("on", "off"):
        settings = dict(epochs=(1, 2), freeze=("none", "all_but_head"), feature_cache=cache)
        settings |= dict(limit=24, cache_dir=str(tmp_path / "cache"))
        config = tiny_config(tmp_path / cache, **{**TRUNK, **settings})
        run_train(config, jax.devices()[:1])
        found[cache] = [line["loss"] for line in read_lines(tmp_path / cache)]
    np.testing.assert_allclose(found["on"], found["off"], rtol=1e-5)


def test_phases_that_train_the_branch_have_none(
    make_task: Callable[..., Task], computed: list[int]
) -> None:
    task = make_task("trunk", epochs=(2, 1), freeze=("all_but_head", "none"), feature_cache="on")
    variables = variables_of(task)
    found = [prepare_phase_inputs(task, index, variables) for index in (0, 1)]
    assert [one.branch for one in found] == ["trunk", None]
    assert [bool(one.note) for one in found] == [True, False]
    assert sum(computed) == 48
