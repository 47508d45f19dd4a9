"""The network of an export."""

import jax.numpy as jnp

from ferjax.export.exported_network import in_float32
from ferjax.models.registry import create_model
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.specs import InputSpec


def test_a_network_of_bfloat16_is_exported_in_float32() -> None:
    spec = InputSpec((48, 48), 48, 1, (0.5,), (0.5,))
    fields = {"dropout": 0.1, "dtype": "bfloat16"}
    model = create_model("cnn3", 7, **fields)
    run = in_float32(LoadedRun(model, {}, spec, ("a",) * 7, 0, 0, {"fields": fields}))
    assert run.model == create_model("cnn3", 7, dropout=0.1)
    assert run.meta["fields"] == {"dropout": 0.1}
    assert jnp.dtype(model.dtype) == jnp.bfloat16
    assert in_float32(run) is run
