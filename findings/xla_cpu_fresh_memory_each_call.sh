#!/usr/bin/env bash
# A compiled CPU program of XLA takes its memory from the system at every call, page by page.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import os
import resource

import jax
import jax.numpy as jnp

print(f"  jax {jax.__version__}, {os.confstr('CS_GNU_LIBC_VERSION')},", end=" ")
print(f"GLIBC_TUNABLES={os.environ.get('GLIBC_TUNABLES', '')}")


@jax.jit
def loss_gradient(kernel, images):
    def loss(kernel):
        maps = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.square(jax.nn.relu(maps)).mean()

    return jax.grad(loss)(kernel)


kernel, images = jnp.ones((3, 3, 1, 32)), jnp.ones((128, 48, 48, 1))
for _ in range(3):
    loss_gradient(kernel, images).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    loss_gradient(kernel, images).block_until_ready()
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10
planned = loss_gradient.lower(kernel, images).compile().memory_analysis().temp_size_in_bytes
print(f"  {planned // 4096:,} pages of 4 kB of temporary memory; page faults a call: {faults:,}")
with open(os.environ["ANSWER"], "a") as file:
    file.write(f"{faults} {planned // 4096}\n")
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
grep -q "\[madvise\]" /sys/kernel/mm/transparent_hugepage/enabled || {
  echo "This system gives huge pages to all or to none: nothing to compare."
  exit 0
}

echo "Expected: the temporary memory of a compiled program, whose size XLA knows, stays between calls,"
echo "so that the fourth call meets no new pages; frameworks with a caching allocator do so."
echo "Seen: each call takes it from the system again, a fault for every page. With glibc's setting for"
echo "huge pages, which is read before the process starts, nearly all of the faults are gone."
export ANSWER="$folder/answer" JAX_PLATFORMS=cpu
env -u GLIBC_TUNABLES "$folder/venv/bin/python" "$folder/check.py"
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 "$folder/venv/bin/python" "$folder/check.py"
"$folder/venv/bin/python" - "$folder/answer" <<'PYTHON'
import sys

(plain, pages), (huge, _) = (map(int, line.split()) for line in open(sys.argv[1]))
sys.exit(0 if plain > 0.5 * pages and huge < 0.2 * plain else 1)
PYTHON
