"""Flags equal the fields of the config: names, defaults and help; parsing; --list and --help."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from absl import flags

import launch.train
from ferjax.config.fields import field_type, is_per_phase
from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import dataset_entries
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.errors import UserError
from ferjax.models.registry import MODELS
from ferjax.recipes import RECIPES, resolve
from launch.command.catalogue import catalogue
from launch.command.flags import given_flags

FLAGS = flags.FLAGS
FIELDS = dataclasses.fields(TrainConfig)
ROOT = Path(launch.train.__file__).parents[1]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    FLAGS.unparse_flags()
    yield
    FLAGS.unparse_flags()


@pytest.mark.parametrize("field", FIELDS, ids=[field.name for field in FIELDS])
def test_every_field_has_its_flag(field: dataclasses.Field) -> None:
    flag = FLAGS[field.name]
    default = None if field.default in ((), "") else field.default
    # A comma list is text, because absl has no flag for one or several numbers.
    assert flag.default == (str(default) if is_per_phase(field) else default)
    assert flag.help.startswith(field.metadata["help"])
    for choice in field.metadata["choices"] or ():
        assert str(choice) in flag.help


def test_given_flags_are_those_on_the_command_line() -> None:
    FLAGS(["train"])
    assert given_flags(TrainConfig) == {}
    FLAGS.unparse_flags()
    FLAGS(["train", "--epochs=20", "--noprogress", "--resume", "--seeds=0,1", "--dropout=0.25"])
    given = given_flags(TrainConfig)
    assert given == dict(epochs=20, progress=False, resume=True, seeds=(0, 1), dropout=0.25)
    assert [type(given[field.name]) for field in FIELDS if field.name in given] == [
        field_type(field)[0] for field in FIELDS if field.name in given
    ]


def test_a_comma_list_gives_phases() -> None:
    FLAGS(
        [
            "train",
            "--epochs=5,10",
            "--learning_rate=1e-3,1e-5",
            "--schedule=cosine",
            "--freeze=all_but_head,stem_.*|stage(1|2)_block[0,1]/.{2,}",
        ]
    )
    given = given_flags(TrainConfig)
    assert given == {
        "epochs": (5, 10),
        "learning_rate": (1e-3, 1e-5),
        "schedule": "cosine",
        "freeze": ("all_but_head", "stem_.*|stage(1|2)_block[0,1]/.{2,}"),
    }
    config = resolve(dict(given, model="cnn3", dataset="synthetic"))
    assert [phase.epochs for phase in phases_of(config)] == [5, 10]


@pytest.mark.parametrize(
    ("flag", "kind"),
    [("epochs=5,ten", "integers"), ("epochs=", "integers"), ("learning_rate=fast", "numbers")],
)
def test_phases_of_the_wrong_type_are_refused(flag: str, kind: str) -> None:
    FLAGS(["train", f"--{flag}"])
    with pytest.raises(UserError, match=f"--{flag}: a comma list of {kind}"):
        given_flags(TrainConfig)


def test_a_short_command_line_resolves() -> None:
    FLAGS(["train", "--model=awei", "--dataset=rafdb", "--smoke"])
    config = resolve(given_flags(TrainConfig))
    assert (config.recipe, config.epochs, config.image_size) == ("liu_awei_rafdb", 2, 224)


@pytest.mark.parametrize("text", ["1,x", "1,,2", "", "1.5"])
def test_seeds_are_integers(text: str) -> None:
    FLAGS(["train", f"--seeds={text}"])
    with pytest.raises(UserError, match=r"--seeds=.*comma list of integers"):
        given_flags(TrainConfig)


def test_catalogue_names_all_models_data_sets_recipes_and_protocols() -> None:
    text = catalogue()
    for name in (*MODELS, *dataset_entries(), *RECIPES, *PROTOCOLS):
        assert f"  {name} " in text
    for entry in dataset_entries().values():
        assert all(layout in text for layout in entry.layouts)
        assert entry.source in text


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            "train",
            [
                "--model",
                "--learning_rate",
                "One of: sgd, nesterov, adam,",
                "--[no]resume",
                "--[no]list",
            ],
        ),
        ("evaluate", ["--workdir", "--split", "One of: train, val, test"]),
        ("predict", ["--workdir", "--out", ".csv, .jsonl or .parquet"]),
    ],
)
def test_help(module: str, words: list[str]) -> None:
    command = [sys.executable, "-m", f"launch.{module}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"python -m launch.{module}" in done.stdout
    # Help is wrapped to the terminal's width.
    text = " ".join(done.stdout.split())
    assert all(word in text for word in words), text
