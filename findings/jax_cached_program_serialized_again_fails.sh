#!/usr/bin/env bash
# A CPU program that JAX's compilation cache gave back can be serialized, but the copy cannot run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/make.py" <<'PYTHON'
import pickle
import sys

import jax
import jax.numpy as jnp
from jax.experimental import serialize_executable

jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
hits = []
jax.monitoring.register_event_listener(lambda event, **_: "cache_hits" in event and hits.append(1))
argument = jnp.arange(12.0).reshape(3, 4)
hits.clear()
compiled = jax.jit(lambda x: jnp.tanh(x @ x.T).sum(0)).lower(argument).compile()
print(f"  jax {jax.__version__}, from the cache: {bool(hits)}, result {compiled(argument)[:2]}", end="", flush=True)
with open(sys.argv[1], "wb") as file:
    pickle.dump(serialize_executable.serialize(compiled), file)
PYTHON
cat > "$folder/use.py" <<'PYTHON'
import pickle
import sys

import jax.numpy as jnp
from jax.experimental import serialize_executable

with open(sys.argv[1], "rb") as file:
    program = serialize_executable.deserialize_and_load(*pickle.load(file))
try:
    result = program(jnp.arange(12.0).reshape(3, 4)).block_until_ready()
except Exception as error:
    print(f"; the copy: {type(error).__name__}: {error}")
    sys.exit(3)
print(f"; the copy: {result[:2]}")
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

echo "Expected: jax.experimental.serialize_executable writes a copy that gives the same result in"
echo "another process, wherever the program came from; or it refuses to write one, as it does for"
echo "programs with constants."
echo "Seen: a copy of a program that XLA compiled in this process runs. A copy of one that the"
echo "persistent compilation cache gave back is written and loaded without a word, and fails when it"
echo "is called: the code of its functions is not in it."
export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$folder/cache"
answers=()
for number in 1 2; do
  "$folder/venv/bin/python" "$folder/make.py" "$folder/program$number"
  if "$folder/venv/bin/python" "$folder/use.py" "$folder/program$number"; then
    answers+=(runs)
  else
    answers+=("fails $?")
  fi
done
[ "${answers[*]}" = "runs fails 3" ]
