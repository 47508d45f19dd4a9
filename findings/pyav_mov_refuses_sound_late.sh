#!/usr/bin/env bash
# PyAV 18.1.0: a .mov file takes an Opus or FLAC stream from a template, and refuses it only when the first packet is
# written, with "Invalid argument". Whoever copies a video with its sound learns it after the pictures are made.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import io
import sys

import av
import numpy as np


def sound(codec):
    """Returns a Matroska file with a fifth of a second of silence."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=48000)
        stream.layout = "mono"
        for number in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 48000, 960 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    return file


def copied(codec, target):
    """Returns the step at which a copy of the sound into another container fails, or "none"."""
    with av.open(sound(codec)) as original:
        container = av.open(io.BytesIO(), "w", format=target)
        try:
            stream = container.add_stream_from_template(original.streams.audio[0])
        except (ValueError, av.FFmpegError):
            return "the stream is added"
        try:
            for packet in original.demux(original.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    container.mux(packet)
            container.close()
        except av.FFmpegError as error:
            return f"a packet is written: {error.strerror}"
    return "none"


print(f"  PyAV {av.__version__}, libavformat {'.'.join(map(str, av.library_versions['libavformat']))}")
expected = {
    ("libopus", "mov"): "a packet is written: Invalid argument",
    ("flac", "mov"): "a packet is written: Invalid argument",
    ("libopus", "mp4"): "none",
    ("flac", "mp4"): "none",
    ("aac", "mov"): "none",
    ("libopus", "wav"): "the stream is added",
}
found = {}
for codec, target in expected:
    found[codec, target] = copied(codec, target)
    failure = found[codec, target]
    print(f"    {codec:8} into {target}: {'is copied' if failure == 'none' else f'fails when {failure}'}")
sys.exit(found != expected)
PYTHON
echo "Expected: a container that cannot hold a codec refuses the stream when it is added, and the two formats of one"
echo "family, .mov and .mp4, hold the same codecs."
echo "Seen:"
status=0
"$folder/venv/bin/python" "$folder/check.py" || status=1
if [ "$status" = 0 ]; then
  echo "A program that copies sound into .mov must be ready to begin again without it."
else
  echo "This has changed."
fi
exit "$status"
