#!/usr/bin/env bash
# torch.onnx.export writes other kernels under the names of the state dict, in the same shapes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

warnings.simplefilter("ignore")
print(f"\ntorch {torch.__version__}, onnx {onnx.__version__}")
torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)
)
# Statistics and scales as training leaves them.
norm = network[1]
for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
    tensor.uniform_(0.5, 3)
network.eval()
image = torch.rand(1, 3, 8, 8)
state = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def exported(dynamo):
    file = Path(sys.argv[1]) / "network.onnx"
    torch.onnx.export(network, image, file, dynamo=dynamo, external_data=False, verbose=False)
    tensors = onnx.load(file).graph.initializer
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}


found = {}
for dynamo in (True, False):
    arrays = exported(dynamo)
    found[dynamo] = {
        name: np.array_equal(arrays[name], state[name])
        for name in arrays.keys() & state.keys()
        if arrays[name].shape == state[name].shape
    }
    print(f"  dynamo={dynamo}: stored {sorted(arrays)}")
    for name, equal in sorted(found[dynamo].items()):
        print(f"    {name!r}, in the shape of the state dict's: the same values: {equal}")
# What a loader by name makes of it: the kernel is scaled twice.
again = {name: torch.from_numpy(array.copy()) for name, array in exported(True).items()}
with torch.no_grad():
    expected = network(image)
    network.load_state_dict({k: v for k, v in again.items() if k in state}, strict=False)
    error = float((network(image) - expected).abs().max() / expected.abs().max())
print(f"  loaded by name into the same network: outputs off by {error:.0%} of the largest")
wrong = found[True].get("0.weight") is False and "0.weight" not in found[False]
sys.exit(0 if wrong and found[True]["4.weight"] and error > 0.01 else 1)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }

echo "Expected: a tensor with the name and shape of one in the state dict has its values, or another"
echo "name, as dynamo=False gives it (onnx::Conv_12)."
echo "Seen: the default exporter folds the batch norm into the kernel and leaves it the name"
echo "'0.weight'; the dense layer, where nothing is folded, is the state dict's."
install torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2
"$folder/venv/bin/python" "$folder/check.py" "$folder"
