#!/usr/bin/env bash
# orbax-checkpoint 0.12.8 measures the time limit of a save with the wall clock: if the clock is set
# ahead while a checkpoint is written (a machine wakes up, a time server answers), a save of a second
# "times out", and the checkpoint is not there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import logging
import os
import tempfile
import time
from importlib.metadata import version

import jax
import numpy as np
import orbax.checkpoint as ocp

logging.disable(logging.CRITICAL)
HOUR = 3600
real, ahead = time.time, 0
# Stands for the clock of the system, which only an administrator may set.
time.time = lambda: real() + ahead


def save(jump):
    """Saves 400 MB and sets the clock ahead meanwhile; returns what happened, seconds, steps."""
    global ahead
    with tempfile.TemporaryDirectory() as folder:
        manager = ocp.CheckpointManager(folder)
        state = {"w": jax.numpy.asarray(np.random.default_rng(0).random(10**8, np.float32))}
        begun = time.monotonic()
        manager.save(0, args=ocp.args.StandardSave(state))
        ahead += jump
        try:
            manager.wait_until_finished()
            said = "saved"
        except TimeoutError as error:
            said = f"TimeoutError: {error}"
        return said, time.monotonic() - begun, manager.all_steps()


print(f"  orbax-checkpoint {version('orbax-checkpoint')}, jax {jax.__version__}, numpy {np.__version__}")
print(f"  time limit of a save by default: {ocp.AsyncOptions().timeout_secs} s")
found = {}
for name, jump in (("no change", 0), ("an hour ahead", HOUR)):
    found[name] = said, seconds, steps = save(jump)
    print(f"  clock: {name}: {said} It took {seconds:.1f} s; checkpoints: {steps}", flush=True)
usual, jumped = found.values()
as_known = usual[2] == [0] and "timed out after 36" in jumped[0] and jumped[1] < 600 and jumped[2] == []
# A thread of the save that was given up still waits, and would keep the process for minutes.
os._exit(not as_known)
PYTHON
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5
echo "Expected: a save that takes a second is complete, whatever the clock of the day does meanwhile."
echo "Seen:"
"$folder/env/bin/python" "$folder/check.py" 2> "$folder/errors" ||
  { tail -3 "$folder/errors"; echo "It is no longer as described."; exit 1; }
