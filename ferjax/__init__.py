"""ferjax: facial-expression recognition in pure-functional JAX.

The names in `__all__` are public and stay; every other module is internal and may move. A public
name is imported when it is first used, so that `import ferjax` is fast and starts no JAX backend.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ferjax.config.tool_configs import EvalConfig
    from ferjax.config.train_config import TrainConfig
    from ferjax.convert.weights import load_pretrained
    from ferjax.data.registry import load_dataset, register_dataset
    from ferjax.data.splits.from_arrays import bundle_from_arrays, split_from_arrays
    from ferjax.data.splits.split import DatasetBundle, Split
    from ferjax.errors import UserError
    from ferjax.experiment import run_evaluate as evaluate
    from ferjax.experiment import run_train as train
    from ferjax.explain import explain, load_explainer
    from ferjax.images.augment import Augment, register_augmentation
    from ferjax.images.augmented_input import augment
    from ferjax.images.preprocess import prepare
    from ferjax.models.own_models import register_model
    from ferjax.models.registry import create_model
    from ferjax.own_loop.data import batches
    from ferjax.own_loop.own_report import write_own_report
    from ferjax.own_loop.run_files import open_run
    from ferjax.own_loop.scores import metrics
    from ferjax.own_loop.state_and_step import init_state, make_train_step, split_logits
    from ferjax.predict import load_predictor
    from ferjax.recipes import resolve
    from ferjax.runs.finished_runs.load_run import load_run
    from ferjax.specs import InputSpec
    from ferjax.training.losses import register_loss
    from ferjax.training.optimizers.optax_optimizers import register_optimizer
    from ferjax.training.state import TrainState
    from ferjax.training.train_step import zero_sums

# Public name → (module that defines it, name in that module).
_PUBLIC = {
    "Augment": ("ferjax.images.augment", "Augment"),
    "DatasetBundle": ("ferjax.data.splits.split", "DatasetBundle"),
    "EvalConfig": ("ferjax.config.tool_configs", "EvalConfig"),
    "InputSpec": ("ferjax.specs", "InputSpec"),
    "Split": ("ferjax.data.splits.split", "Split"),
    "TrainConfig": ("ferjax.config.train_config", "TrainConfig"),
    "TrainState": ("ferjax.training.state", "TrainState"),
    "UserError": ("ferjax.errors", "UserError"),
    "augment": ("ferjax.images.augmented_input", "augment"),
    "batches": ("ferjax.own_loop.data", "batches"),
    "bundle_from_arrays": ("ferjax.data.splits.from_arrays", "bundle_from_arrays"),
    "create_model": ("ferjax.models.registry", "create_model"),
    "evaluate": ("ferjax.experiment", "run_evaluate"),
    "explain": ("ferjax.explain", "explain"),
    "init_state": ("ferjax.own_loop.state_and_step", "init_state"),
    "load_dataset": ("ferjax.data.registry", "load_dataset"),
    "load_explainer": ("ferjax.explain", "load_explainer"),
    "load_predictor": ("ferjax.predict", "load_predictor"),
    "load_pretrained": ("ferjax.convert.weights", "load_pretrained"),
    "load_run": ("ferjax.runs.finished_runs.load_run", "load_run"),
    "make_train_step": ("ferjax.own_loop.state_and_step", "make_train_step"),
    "metrics": ("ferjax.own_loop.scores", "metrics"),
    "open_run": ("ferjax.own_loop.run_files", "open_run"),
    "prepare": ("ferjax.images.preprocess", "prepare"),
    "register_augmentation": ("ferjax.images.augment", "register_augmentation"),
    "register_dataset": ("ferjax.data.registry", "register_dataset"),
    "register_loss": ("ferjax.training.losses", "register_loss"),
    "register_model": ("ferjax.models.own_models", "register_model"),
    "register_optimizer": ("ferjax.training.optimizers.optax_optimizers", "register_optimizer"),
    "resolve": ("ferjax.recipes", "resolve"),
    "split_from_arrays": ("ferjax.data.splits.from_arrays", "split_from_arrays"),
    "split_logits": ("ferjax.own_loop.state_and_step", "split_logits"),
    "train": ("ferjax.experiment", "run_train"),
    "write_own_report": ("ferjax.own_loop.own_report", "write_own_report"),
    "zero_sums": ("ferjax.training.train_step", "zero_sums"),
}

__all__ = [
    "Augment",
    "DatasetBundle",
    "EvalConfig",
    "InputSpec",
    "Split",
    "TrainConfig",
    "TrainState",
    "UserError",
    "augment",
    "batches",
    "bundle_from_arrays",
    "create_model",
    "evaluate",
    "explain",
    "init_state",
    "load_dataset",
    "load_explainer",
    "load_predictor",
    "load_pretrained",
    "load_run",
    "make_train_step",
    "metrics",
    "open_run",
    "prepare",
    "register_augmentation",
    "register_dataset",
    "register_loss",
    "register_model",
    "register_optimizer",
    "resolve",
    "split_from_arrays",
    "split_logits",
    "train",
    "write_own_report",
    "zero_sums",
]


def __getattr__(name: str) -> Any:
    """Returns a public name, imported when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ferjax' has no attribute {name!r}")
    module, name_in_module = _PUBLIC[name]
    value = getattr(import_module(module), name_in_module)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
