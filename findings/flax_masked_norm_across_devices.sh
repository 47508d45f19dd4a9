#!/usr/bin/env bash
# Flax's BatchNorm with mask and axis_name averages the devices' means, not the images'.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys

import flax
import jax
import numpy as np
from flax import linen as nn
from jax.sharding import PartitionSpec as P

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
print(f"flax {flax.__version__}, jax {jax.__version__}, {jax.device_count()} CPU devices")

BATCH = 8
images = np.random.default_rng(0).normal(2.0, 1.0, (BATCH, 3)).astype(np.float32)
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def statistics(axis_name, mask):
    """Returns mean and variance [3] that one training step leaves (momentum 0: of this batch)."""
    norm = nn.BatchNorm(use_running_average=False, momentum=0.0, axis_name=axis_name)
    variables = nn.BatchNorm(use_running_average=False).init(jax.random.key(0), images)

    def step(x, m):
        return norm.apply(variables, x, mask=m, mutable=["batch_stats"])[1]["batch_stats"]

    if axis_name:  # one program for each device, as with pmap: this is what axis_name is for
        split = P("data")
        step = jax.shard_map(step, mesh=mesh, in_specs=(split, split), out_specs=P())
    left = jax.jit(step)(images, mask)
    return np.stack([left["mean"], left["var"]])


right, off, nans = {}, {}, {}
for valid in (8, 5, 4):  # the last batch of an epoch is padded to 8
    mask = np.arange(BATCH)[:, None] < valid
    exact = np.stack([images[:valid].mean(0), images[:valid].var(0)])
    one = statistics(None, mask)
    two = statistics("data", mask)
    right[valid] = np.abs(one - exact).max() < 1e-5
    off[valid], nans[valid] = float(np.abs(two - exact).max()), bool(np.isnan(two).all())
    shares = f"{min(valid, 4)} + {max(valid - 4, 0)}"
    print(f"\n{valid} of 8 rows hold images ({shares} on the two devices): mean, then variance")
    for name, rows in (("exact", exact), ("one program", one), ("axis_name='data'", two)):
        print(f"  {name:18}{rows[0].round(3)} {rows[1].round(3)}")
as_known = all(right.values()) and off[8] < 1e-5 and off[5] > 0.1 and nans[4]
sys.exit(0 if as_known else 1)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

echo "Expected: with axis_name, which combines the batch statistics of several devices, the masked"
echo "statistics are those of all images, as in one program over both devices (plain jit)."
echo "Seen: the devices' own means are averaged with equal weight. One image on a device counts as"
echo "much as four on another; a device that holds only padding makes the statistics of all NaN."
"$folder/venv/bin/python" "$folder/check.py"
