#!/usr/bin/env bash
# safetensors 0.8.0 saves a transposed NumPy array with its values in other places, silently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

print(f"\nsafetensors {safetensors.__version__}, numpy {np.__version__}")
random = np.random.default_rng(0)
# PyTorch's layouts turned into those of Flax, as every converter of weights does it.
kernels = {
    "convolution, OIHW to HWIO": random.random((4, 3, 5, 5), np.float32).transpose(2, 3, 1, 0),
    "dense, OI to IO": random.random((7, 16), np.float32).T,
}
file = Path(sys.argv[1]) / "weights.safetensors"
# The file's order is that of the values, whatever strides the array has in memory.
save_file(kernels, file)
loaded = load_file(file)
found = []
for name, kernel in kernels.items():
    again = loaded[name]
    same_face = again.shape == kernel.shape and again.dtype == kernel.dtype
    same_values = np.array_equal(np.sort(again, None), np.sort(kernel, None))
    right = np.array_equal(again, kernel)
    moved = np.mean(again != kernel)
    layout = "Fortran" if kernel.flags.f_contiguous else "permuted"
    print(
        f"  {name} ({layout} order): shape and dtype kept: {same_face}; the same values when"
        f" sorted: {same_values}; the same array: {right} ({moved:.0%} of the places differ)"
    )
    found.append((same_face, same_values, right))
save_file({name: np.ascontiguousarray(kernel) for name, kernel in kernels.items()}, file)
copies = all(np.array_equal(load_file(file)[name], kernel) for name, kernel in kernels.items())
print(f"  after np.ascontiguousarray, the same arrays: {copies}")
wanted = (True, True, sys.argv[2] == "right")
sys.exit(0 if copies and found == [wanted, wanted] else 1)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }

echo "Expected: what load_file returns equals what save_file was given, or save_file refuses it"
echo "(safetensors.torch raises ValueError for a tensor that is not contiguous)."
echo "Seen: 0.7.0 keeps the arrays. 0.8.0 writes the memory as it lies and the transposed shape"
echo "beside it: names, shapes, dtypes, sums and norms agree, and the network is scrambled."
install numpy==2.4.6 safetensors==0.7.0
"$folder/venv/bin/python" "$folder/check.py" "$folder" right
install safetensors==0.8.0
"$folder/venv/bin/python" "$folder/check.py" "$folder" wrong
