"""Names that users register: found beside ferjax's own, which they cannot replace."""

from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import ferjax
from ferjax.config.registered_names import KINDS, register, registered
from ferjax.data.dataset_table import DATASETS
from ferjax.data.registry import dataset_entries
from ferjax.models.registry import all_models, model_entry
from ferjax.runs.task import prepare_task


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives every test empty registries."""
    empty: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    monkeypatch.setattr("ferjax.config.registered_names._REGISTERED", empty)


def test_a_registered_name_is_taken_by_the_config_and_its_recipe() -> None:
    ferjax.register_model("mine", lambda num_classes: None, image_size=40, recipe={"epochs": 3})
    ferjax.register_loss("mine", lambda *_, **__: None)  # type: ignore[arg-type]
    config = ferjax.resolve({"model": "mine", "dataset": "synthetic", "loss": "mine"})
    assert (config.image_size, config.epochs, config.loss) == (40, 3, "mine")
    assert "mine" in all_models()
    with pytest.raises(ferjax.UserError, match=r"unknown --optimizer 'mine'"):
        ferjax.resolve({"model": "mine", "dataset": "synthetic", "optimizer": "mine"})


class Bare(nn.Module):
    """A network without the fields that flags set."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits [B, K]."""
        return nn.Dense(self.num_classes, name="head")(x.mean((1, 2)))


def test_a_network_takes_what_its_registration_and_the_flags_give_it() -> None:
    with pytest.raises(ferjax.UserError, match=r"the network mine takes no dropout\. Add"):
        ferjax.register_model("mine", Bare, fields=("dropout",))
    with pytest.raises(ferjax.UserError, match="the network mine takes no num_classes"):
        ferjax.register_model("mine", lambda classes: Bare(classes))
    with pytest.raises(ferjax.UserError, match=r"unknown setting 'momentun'.*Did you mean 'moment"):
        ferjax.register_model("mine", Bare, recipe={"momentun": 0.1})
    assert "mine" not in all_models()
    ferjax.register_model("mine", Bare)
    with pytest.raises(ferjax.UserError, match=r"mine takes no dtype \(--precision=bf16 sets it"):
        ferjax.create_model("mine", 3, dtype="bfloat16")
    ferjax.register_model("mine", lambda num_classes, **_: Bare(num_classes), fields=("dropout",))
    assert ferjax.create_model("mine", 3, dtype="bfloat16", dropout=0.1) == Bare(3)


def test_a_registered_data_set_is_loaded_like_any_other() -> None:
    images, labels = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2

    def load(path: None, *, storage_size: int, val_fraction: float, **_: Any) -> Any:
        return ferjax.bundle_from_arrays(("a", "b"), (images, labels), val_fraction=val_fraction)

    ferjax.register_dataset("mine", load, on_disk=False)
    bundle = ferjax.load_dataset("mine", val_fraction=0.25)
    assert {name: len(split) for name, split in bundle.splits.items()} == {"train": 30, "val": 10}
    assert "mine" in dataset_entries()
    with pytest.raises(ferjax.UserError, match=r"--data_dir=x: mine is drawn, not read"):
        ferjax.load_dataset("mine", "x")


@pytest.mark.parametrize("option", ["limit", "image_size", "seed", "num_clases"])
def test_an_option_that_no_run_passes_on_is_refused(option: str) -> None:
    with pytest.raises(ferjax.UserError, match=f"unknown option of mine '{option}'"):
        ferjax.register_dataset("mine", lambda path, **_: None, options=(option,))  # type: ignore[arg-type]
    assert "mine" not in dataset_entries()


def test_every_option_of_ferjaxs_own_data_sets_may_be_registered() -> None:
    for entry in DATASETS.values():
        ferjax.register_dataset("mine", entry.load, options=entry.options)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"test": 8}, "has no train and no val images, only test"),
        ({"train": 8, "test": 8}, "has no val images, only train, test"),
        ({"train": 8, "val": 0}, "has no val images, only train"),
    ],
)
def test_a_run_needs_images_to_learn_from_and_to_select_by(
    sizes: dict[str, int], words: str
) -> None:
    splits = {
        name: ferjax.split_from_arrays(
            name, np.zeros((size, 16, 16), np.uint8), np.zeros(size, np.int32)
        )
        for name, size in sizes.items()
    }
    bundle = ferjax.DatasetBundle(splits, ("a", "b"), "mine", dict.fromkeys(splits, "mine"))
    ferjax.register_dataset("mine", lambda path, **_: bundle, on_disk=False)
    config = ferjax.resolve({"model": "base_cnn", "dataset": "mine", "image_size": 16})
    with pytest.raises(ferjax.UserError, match=f"--dataset=mine {words}"):
        prepare_task(config)


@pytest.mark.parametrize("name", ["resnet18", "two words", ""])
def test_own_and_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ferjax.UserError, match="model"):
        ferjax.register_model(name, lambda num_classes: None)


def test_a_name_may_be_registered_again_and_the_view_cannot_be_changed() -> None:
    register("loss", "mine", 1, ())
    register("loss", "mine", 2, ())
    assert registered("loss")["mine"] == 2
    with pytest.raises(TypeError):
        registered("loss")["mine"] = 3  # type: ignore[index]


def test_an_unknown_name_says_how_to_register_one() -> None:
    with pytest.raises(ferjax.UserError, match=r"Did you mean 'resnet18'.*--import=MODULE"):
        model_entry("resnet19x"[:8])
