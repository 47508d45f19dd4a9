"""Awei's guide: a frozen VGG16 that costs a forward pass and nothing else, from file to report."""

import functools
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.convert.converted.weights_folder import load_weights
from ferjax.convert.weights import Pretrained, save_pretrained
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.images.augment import AUGMENTS
from ferjax.models import vgg
from ferjax.models.awei import Awei
from ferjax.models.registry import MODELS, abstract_variables, create_model
from ferjax.models.vgg import VGG16Trunk
from ferjax.predict import load_predictor, load_run
from ferjax.runtime.sharding import data_mesh
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import train_step, zero_sums

CAFFE = InputSpec((224, 224), 224, 3, (0.4, 0.45, 0.5), (0.2, 0.25, 0.3), order="bgr")
SPEC = InputSpec((32, 32), 32, 3, (0.0,) * 3, (1.0,) * 3)
GUIDED = InputSpec((32, 32), 32, 3, (0.0,) * 3, (1.0,) * 3, guide=CAFFE)
FROZEN = MODELS["awei"].frozen


def test_the_guide_is_vgg16s_convolutions_and_nothing_else() -> None:
    plain, guided = (abstract_variables("awei", 7, guide=guide) for guide in ("none", "vgg16"))
    added = {path: shape for path, shape in guided.items() if path not in plain}
    vgg = abstract_variables("vgg16", 0, pooling="mean", head_widths=())
    assert added == {path.replace("params/", "params/guide/"): s for path, s in vgg.items()}
    assert sum(int(np.prod(shape)) for shape in added.values()) == 14_714_688


def test_the_guides_map_is_added_before_dropout(random_variables: Callable[..., Any]) -> None:
    model = create_model("awei", 7, guide="vgg16", jumper="none")
    variables = random_variables(model, 32, 3)
    rng = np.random.default_rng(1)
    image, guided = rng.random((2, 3, 32, 32, 3), np.float32)
    apply = jax.jit(functools.partial(model.apply, train=False))
    logits = apply(variables, (image, guided))
    params = variables["params"]
    guide = VGG16Trunk().apply({"params": params["guide"]}, guided)
    # The trunk's own map, from a network whose guide sees nothing.
    unguided = create_model("awei", 7, jumper="none")
    own = {name: leaf for name, leaf in params.items() if name != "guide"}
    _, seen = unguided.apply(
        {"params": own}, image, train=False, capture_intermediates=lambda m, _: m.name == "dropout"
    )
    trunk = np.asarray(seen["intermediates"]["dropout"]["__call__"][0])
    features = trunk + np.asarray(guide).reshape(3, -1)
    hidden = np.maximum(features @ params["dense"]["kernel"] + params["dense"]["bias"], 0)
    expected = hidden @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    # One array serves both.
    np.testing.assert_array_equal(apply(variables, image), apply(variables, (image, image)))


def test_the_guide_gets_no_gradient_even_where_all_are_asked_for(
    random_variables: Callable[..., Any],
) -> None:
    model = create_model("awei", 7, guide="vgg16")
    variables = random_variables(model, 32, 3)
    image = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)
    loss = jax.jit(jax.grad(lambda v: (model.apply(v, image, train=False) ** 2).sum()))
    gradients = flatten(loss(variables)["params"])
    assert {bool(np.any(g)) for path, g in gradients.items() if path.startswith("guide")} == {False}
    assert all(np.any(g) for path, g in gradients.items() if not path.startswith("guide"))


@functools.cache
def step_of(guide: str, stored_branch: str | None = None) -> Any:
    """Returns the compiled training step's HLO text, and its state's paths."""
    model = create_model("awei", 7, guide=guide, jumper="none")
    optimizer = make_optimizer("adam")
    spec = GUIDED if guide == "vgg16" else SPEC
    mesh = data_mesh(jax.devices()[:1])
    state = jax.eval_shape(lambda: create_state(model, optimizer, spec, 0, mesh, frozen=FROZEN))
    settings = StepSettings(
        model=model,
        optimizer=optimizer,
        rate=make_schedule("constant", 1e-3, 1),
        spec=spec,
        augment=AUGMENTS["flip"],
        label_smoothing=0.0,
        class_weights=None,
        seed=0,
        frozen=FROZEN,
        stored_branch=stored_branch,
    )
    step = functools.partial(train_step, settings=settings)
    batch = {
        "image": jax.ShapeDtypeStruct((2, 32, 32, 3), np.uint8),
        "label": jax.ShapeDtypeStruct((2,), np.int32),
        "mask": jax.ShapeDtypeStruct((2,), bool),
        "index": jax.ShapeDtypeStruct((2,), np.int32),
        "feature": jax.ShapeDtypeStruct((2, 2, 1, 1, 512), np.float32),
    }
    return jax.jit(step).lower(state, zero_sums(), batch).compile().as_text(), state


