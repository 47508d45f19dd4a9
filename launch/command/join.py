"""Flags of multi-process runs (--distributed, --coordinator)."""

from absl import flags

from ferjax.errors import UserError

BY_HAND = ("coordinator", "num_processes", "process_id")

flags.DEFINE_boolean(
    "distributed",
    False,
    "Run in several processes, started by srun, mpirun, Kubernetes or TPU pods.",
)
flags.DEFINE_string("coordinator", None, "host:port of process 0, for processes started by hand.")
flags.DEFINE_integer("num_processes", None, "Number of processes, with --coordinator.")
flags.DEFINE_integer("process_id", None, "Number of this process from 0, with --coordinator.")
flags.DEFINE_integer("join_seconds", 120, "Seconds to wait for the other processes.")


def join_processes() -> None:
    """Joins this process to the others of its run, if the flags ask for it.

    Raises:
      UserError: flags that do not fit each other, or processes that do not come in time.
    """
    values = flags.FLAGS
    given = [name for name in BY_HAND if values[name].value is not None]
    if not given and not values.distributed:
        return
    if given and "coordinator" not in given:
        raise UserError(f"--{given[0]} also needs --coordinator=host:port.")
    from ferjax.runtime import processes

    processes.join_processes(
        values.coordinator, values.num_processes, values.process_id, values.join_seconds
    )
