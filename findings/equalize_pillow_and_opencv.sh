#!/usr/bin/env bash
# Pillow's histogram equalisation leaves the brightest level out of its sum, OpenCV's the darkest.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}, numpy {np.__version__}")
SIDE, BACKGROUND = 48, 1400
random = np.random.default_rng(0)
grey = np.clip(random.normal(128, 30, SIDE * SIDE), 1, 254).astype(np.uint8)


def pillow(image):
    return np.asarray(ImageOps.equalize(Image.fromarray(image)))


def difference(a, b):
    return int(np.abs(a.astype(int) - b.astype(int)).max())


seen = {}
for name, level in (("no background", None), ("white background", 255), ("black background", 0)):
    image = grey.copy()
    if level is not None:  # 61 % of the picture, as around a cut-out face
        image[:BACKGROUND] = level
    face = slice(0 if level is None else BACKGROUND, None)
    image = image.reshape(SIDE, SIDE)
    results = {"Pillow": pillow(image), "OpenCV": cv2.equalizeHist(image)}
    print(f"\n{name}: pixels of the face, lowest to highest")
    for library, result in results.items():
        pixels = result.reshape(-1)[face]
        seen[name, library] = (int(pixels.min()), int(pixels.max()))
        print(f"  {library}: {pixels.min()} to {pixels.max()}")
    seen[name] = difference(*results.values())
    print(f"  largest difference of a pixel: {seen[name]}")

# The negative of a picture, equalised, should be the negative of the equalised picture.
image = grey.copy()
image[:BACKGROUND] = 255
image = image.reshape(SIDE, SIDE)
mirrored = {
    "Pillow": difference(pillow(255 - image), 255 - pillow(image)),
    "OpenCV": difference(cv2.equalizeHist(255 - image), 255 - cv2.equalizeHist(image)),
}
print("\nequalise(negative) against negative(equalise), largest difference, white background:")
for name, value in mirrored.items():
    print(f"  {name}: {value}")

white, black = ("white background", "OpenCV"), ("black background", "Pillow")
as_known = (
    seen["no background"] <= 8
    and seen["white background"] > 100
    and seen["black background"] > 100
    and seen[white][1] < 110  # squeezed into the dark end
    and seen[black][0] > 145  # squeezed into the bright end
    and mirrored["Pillow"] > 100
    and mirrored["OpenCV"] > 100
)
sys.exit(0 if as_known else 1)
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  numpy==2.4.6 pillow==12.3.0 opencv-python-headless==4.14.0.94

echo "Expected: two implementations of one textbook method agree up to rounding, and treat black"
echo "and white alike."
echo "Seen: they agree on a face without a background. Around a white one Pillow gives the face"
echo "all levels and OpenCV the darkest 101; around a black one OpenCV gives it all and Pillow the"
echo "brightest 100."
"$folder/venv/bin/python" "$folder/check.py"
