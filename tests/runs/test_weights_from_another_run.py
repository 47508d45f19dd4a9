"""A run that starts from another run: its network, its input, and its head by emotion names."""

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.config.json_file import config_to_json
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.models import vgg
from ferjax.models.awei import Awei
from ferjax.models.registry import MODELS, create_model
from ferjax.models.resnet import ResNet
from ferjax.predict import load_run
from ferjax.recipes import resolve
from ferjax.runs.input_spec import input_spec
from ferjax.runs.pretrained_values import (
    InitialWeights,
    initial_weights_from_json,
    initial_weights_to_json,
)
from ferjax.runs.pretrained_weights import load_initial_weights, required_channels
from ferjax.runs.task import prepare_task
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.run_directory.checkpoints import open_checkpoints, save_checkpoint
from ferjax.training.state import TrainState, init_variables

CLASSES = ("anger", "fear", "happiness", "neutral")
CAFFE = InputSpec((48, 48), 32, 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bgr", "bicubic")
HEAD = ("params/head/kernel", "params/head/bias")
MakeRun = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("no_figures")
# Narrow and shallow: what is compared are names, shapes and values.
SMALL: dict[str, Callable[..., Any]] = {
    "awei": partial(Awei, widths=(2, 3, 4, 5, 6), hidden=8),
    "resnet18": partial(ResNet, stage_sizes=(1, 1, 1, 1), block="basic", widths=(4, 4, 8, 12)),
    "resnet50": partial(ResNet, stage_sizes=(1, 1, 1, 3), block="bottleneck", widths=(4,) * 4),
    "vgg16": partial(vgg.VGG, stage_sizes=(1,) * 5, widths=(2, 2, 2, 2, 6)),
}


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "_SIZES_16", (1,) * 5)
        patch.setattr(vgg, "_WIDTHS", (2, 2, 2, 2, 6))
        for name, build in SMALL.items():
            patch.setitem(MODELS, name, dataclasses.replace(MODELS[name], build=build))
        yield


