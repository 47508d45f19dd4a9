"""Multi-process runs (jax.distributed): joining, work of process 0, stopping together."""

import contextlib
import importlib
import itertools
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.experimental import multihost_utils

from ferjax.errors import UserError
from ferjax.runtime.rendezvous import wait_for_all_processes

T = TypeVar("T")

# When a process hangs or its machine dies, the other processes end after this time.
_HEARTBEAT_SECONDS = 10
_SHUTDOWN_SECONDS = 60
_EXIT_SECONDS = 5
# Text of the error when another process is lost; JAX raises several types.
_LOST_PEER = "Gloo|NCCL|[Cc]oordination ?[Ss]ervice|[Cc]onnection|heartbeat"
# How long to wait for process 0: a report on many images takes minutes. The heartbeat shows if
# process 0 has died.
_BROADCAST_MILLISECONDS = 24 * 3600 * 1000
# Numbers of the values that process 0 sends; each value has its own key. All processes make these
# calls in the same order, so their numbers are equal.
_CALLS = itertools.count()
# Numbers of the questions whether all processes stop, which they ask equally often too.
_STOP_QUESTIONS = itertools.count(1)


def join_processes(
    coordinator: str | None, count: int | None, number: int | None, seconds: float = 120
) -> None:
    """Joins this process to the other processes of its run; call it before the first computation.

    Args:
      coordinator: `host:port` of process 0. With None, JAX detects `coordinator`, `count` and
        `number` from Slurm, Open MPI, Kubernetes or TPU machines.
      count: the number of processes.
      number: the number of this process, from 0.
      seconds: how long to wait for the other processes.

    Raises:
      UserError: nothing was detected, the values are impossible, or a process does not connect in
        time.
    """
    if coordinator is None:
        coordinator, count, number = _detect_cluster()
    elif count is None or number is None:
        raise UserError("--coordinator also needs --num_processes and --process_id.")
    if count < 1 or not 0 <= number < count:
        raise UserError(
            f"--process_id={number} with --num_processes={count}: expected 0 to {count - 1}."
        )
    if count == 1:
        return
    wait_for_all_processes(coordinator, count, number, seconds)
    jax.distributed.initialize(
        coordinator,
        num_processes=count,
        process_id=number,
        initialization_timeout=60,
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )


def _detect_cluster() -> tuple[str, int, int]:
    """Returns coordinator, count and number as JAX detects them in the environment."""
    # JAX has no public function for this, and the rendezvous before jax.distributed.initialize
    # needs the values.
    environment = importlib.import_module("jax._src.clusters").ClusterEnv
    detected = environment.auto_detect_unset_distributed_params(None, None, None, None, None, 60)
    coordinator, count, number = detected[:3]
    if coordinator is None or count is None or number is None:
        raise UserError(
            "--distributed: neither Slurm, Open MPI, Kubernetes nor TPU machines were detected."
            " Start the command by srun or mpirun, or give --coordinator=host:port"
            " --num_processes=N --process_id=K."
        )
    return coordinator, count, number


def is_distributed() -> bool:
    """Returns whether this process is one of several processes of a run."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_lost_peer(error: BaseException) -> bool:
    """Returns whether an error means that another process of the run has ended.

    Every exchange of data may raise it, also inside a block that reads or writes files.
    """
    return is_distributed() and re.search(_LOST_PEER, str(error)) is not None


def is_first() -> bool:
    """Returns whether this is process 0, the only one that writes reports and prints messages."""
    return jax.process_index() == 0


def on_first(function: Callable[[], T]) -> T:
    """Calls a function in process 0 and returns its result in all processes; all wait for it.

    Args:
      function: called in process 0 only; returns JSON values.

    Raises:
      UserError: raised in all processes if the function raised it.
    """
    if not is_distributed():
        return function()
    outcome: dict[str, Any] = {}
    if is_first():
        try:
            outcome = {"value": function()}
        except UserError as error:
            outcome = {"error": str(error)}
    outcome = _broadcast_from_first(outcome)
    if "error" in outcome:
        raise UserError(outcome["error"])
    return outcome["value"]


def _broadcast_from_first(value: Any) -> Any:
    # Sent through the coordinator, which waits long enough; an exchange of arrays fails after 30 s.
    client, key = _client(), f"ferjax/{next(_CALLS)}"
    if is_first():
        client.key_value_set(key, json.dumps(value))
        return value
    return json.loads(client.blocking_key_value_get(key, _BROADCAST_MILLISECONDS))


def _client() -> Any:
    return importlib.import_module("jax._src.distributed").global_state.client


def stop_requested(requested_here: bool) -> bool:
    """Returns whether all processes stop now, because one of them got a stop request.

    All processes ask equally often: JAX lets them stop at the question after the latest that any of
    them has asked.

    Args:
      requested_here: whether this process got a stop request other than SIGTERM. In a
        multi-process run JAX handles SIGTERM.
    """
    if not is_distributed():
        return requested_here
    if requested_here:
        os.kill(os.getpid(), signal.SIGTERM)
    return multihost_utils.reached_preemption_sync_point(next(_STOP_QUESTIONS))


def exit_at_once(status: int) -> None:
    """Ends this process at once in a multi-process run; a normal exit would wait for the others.

    It does nothing in a run of one process. Process 0 ends last, because JAX aborts the other
    processes if process 0 is missing; it waits some seconds until they end. Processes that are
    still running notice the end at their next exchange or by the heartbeat.
    """
    if not is_distributed():
        return
    sys.stdout.flush()
    with contextlib.suppress(jax.errors.JaxRuntimeError):
        _wait_until_others_end()
    os._exit(status)


def _wait_until_others_end() -> None:
    """Process 0 waits until the others announce their end; they announce it and return."""
    client, key = _client(), "ferjax/left/{}"
    if not is_first():
        client.key_value_set(key.format(jax.process_index()), "")
        return
    end = time.monotonic() + _EXIT_SECONDS
    for number in range(1, jax.process_count()):
        milliseconds = int(1000 * max(end - time.monotonic(), 0))
        client.blocking_key_value_get(key.format(number), milliseconds)
    # A process takes a short time from its announcement to its exit.
    time.sleep(0.2)
