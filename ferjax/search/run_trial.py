"""Runs one trial of a search: trains its settings, prunes it, and records how it ended."""

import functools
import gc
import time
from collections.abc import Callable
from typing import Any

import jax

from ferjax.config.phases import total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.errors import DiskError, UserError, ran_out_of_memory
from ferjax.search.optuna_study import import_optuna, suggest_point
from ferjax.search.search_plan import Search, trial_config
from ferjax.search.search_space import middle_point
from ferjax.training.loop import Diverged

Train = Callable[..., dict[str, Any]]
Prepare = Callable[[TrainConfig], Any]


def check_settings(search: Search, prepare: Prepare) -> Any:
    """Returns the task of the middle point of the space, for the first of several networks.

    Raises:
      UserError: one of the networks cannot be trained at this point.
    """
    point = middle_point(search.space)
    points = [{**point, "model": b.model} if "model" in point else point for b in search.bases]
    tasks = [prepare(trial_config(search, candidate, 0)) for candidate in points]
    return tasks[0]


def run_trial(search: Search, study: Any, trial: Any, train: Train, prepare: Prepare) -> None:
    """Trains, or continues, a trial with its settings and records its end in the study.

    A trial that cannot be trained is recorded as failed, with the reason.

    Args:
      search: the search.
      study: from `open_study`.
      trial: from `claim_trial`.
      train: `experiment.run_train`.
      prepare: `experiment.prepare_run`.

    Raises:
      UserError: the settings that all trials share do not work (any more), or the disk is full;
        after a full disk the trial continues when it is claimed again.
      KeyboardInterrupt: stopped by the user; the trial continues when it is claimed again.
    """
    optuna = import_optuna()
    earlier_seconds, started = trial.user_attrs.get("seconds", 0.0), time.monotonic()
    result, failure, settings_suspect = {}, None, False
    try:
        config = trial_config(search, suggest_point(trial, search.space), trial.number)
        epochs = total_epochs(config)
        study.pruner = _build_pruner(search.config.pruner, epochs)
        report = train(config, watch=functools.partial(_report_and_prune, trial, epochs))
        result = {"values": report["results"]["val"]["selected"]["accuracy"]}
    except optuna.TrialPruned:
        result = {"state": optuna.trial.TrialState.PRUNED}
    except (KeyboardInterrupt, DiskError):
        trial.set_user_attr("starts", trial.user_attrs["starts"] - 1)
        raise
    except UserError as error:
        settings_suspect = not isinstance(error, Diverged)
        # The error of a diverged run goes on with advice for a single run; a trial omits it.
        failure = str(error) if settings_suspect else str(error).partition(". ")[0]
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        failure = "memory ran out"
    finally:
        trial.set_user_attr("seconds", earlier_seconds + time.monotonic() - started)
        clear_compiled_programs()
    if settings_suspect:
        # If the shared settings cause the error, all other trials would fail too.
        check_settings(search, prepare)
    if failure:
        trial.set_user_attr("failure", failure)
        result = {"state": optuna.trial.TrialState.FAIL}
    study.tell(trial, **result)


def clear_compiled_programs() -> None:
    """Frees the compiled programs of a trial, which no other trial uses."""
    jax.clear_caches()
    gc.collect()


def _report_and_prune(trial: Any, epochs: int, epoch: int, accuracy: float) -> None:
    """Reports an epoch's val accuracy to the study; raises `TrialPruned` if the pruner says so."""
    # A resumed run may evaluate an epoch again.
    if epoch not in trial.study.trials[trial.number].intermediate_values:
        trial.report(accuracy, epoch)
    if epoch < epochs and trial.should_prune():
        raise import_optuna().TrialPruned


def _build_pruner(name: str, epochs: int) -> Any:
    """Returns the pruner for trials of `epochs` epochs; it never prunes in the first quarter."""
    pruners = import_optuna().pruners
    if name == "none":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 4)