@pytest.fixture(scope="module")
def make_run(
    tmp_path_factory: pytest.TempPathFactory,
    random_variables: Callable[..., Any],
    small_networks: None,
) -> MakeRun:
    """Returns a function (model, ...) → directory of a run that was never trained, made once."""
    made: dict[str, Path] = {}

    def make(
        model: str,
        classes: Sequence[str] = CLASSES,
        spec: InputSpec = CAFFE,
        *,
        ema: bool = False,
        saved: bool = True,
        given: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Path:
        key = repr((model, classes, spec, ema, saved, given, fields))
        if key in made:
            return made[key]
        folder = made[key] = tmp_path_factory.mktemp(model)
        pair = {"model": model, "dataset": "synthetic", "workdir": str(folder)}
        config = resolve({**pair, **(given or {})})
        (folder / "config.json").write_text(config_to_json(config), "utf-8")
        if not saved:
            return folder
        network = create_model(model, len(classes), **fields)
        variables = random_variables(network, spec.size, spec.channels, seed=1)
        averages = jax.tree.map(lambda leaf: leaf + 1, variables["params"]) if ema else None
        statistics = variables.get("batch_stats", {})
        state = TrainState(jnp.asarray(5), variables["params"], statistics, {}, averages)
        meta = {
            "model": model,
            "fields": fields,
            "classes": list(classes),
            "spec": spec_to_json(spec),
            "start": None,
            "epoch": 3,
            "averaged": sorted(flatten(averages or {})),
            "best": {"epoch": 3, "step": 5, "accuracy": 0.625},
        }
        with open_checkpoints(folder) as manager:
            save_checkpoint(manager, state, meta, 0.625)
        return folder

    return make


def start(
    folder: Path,
    classes: Sequence[str] = CLASSES,
    fields: dict[str, Any] | None = None,
    **given: Any,
) -> InitialWeights:
    """Returns the start of a run that names another."""
    model = {"model": given.pop("model", "resnet18"), "dataset": "synthetic"}
    workdir = f"{folder}-new"
    config = resolve(
        {**model, "image_size": 32, "workdir": workdir, "pretrained": str(folder), **given}
    )
    found = load_initial_weights(config, fields or {}, classes)
    assert found
    return found


def initial(model: str, classes: Sequence[str], seed: int, **fields: Any) -> dict[str, Any]:
    network = create_model(model, len(classes), **fields)
    return flatten(jax.jit(lambda: init_variables(network, CAFFE, seed))())


def test_outputs_are_kept_by_name_and_the_others_are_the_seeds_own(make_run: MakeRun) -> None:
    folder = make_run("cnn3", spec=dataclasses.replace(CAFFE, size=48))
    classes = ("neutral", "anger", "contempt", "surprise")
    found = start(folder, classes, model="cnn3", image_size=48, seed=3)
    theirs = flatten(load_run(folder).variables)
    assert set(found.variables) == set(theirs)
    for path in set(theirs) - set(HEAD):
        np.testing.assert_array_equal(found.variables[path], theirs[path])
    random = initial("cnn3", classes, 3)
    for path in HEAD:
        own = found.variables[path]
        np.testing.assert_array_equal(own[..., 0], theirs[path][..., 3])
        np.testing.assert_array_equal(own[..., 1], theirs[path][..., 0])
        np.testing.assert_allclose(own[..., 2:], random[path][..., 2:], rtol=1e-6)
    assert found.input == load_run(folder).spec
    assert found.origin == (
        f"run {folder}: cnn3 trained on synthetic (recipe default, seed 0), selected epoch 3, val"
        " accuracy 62.50 %",
        "its classes: anger, fear, happiness, neutral",
        "outputs kept, by name: neutral, anger",
        "outputs new, at random: contempt, surprise",
        "outputs left out: fear, happiness",
        "before that: random initialisation",
    )
    again = start(folder, classes, model="cnn3", image_size=48, seed=3).variables
    other = start(folder, classes, model="cnn3", image_size=48, seed=4).variables
    np.testing.assert_array_equal(again[HEAD[0]], found.variables[HEAD[0]])
    assert np.all(other[HEAD[0]][:, 2:] != found.variables[HEAD[0]][:, 2:])


@pytest.mark.parametrize(
    ("theirs", "ours", "kept", "new"),
    [
        ({}, {}, True, None),
        ({}, {"dropout": 0.3}, True, None),
        ({"head_widths": (16,)}, {}, True, None),
        ({"head_widths": (16,)}, {"head_widths": (16,)}, True, None),
        ({}, {"head_widths": (16, 8)}, False, "head_dense1, head_dense2, head"),
        ({"head_widths": (16,)}, {"head_widths": ()}, False, "head"),
        ({"head_widths": (16,)}, {"head_widths": (16, 8)}, False, "head_dense1, head_dense2, head"),
        # Both heads take 16 features, which are not the same.
        ({"head_widths": (16, 16)}, {"head_widths": (16,)}, False, "head"),
    ],
)
def test_hidden_layers(
    theirs: dict[str, Any], ours: dict[str, Any], kept: bool, new: str | None, make_run: MakeRun
) -> None:
    found = start(make_run("resnet18", **theirs), fields=ours)
    assert (HEAD[0] in found.variables) == kept
    assert (f"new, at random: {new}" in found.origin) == (new is not None)
    assert any("outputs kept" in line for line in found.origin) == kept
    network = create_model("resnet18", len(CLASSES), **{**found.fields, **ours})
    tree = jax.eval_shape(lambda: init_variables(network, CAFFE, 0))
    wanted = {path: leaf.shape for path, leaf in flatten(tree).items()}
    absent = set(wanted) - set(found.variables)
    assert {path.split("/")[1] for path in absent} == set((new or "").split(", ")) - {""}
    assert all(leaf.shape == wanted[path] for path, leaf in found.variables.items())


def test_without_a_common_emotion_the_head_is_new(make_run: MakeRun) -> None:
    found = start(make_run("resnet18"), ("pain", "surprise"))
    assert not set(HEAD) & set(found.variables)
    assert "new, at random: head" in found.origin
    assert not any("outputs" in line for line in found.origin)


def test_what_the_network_needs_comes_along_and_how_it_was_trained_does_not(
    make_run: MakeRun,
) -> None:
    needed: dict[str, Any] = {"conv_bias": True, "stride_on_3x3": False, "bn_eps": 1e-3}
    folder = make_run("resnet50", **needed, dropout=0.4)
    found = start(folder, model="resnet50")
    assert found.fields == needed
    assert "params/stem_conv/bias" in found.variables
    assert "batch_stats/stage4_block2/bn3/var" in found.variables
    kept = initial_weights_from_json(initial_weights_to_json(found))
    assert kept == dataclasses.replace(found, variables={})


def test_averaged_parameters_are_taken_where_there_are_some(make_run: MakeRun) -> None:
    folder = make_run("resnet18", ema=True)
    found = start(folder)
    raw = load_run(folder, raw=True).variables["params"]["stem_conv"]["kernel"]
    np.testing.assert_array_equal(found.variables["params/stem_conv/kernel"], raw + 1)
    assert "averaged parameters" in found.origin[0]


def test_a_vgg_run_guides_under_its_own_input(
    make_run: MakeRun, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    folder = make_run("vgg16", pooling="mean", head_widths=())
    given = dict(model="awei", guide="vgg16", pretrained=str(folder), normalization="dataset")
    task = prepare_task(tiny_config(tmp_path / "new", **given))
    assert task.initial_weights
    assert task.initial_weights.guides
    theirs = flatten(load_run(folder).variables["params"])
    ours = {
        path.removeprefix("params/guide/"): v for path, v in task.initial_weights.variables.items()
    }
    assert ours.keys() == {path for path in theirs if not path.startswith("head")}
    for path, leaf in ours.items():
        np.testing.assert_array_equal(leaf, theirs[path])
    assert task.spec.guide == dataclasses.replace(CAFFE, storage=task.spec.storage)
    assert task.spec.order == "rgb"
    assert (
        "of the guide, frozen; everything else: random initialisation"
        in task.initial_weights.origin
    )
    assert task.frozen == ("(?:guide/.*)",)


@pytest.mark.parametrize("guide", [None, "vgg16"])
def test_a_guided_run_brings_its_guide_and_the_guides_input(
    guide: str | None, make_run: MakeRun, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    own = InputSpec((64, 64), 32, 3, (0.5,) * 3, (0.2,) * 3, guide=CAFFE)
    folder = make_run("awei", spec=own, guide="vgg16", jumper="staged")
    given: dict[str, Any] = dict(jumper="staged", guide=guide, normalization="weights")
    task = prepare_task(
        tiny_config(tmp_path / "new", model="awei", pretrained=str(folder), **given)
    )
    assert task.fields["guide"] == "vgg16"
    assert task.spec.mean == own.mean
    assert task.spec.guide == dataclasses.replace(CAFFE, storage=task.spec.storage)
    assert task.initial_weights
    assert "params/guide/stage1/conv1/kernel" in task.initial_weights.variables
    shared = dataclasses.replace(task.config, guide_input="shared")
    spec = input_spec(shared, task.bundle.splits["train"], 3, task.initial_weights)
    assert spec.guide == dataclasses.replace(spec, guide=None)


GREY = InputSpec((48, 48), 48, 1, (0.5,), (0.25,))


def test_channels_are_the_runs(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("cnn3", spec=GREY)
    given: dict[str, Any] = {
        "model": "cnn3",
        "dataset": "synthetic",
        "workdir": str(tmp_path / "new"),
    }
    config = resolve({**given, "pretrained": str(folder)})
    assert required_channels(config) == 1
    assert required_channels(dataclasses.replace(config, channels=1)) == 1
    words = f"--channels=3: --pretrained={folder} takes 1. Leave the flag out: colour images become"
    with pytest.raises(UserError, match=re.escape(words)):
        required_channels(dataclasses.replace(config, channels=3))
    assert required_channels(dataclasses.replace(config, pretrained="none")) is None
    assert prepare_task(config).spec.mean == (0.5,)


def test_refusals(make_run: MakeRun, tmp_path: Path) -> None:
    wide = dataclasses.replace(CAFFE, size=64)
    folders = {
        "resnet18": make_run("resnet18"),
        "cnn3": make_run("cnn3", spec=GREY),
        "awei": make_run("awei", spec=wide, jumper="staged"),
        "grey vgg": make_run(
            "vgg16",
            spec=dataclasses.replace(GREY, size=32),
            pooling="mean",
            head_widths=(),
        ),
        "begun": make_run("resnet18", saved=False),
        "seeds": make_run("resnet18", saved=False, given={"seeds": (0, 3)}),
        "folds": make_run("resnet18", saved=False, given={"folds": 3}),
    }

    def refused(name: str, words: str, **given: Any) -> None:
        folder = folders[name]
        with pytest.raises(UserError, match=re.escape(words.replace("RUN", str(folder)))):
            start(folder, **given)

    refused(
        "resnet18",
        "--pretrained=RUN is of resnet18, --model=resnet50. Give --model=resnet18, or a run of",
        model="resnet50",
    )
    refused(
        "resnet18",
        "--pretrained=RUN is of resnet18, --guide=vgg16. Give a run of vgg16.",
        model="awei",
        guide="vgg16",
    )
    refused("grey vgg", "RUN sees grey images, and the guide", model="awei", guide="vgg16")
    refused(
        "awei",
        "--pretrained=RUN is of awei with jumper=staged, --jumper=input. Give --jumper=staged, or",
        model="awei",
        image_size=64,
        fields={"jumper": "input"},
    )
    refused(
        "awei",
        "is of awei with guide=none, --guide=vgg16. Give --guide=none",
        model="awei",
        guide="vgg16",
        image_size=64,
        fields={"jumper": "staged", "guide": "vgg16"},
    )
    refused(
        "awei",
        "--image_size=96: params/dense/kernel of --pretrained=RUN does not fit it. Give"
        " --image_size=64, at which that run was trained.",
        model="awei",
        image_size=96,
        fields={"jumper": "staged"},
    )
    refused("cnn3", "--image_size=96: params/dense/kernel", model="cnn3", image_size=96)
    refused("begun", "RUN: that run has saved no checkpoint yet. Let it finish an epoch")
    refused("seeds", "RUN is a series of 2 runs. Name one of them: RUN/seed_0, RUN/seed_3.")
    refused("folds", "RUN is a series of 3 runs. Name one of them: RUN/fold_01, RUN/fold_02, RUN/f")
    refused("resnet18", "RUN is this run's own --workdir", workdir=str(folders["resnet18"]) + "/")
    # A folder of another library.
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"architectures": ["ResNet"]}')
    folders["other"] = other
    refused("other", "no model.json there")
    folders["typo"] = tmp_path / "typo"
    refused("typo", "no such file or folder of weights")
    refused("typo", "RUN is no run, and no weights are published for cnn3", model="cnn3")


def test_another_cut_of_the_same_images_is_said(make_run: MakeRun) -> None:
    folder = make_run("resnet18", given={"split_seed": 2})
    words = "another cut of the same data set (split_seed 2, here 0)"
    assert any(words in line for line in start(folder).origin)
    assert not any("another cut" in line for line in start(folder, split_seed=2).origin)
    assert not any("another cut" in line for line in start(folder, dataset="fer2013").origin)


def test_another_cut_of_the_same_folder_is_said_however_it_is_named(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "faces")
    monkeypatch.chdir(tmp_path)
    faces: dict[str, Any] = {"dataset": "folder", "data_dir": str(tmp_path / "faces")}
    # The config.json of a run holds the absolute path.
    folder = make_run("resnet18", given={**faces, "split_seed": 2})
    for name in (faces["data_dir"], "faces", "link", "../" + tmp_path.name + "/faces"):
        origin = start(folder, dataset="folder", data_dir=name).origin
        assert any("another cut of the same data set" in line for line in origin), name
    other = start(folder, dataset="folder", data_dir="faces2").origin
    assert not any("another cut" in line for line in other)


def test_a_run_from_a_run_resumes_without_it_and_says_where_it_came_from(
    make_run: MakeRun, tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    made = make_run("base_cnn", spec=dataclasses.replace(GREY, size=32))
    first, second = Path(shutil.copytree(made, tmp_path / "first")), tmp_path / "second"
    given: dict[str, Any] = dict(schedule="constant", normalization="weights")
    run_train(tiny_config(second, **given, pretrained=str(first), epochs=1))
    shutil.rmtree(first)
    report = run_train(tiny_config(second, **given, pretrained=str(first), epochs=2, resume=True))
    origin = report["protocol"]["weights' origin"]
    assert origin[0].startswith(f"run {first}: base_cnn trained on synthetic")
    assert "outputs kept, by name: anger, fear, happiness, neutral" in origin
    assert "outputs new, at random: disgust, sadness, surprise" in origin
    assert "mean 0.5, deviation 0.25" in report["protocol"]["input"]
    assert load_run(second, "last").epoch == 2
    again = run_evaluate(EvalConfig(workdir=str(second), progress=False))
    assert again["protocol"]["weights' origin"] == origin
    # Chains are kept, the latest first.
    task = prepare_task(tiny_config(tmp_path / "third", **given, pretrained=str(second)))
    assert task.initial_weights
    assert task.spec == load_run(second).spec
    assert "outputs new, at random" not in " ".join(task.initial_weights.origin[:3])
    assert task.initial_weights.origin[3:] == (
        *(f"before that: {line}" for line in origin[:-1]),
        "before that: random initialisation",
    )
