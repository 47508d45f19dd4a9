"""One run in several processes: how they join, what process 0 does for all, how they end."""

import contextlib
import importlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.experimental import multihost_utils

from ferjax.errors import UserError
from ferjax.runtime.rendezvous import meet

T = TypeVar("T")

# A process that hangs or whose machine died ends the others after so long.
_HEARTBEAT_SECONDS = 10
_SHUTDOWN_SECONDS = 60
_LEAVE_SECONDS = 5
# A report of many images takes minutes; a process 0 that has died is noticed by its heartbeat.
_PATIENCE_MILLISECONDS = 24 * 3600 * 1000
# What process 0 tells has a key of its own; all processes come to each call in the same order.
_CALLS = itertools.count()


def join(
    coordinator: str | None, count: int | None, number: int | None, seconds: float = 120
) -> None:
    """Joins this process to the others of its run; call it before anything computes.

    Args:
      coordinator: `host:port` of process 0; with None this and the rest are taken from what started
        the process: Slurm, Open MPI, Kubernetes or a TPU's machines, as JAX detects them.
      count: of processes.
      number: of this one, from 0.
      seconds: to wait for the others.

    Raises:
      UserError: nothing was detected, values that cannot be, or processes that do not come.
    """
    if coordinator is None:
        coordinator, count, number = _detected()
    elif count is None or number is None:
        raise UserError("--coordinator needs --num_processes and --process_id beside it.")
    if count < 1 or not 0 <= number < count:
        raise UserError(
            f"--process_id={number} with --num_processes={count}: expected 0 to {count - 1}."
        )
    if count == 1:
        return
    meet(coordinator, count, number, seconds)
    jax.distributed.initialize(
        coordinator,
        num_processes=count,
        process_id=number,
        initialization_timeout=60,
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )


def _detected() -> tuple[str, int, int]:
    """Returns coordinator, count and number as JAX finds them in the environment."""
    # JAX tells nobody what it detects; but processes that are to meet first must know.
    environment = importlib.import_module("jax._src.clusters").ClusterEnv
    found = environment.auto_detect_unset_distributed_params(None, None, None, None, None, 60)
    coordinator, count, number = found[:3]
    if coordinator is None or count is None or number is None:
        raise UserError(
            "--distributed: neither Slurm, Open MPI, Kubernetes nor TPU machines were detected."
            " Start the command by srun or mpirun, or give --coordinator=host:port"
            " --num_processes=N --process_id=K."
        )
    return coordinator, count, number


def joined() -> bool:
    """Returns whether this process is one of several of a run."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Returns whether this is process 0, which alone writes reports and speaks to the user."""
    return jax.process_index() == 0


def on_first(function: Callable[[], T]) -> T:
    """Returns, in all processes, what process 0's function returns; the others wait for it.

    Args:
      function: called in process 0 alone; returns JSON values.

    Raises:
      UserError: what the function raised, in all processes.
    """
    if not joined():
        return function()
    outcome: dict[str, Any] = {}
    if is_first():
        try:
            outcome = {"value": function()}
        except UserError as error:
            outcome = {"error": str(error)}
    outcome = _told_by_first(outcome)
    if "error" in outcome:
        raise UserError(outcome["error"])
    return outcome["value"]


def _told_by_first(value: Any) -> Any:
    # By the coordinator, which waits as long as it takes; an exchange of arrays gives up in 30 s.
    client, key = _client(), f"ferjax/{next(_CALLS)}"
    if is_first():
        client.key_value_set(key, json.dumps(value))
        return value
    return json.loads(client.blocking_key_value_get(key, _PATIENCE_MILLISECONDS))


def _client() -> Any:
    return importlib.import_module("jax._src.distributed").global_state.client


def asked_to_end(asked_here: bool, step: int) -> bool:
    """Returns whether all processes are to end after this step: one of them was asked to.

    Args:
      asked_here: whether this process was, otherwise than by SIGTERM, which JAX takes for itself
        where processes have joined.
      step: the same in all processes at each call.
    """
    if not joined():
        return asked_here
    if asked_here:
        os.kill(os.getpid(), signal.SIGTERM)
    return multihost_utils.reached_preemption_sync_point(step)


def leave(status: int) -> None:
    """Ends this process at once where others are joined: at exit JAX would wait for them.

    Process 0 goes last, since JAX aborts the others without it: it waits some seconds for those
    that end by themselves. Those that do not notice by their next exchange or by the heartbeat.
    """
    if not joined():
        return
    sys.stdout.flush()
    with contextlib.suppress(jax.errors.JaxRuntimeError):
        _take_leave()
    os._exit(status)


def _take_leave() -> None:
    client, key = _client(), "ferjax/left/{}"
    if not is_first():
        client.key_value_set(key.format(jax.process_index()), "")
        return
    end = time.monotonic() + _LEAVE_SECONDS
    for number in range(1, jax.process_count()):
        left = int(1000 * max(end - time.monotonic(), 0))
        client.blocking_key_value_get(key.format(number), left)
    # From what it said to its exit a process takes no time, but more than none.
    time.sleep(0.2)
