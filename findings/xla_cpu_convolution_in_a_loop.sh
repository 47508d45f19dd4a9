#!/usr/bin/env bash
# On a CPU, XLA computes a convolution inside a loop by another, far slower kernel than outside.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

echo "Expected: eight training steps in one lax.scan take about the processor time of eight calls."
echo "Seen: they take many times as long, although both give the same numbers; with unroll=8, which"
echo "leaves no loop in the program, they do not."
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import resource
import sys

import jax
import jax.numpy as jnp
from jax import lax

STEPS = 8


def loss(kernel, images):
    maps = lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jnp.square(jax.nn.relu(maps)).mean()


def step(kernel, images):
    return kernel - 0.1 * jax.grad(loss)(kernel, images)


one_step = jax.jit(step)


def calls(kernel, batches):
    for k in range(STEPS):
        kernel = one_step(kernel, batches[k])
    return kernel


def scan_of(unroll):
    def scan(kernel, batches):
        carry = lambda kernel, images: (step(kernel, images), None)
        return lax.scan(carry, kernel, batches, unroll=unroll)[0]

    return jax.jit(scan)


def processor_seconds(function, *arguments):
    before = resource.getrusage(resource.RUSAGE_SELF)
    jax.block_until_ready(function(*arguments))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


print(f"  jax {jax.__version__}")
kernel = 0.1 * jax.random.normal(jax.random.key(0), (3, 3, 32, 32))
batches = jax.random.normal(jax.random.key(1), (STEPS, 16, 24, 24, 32))
seconds, results = {}, {}
for name, function in {"calls": calls, "scan": scan_of(1), "unrolled": scan_of(STEPS)}.items():
    results[name] = jax.block_until_ready(function(kernel, batches))  # compiles
    seconds[name] = min(processor_seconds(function, kernel, batches) for _ in range(3))
    print(f"  {name}: {seconds[name]:.3f} s of processor time")
same = all(jnp.allclose(results["calls"], found, atol=1e-5) for found in results.values())
ratio, unrolled = (seconds[name] / seconds["calls"] for name in ("scan", "unrolled"))
print(f"  same numbers: {same}; scan {ratio:.0f} times the calls, unrolled {unrolled:.1f} times")
sys.exit(0 if same and ratio > 4 and unrolled < 2 else 1)
PYTHON