def test_the_step_does_no_backward_work_for_the_guide() -> None:
    (plain, _), (guided, state) = step_of("none"), step_of("vgg16")
    convolutions = [len(re.findall(r" convolution\(", text)) for text in (plain, guided)]
    # VGG16's thirteen, forward, three of them on maps so small that they are matrix products; were
    # it trained, there would be some thirty.
    assert convolutions[1] - convolutions[0] == 10
    slots = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state.opt_state)]
    assert slots
    assert not [slot for slot in slots if "guide" in slot]


def test_a_step_that_reads_the_guides_map_does_none_of_its_work() -> None:
    (plain, _), (stored, _) = step_of("none"), step_of("vgg16", stored_branch="guide")
    convolutions = [len(re.findall(r" convolution\(", text)) for text in (plain, stored)]
    assert convolutions[0] == convolutions[1] > 5


@pytest.fixture
def vgg_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None) -> Path:
    """Returns a converted folder of random convolutions of a narrow VGG16, which guides Awei."""
    widths = (2, 2, 2, 2, 6)
    monkeypatch.setattr(vgg, "_WIDTHS", widths)
    for name, build in (
        ("awei", functools.partial(Awei, widths=(2, 3, 4, 5, 6), hidden=8)),
        ("vgg16", functools.partial(vgg.VGG16, widths=widths)),
    ):
        monkeypatch.setitem(MODELS, name, replace(MODELS[name], build=build))
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {"pooling": "mean", "head_widths": ()}
    shapes = abstract_variables("vgg16", 0, **fields)
    variables = {
        path: (rng.standard_normal(shape) / np.sqrt(4.5 * shape[-2])).astype(np.float32)
        if path.endswith("kernel")
        else np.zeros(shape, np.float32)
        for path, shape in shapes.items()
    }
    source = {
        "name": "vgg16.test",
        "kind": "torchvision",
        "path": "vgg16.pth",
        "sha256": "0" * 64,
        "license": "BSD-3-Clause",
        "citation": "Simonyan and Zisserman 2015",
    }
    weights = Pretrained("vgg16.test", "vgg16", variables, fields, CAFFE, None, source, ())
    return save_pretrained(tmp_path / "weights" / "vgg16", weights)


def test_a_guided_run_trains_resumes_and_reports_without_its_weights_file(
    vgg_weights: Path, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    folder = shutil.copytree(vgg_weights, tmp_path / "vgg16")
    given: dict[str, Any] = dict(model="awei", guide="vgg16", pretrained=str(folder), seed=3)
    run_dir = tmp_path / "run"
    report = run_train(tiny_config(run_dir, **given, epochs=1, schedule="constant"))
    origin = report["protocol"]["weights' origin"]
    assert any("vgg16.test" in line for line in origin)
    assert "license: BSD-3-Clause" in origin
    assert "citation: Simonyan and Zisserman 2015" in origin
    assert "guide: mean 0.4 0.45 0.5" in report["protocol"]["input"]
    assert "BGR" in report["protocol"]["input"]

    shutil.rmtree(folder)
    run_train(tiny_config(run_dir, **given, epochs=2, schedule="constant", resume=True))
    run = load_run(run_dir, "last")
    assert run.epoch == 2
    assert run.spec.guide is not None
    assert (run.spec.guide.mean, run.spec.guide.order) == (CAFFE.mean, "bgr")
    kept = flatten(run.variables["params"]["guide"])
    before, _ = load_weights(vgg_weights)
    for path, leaf in kept.items():
        np.testing.assert_array_equal(leaf, before[f"params/{path}"])
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    np.testing.assert_allclose(load_predictor(run_dir)(images).sum(1), 1, rtol=1e-5)
    again = run_evaluate(EvalConfig(workdir=str(run_dir)))
    assert again["protocol"]["weights' origin"] == origin
    assert json.loads((run_dir / "config.json").read_text())["guide"] == "vgg16"


@pytest.mark.slow
def test_shared_input_is_the_literal_reading(
    vgg_weights: Path, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    given: dict[str, Any] = dict(model="awei", guide="vgg16", pretrained=str(vgg_weights))
    run_train(tiny_config(tmp_path / "run", **given, guide_input="shared", epochs=1))
    spec = load_run(tmp_path / "run", "last").spec
    assert spec.guide is not None
    assert (spec.guide.mean, spec.guide.std, spec.guide.order) == (spec.mean, spec.std, "rgb")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "awei", "guide": "vgg16"}, "--guide=vgg16 without --pretrained"),
        ({"model": "awei", "guide": "vgg19"}, "Did you mean 'vgg16'"),
        ({"model": "cnn3", "image_size": 48, "guide": "vgg16"}, "cnn3 has no guide"),
        ({"model": "awei", "pretrained": "imagenet"}, "no weights are published for awei"),
        ({"model": "cnn3", "image_size": 48, "pretrained": "imagenet"}, "published for cnn3"),
        ({"model": "awei", "normalization": "weights"}, "starts from no weights"),
        ({"model": "resnet18", "pretrained": "imagenet", "channels": 1}, "takes 3"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    given: dict[str, Any], words: str, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        run_train(tiny_config(tmp_path / "run", **given))
