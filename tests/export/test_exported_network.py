"""The network of an export."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from ferjax.errors import UserError
from ferjax.export.exported_network import exported_from_weights, in_float32
from ferjax.models.registry import create_model
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.specs import InputSpec
from ferjax.weights.shipped import DEFAULT, find_card


def test_a_network_of_bfloat16_is_exported_in_float32() -> None:
    spec = InputSpec((48, 48), 48, 1, (0.5,), (0.5,))
    fields = {"dropout": 0.1, "dtype": "bfloat16"}
    model = create_model("cnn3", 7, **fields)
    run = in_float32(LoadedRun(model, {}, spec, ("a",) * 7, 0, 0, {"fields": fields}))
    assert run.model == create_model("cnn3", 7, dropout=0.1)
    assert run.meta["fields"] == {"dropout": 0.1}
    assert jnp.dtype(model.dtype) == jnp.bfloat16
    assert in_float32(run) is run


@pytest.mark.parametrize(
    "change",
    [
        {"scores": None},
        {"scores": {}},
        {"parameters": "many"},
        {"licence": ["MIT"]},
        {"speed": {"rows": [{}]}},
    ],
)
def test_a_card_that_its_page_cannot_be_written_of_is_refused(
    change: dict[str, Any], tmp_path: Path
) -> None:
    shipped = find_card(DEFAULT)
    assert shipped is not None
    shutil.copy(shipped.with_suffix(".safetensors"), tmp_path / "mine.safetensors")
    values = {**json.loads(shipped.read_text("utf-8")), **change}
    absent = [key for key, value in change.items() if value is None]
    card = tmp_path / "mine.json"
    card.write_text(json.dumps({key: values[key] for key in values if key not in absent}))
    with pytest.raises(UserError, match=r"mine\.json: a value is missing or does not fit"):
        exported_from_weights(card)


def test_nan_in_the_card_of_an_earlier_version_is_no_value(tmp_path: Path) -> None:
    shipped = find_card("fernet-ferplus")
    assert shipped is not None
    shutil.copy(shipped.with_suffix(".safetensors"), tmp_path)
    card = json.loads(shipped.read_text("utf-8"))
    card["scores"]["accuracy_without_those"] = float("nan")
    (tmp_path / shipped.name).write_text(json.dumps(card))
    network = exported_from_weights(tmp_path)
    assert network.card["scores"]["accuracy_without_those"] is None
