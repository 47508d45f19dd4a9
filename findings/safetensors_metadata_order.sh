#!/usr/bin/env bash
# safetensors 0.8.0 writes metadata with several keys in another order at each call: other bytes for
# the same content, even within one process.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import hashlib
import sys

import numpy as np
import safetensors
from safetensors.numpy import save

CALLS = 40


def files(tensors, keys):
    """Returns how many different files the same call gives."""
    arrays = {f"tensor{i}": np.full(2, i, np.float32) for i in range(tensors)}
    metadata = {f"key{i}": str(i) for i in range(keys)}
    return len({hashlib.sha256(save(arrays, metadata)).hexdigest() for _ in range(CALLS)})


print(f"  safetensors {safetensors.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
print(f"  different files of {CALLS} calls of save with equal arguments:")
found = {(tensors, keys): files(tensors, keys) for tensors, keys in ((12, 0), (12, 1), (1, 5), (12, 5))}
for (tensors, keys), number in found.items():
    print(f"    {tensors:2} tensors, {keys} keys of metadata: {number}")
as_known = found[12, 0] == found[12, 1] == 1 and found[1, 5] > 5 and found[12, 5] > 5
sys.exit(not as_known)
PYTHON
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.3.5
echo "Expected: the same tensors and metadata give the same bytes, as tensors alone do; a checksum of"
echo "  the file then says whether the content is the same."
echo "Seen:"
"$folder/env/bin/python" "$folder/check.py" || { echo "It is no longer as described."; exit 1; }
