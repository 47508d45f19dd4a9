"""One trial: a point of the space, trained in a run directory of its own, and what came of it."""

import functools
import gc
import time
from collections.abc import Callable
from typing import Any

import jax

from ferjax.config.phases import total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError, ran_out_of_memory
from ferjax.search.optuna_study import draw, import_optuna
from ferjax.search.search_plan import Search, trial_config
from ferjax.search.search_space import middle
from ferjax.training.loop import Diverged

Train = Callable[..., dict[str, Any]]
Prepare = Callable[[TrainConfig], Any]


def check_settings(search: Search, prepare: Prepare) -> None:
    """Raises `UserError` where not even the middle of the space can be trained."""
    prepare(trial_config(search, middle(search.space), 0))


def run_trial(search: Search, study: Any, trial: Any, train: Train, prepare: Prepare) -> None:
    """Trains at a trial's point, or goes on with it, and tells the study how it ended.

    A trial that cannot be trained counts as failed, with its reason.

    Args:
      search: what is searched.
      study: of `open_study`.
      trial: of `claim`.
      train: `experiment.run_train`.
      prepare: `task.prepare_task`.

    Raises:
      UserError: the settings that all trials share do not work (any more).
      KeyboardInterrupt: stopped by the user; the trial goes on when it is claimed again.
    """
    optuna = import_optuna()
    before, began = trial.user_attrs.get("seconds", 0.0), time.monotonic()
    ending, failure, doubted = {}, None, False
    try:
        config = trial_config(search, draw(trial, search.space), trial.number)
        epochs = total_epochs(config)
        study.pruner = _pruner(search.config.pruner, epochs)
        report = train(config, watch=functools.partial(_watch, trial, epochs))
        ending = {"values": report["results"]["val"]["selected"]["accuracy"]}
    except optuna.TrialPruned:
        ending = {"state": optuna.trial.TrialState.PRUNED}
    except KeyboardInterrupt:
        trial.set_user_attr("starts", trial.user_attrs["starts"] - 1)
        raise
    except UserError as error:
        failure, doubted = str(error), not isinstance(error, Diverged)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        failure = "memory ran out"
    finally:
        trial.set_user_attr("seconds", before + time.monotonic() - began)
        forget_programs()
    if doubted:
        # Where it is not this trial's own values that fail, all others would fail too.
        check_settings(search, prepare)
    if failure:
        trial.set_user_attr("failure", failure)
        ending = {"state": optuna.trial.TrialState.FAIL}
    study.tell(trial, **ending)


def forget_programs() -> None:
    """Frees what a trial compiled: programs of its own, which no other trial uses."""
    jax.clear_caches()
    gc.collect()


def _watch(trial: Any, epochs: int, epoch: int, accuracy: float) -> None:
    """Tells the study of an evaluation, and ends a trial that will come to nothing."""
    # A resumed run may evaluate an epoch again.
    if epoch not in trial.study.trials[trial.number].intermediate_values:
        trial.report(accuracy, epoch)
    if epoch < epochs and trial.should_prune():
        raise import_optuna().TrialPruned


def _pruner(name: str, epochs: int) -> Any:
    """Returns the pruner of a trial of so many epochs, the first quarter of which never count."""
    pruners = import_optuna().pruners
    if name == "none":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 4)
