#!/usr/bin/env bash
# Inside a loop XLA copies whole arrays at every turn, unless each block is written before the next is computed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

ROWS, COLUMNS, BLOCK = 4096, 2048, 64


def read(array, i):
    return jax.lax.dynamic_slice_in_dim(array, i * BLOCK, BLOCK, 0)


def write(array, block, i):
    return jax.lax.dynamic_update_slice_in_dim(array, block, i * BLOCK, 0)


def whole(state, gradient):
    """Momentum: velocity and weights, as one expression over the whole arrays."""
    weights, velocity = state
    velocity = 0.9 * velocity + 0.1 * gradient
    return weights - 0.1 * velocity, velocity


def compute_then_write(state, gradient):
    """The same in blocks; both blocks are computed, then both are written."""

    def body(i, state):
        weights, velocity = state
        moved = 0.9 * read(velocity, i) + 0.1 * read(gradient, i)
        changed = read(weights, i) - 0.1 * moved
        return write(weights, changed, i), write(velocity, moved, i)

    return jax.lax.fori_loop(0, ROWS // BLOCK, body, state)


def write_then_read(state, gradient):
    """The same in blocks; the velocity is written, and read again for the weights."""

    def body(i, state):
        weights, velocity = state
        velocity = write(velocity, 0.9 * read(velocity, i) + 0.1 * read(gradient, i), i)
        weights = write(weights, read(weights, i) - 0.1 * read(velocity, i), i)
        return weights, velocity

    return jax.lax.fori_loop(0, ROWS // BLOCK, body, state)


def start():
    random = np.random.default_rng(0)
    return tuple(jnp.asarray(random.random((ROWS, COLUMNS), np.float32)) for _ in range(2))


gradient = jnp.ones((ROWS, COLUMNS))
print(f"\njax {jax.__version__}, {jax.default_backend()}; two arrays of 34 MB, {ROWS // BLOCK} blocks")
seconds, temporary, results = {}, {}, {}
for function in (whole, compute_then_write, write_then_read):
    name = function.__name__
    program = jax.jit(function, donate_argnums=0).lower(start(), gradient).compile()
    state = jax.block_until_ready(program(start(), gradient))
    results[name] = [np.asarray(array) for array in state]
    before = time.process_time()
    for _ in range(3):
        state = jax.block_until_ready(program(state, gradient))
    seconds[name] = (time.process_time() - before) / 3
    temporary[name] = program.memory_analysis().temp_size_in_bytes
    print(
        f"  {name}: {1e3 * seconds[name]:.0f} ms of processor time,"
        f" {temporary[name] / 1e6:.1f} MB of temporary memory"
    )
same = all(
    np.allclose(a, b, rtol=1e-5)
    for name in ("compute_then_write", "write_then_read")
    for a, b in zip(results[name], results["whole"])
)
print(f"  the same numbers: {same}")
slower = seconds["compute_then_write"] / seconds["write_then_read"]
print(f"Expected: both loops take about as long, in place. Seen: the first takes {slower:.0f} times as long.")
as_described = same and slower > 10 and temporary["compute_then_write"] >= 33e6 > 1e6 > temporary["write_then_read"]
sys.exit(not as_described)
PYTHON
echo "A loop updates two donated arrays block by block; what differs is only when the first block is written."
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
if JAX_PLATFORMS=cpu "$folder/environment/bin/python" "$folder/check.py"; then
  echo "XLA copies an array whenever a block of it was read and is not written yet, at every turn of the loop."
else
  echo "This has changed."
  exit 1
fi
