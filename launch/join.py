"""Flags that join processes into one run, which speaks with one voice."""

from absl import flags

from ferjax.errors import UserError

BY_HAND = ("coordinator", "num_processes", "process_id")

flags.DEFINE_boolean(
    "distributed", False, "Join the processes that srun, mpirun, Kubernetes or TPU pods started."
)
flags.DEFINE_string("coordinator", None, "host:port of process 0, to join processes by hand.")
flags.DEFINE_integer("num_processes", None, "How many processes, with --coordinator.")
flags.DEFINE_integer("process_id", None, "Number of this process from 0, with --coordinator.")
flags.DEFINE_integer("join_seconds", 120, "How long to wait for the other processes.")


def join_processes() -> None:
    """Joins this process to the others of its run, where the flags say so.

    Raises:
      UserError: flags that do not go together, or processes that do not come.
    """
    values = flags.FLAGS
    given = [name for name in BY_HAND if values[name].value is not None]
    if not given and not values.distributed:
        return
    if given and "coordinator" not in given:
        raise UserError(f"--{given[0]} needs --coordinator=host:port beside it.")
    from ferjax.runtime import processes

    processes.join_processes(
        values.coordinator, values.num_processes, values.process_id, values.join_seconds
    )


def say(line: str) -> None:
    """Prints a line, once for all processes of a run."""
    from ferjax.runtime.processes import is_first

    if is_first():
        print(line)
