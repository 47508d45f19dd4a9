"""Name the emotions of faces with an ONNX file and OpenVINO; ferjax is not needed.

    pip install openvino numpy pillow
    python use_openvino.py NAME.onnx FACES [FACES ...] [--save=OUT.json] [--time]

FACES are image files, one face each, or arrays of faces, uint8 [N, H, W, C], in .npy files.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def load(file: str) -> tuple[tuple[int, int, int], Callable[[np.ndarray], dict[str, np.ndarray]]]:
    """Returns (H, W, C) of the faces, and a function uint8 [N, H, W, C] -> {emotion: float [N]}."""
    import openvino

    model = openvino.Core().read_model(file)
    # The default is bfloat16 where the processor has it: probabilities change by up to 0.1.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", precision)
    emotions = json.loads(model.get_rt_info(["framework", "classes"]).astype(str))

    def probabilities(faces: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(emotions, compiled(faces)["probabilities"].T, strict=True))

    height, width, channels = (side.get_length() for side in list(model.input(0).partial_shape)[1:])
    return (height, width, channels), probabilities


# From here on all use_*.py are the same.
BATCH = 64


def read_faces(name: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns uint8 [N, H, W, C] of an image file or of an array in a .npy file."""
    height, width, channels = shape
    if name.endswith(".npy"):
        faces = np.load(name, allow_pickle=False)
        faces = faces[..., None] if faces.ndim == 3 else faces
        # A network for RGB sees grey faces as three equal channels.
        repeated = faces.ndim == 4 and (faces.shape[-1], channels) == (1, 3)
        faces = np.repeat(faces, 3, -1) if repeated else faces
        if faces.dtype != np.uint8 or faces.shape[1:] != shape:
            sizes = ", ".join(map(str, shape))
            raise ValueError(f"{faces.dtype} {list(faces.shape)}, expected uint8 [N, {sizes}]")
        return faces
    from PIL import Image, ImageOps

    with Image.open(name) as image:
        face = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    if face.size != (width, height):
        face = face.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(face).reshape(1, height, width, channels)


def milliseconds(run: Callable[[np.ndarray], object], faces: np.ndarray, size: int) -> float:
    """Returns the median time of a call with `size` faces, after two that are not counted."""
    batch = np.resize(faces, (size, *faces.shape[1:]))
    times: list[float] = []
    while len(times) < 7 or (sum(times) < 0.5 and len(times) < 200):
        start = time.perf_counter()
        run(batch)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[2:])


def use(file: str, function: Callable, *arguments: object) -> Any:
    """Returns the result of the function; ends the script with one sentence if it fails."""
    if not Path(file).is_file():
        problem = "is a folder, and a file is expected" if Path(file).is_dir() else "no such file"
        sys.exit(f"error: {file}: {problem}")
    try:
        return function(file, *arguments)
    except ImportError as error:
        sys.exit(f"error: {error}; the head of {Path(__file__).name} says what to install")
    except Exception as error:  # every library has its own types of errors
        reason = " ".join(str(error).split())
        sys.exit(f"error: {file} cannot be read ({type(error).__name__}: {reason})")


def main() -> None:
    """Prints the probabilities of each face, or saves them with --save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="the exported network")
    parser.add_argument("faces", nargs="+", help="image files, or .npy files of uint8 arrays")
    parser.add_argument("--save", help="JSON file for the probabilities")
    parser.add_argument("--time", action="store_true", help="measure batches of 1 and 64")
    options = parser.parse_args()
    shape, run = use(options.file, load)
    faces_by_file = {name: use(name, read_faces, tuple(shape)) for name in options.faces}
    names = [
        f"{name}[{row}]" if name.endswith(".npy") else name
        for name in options.faces
        for row in range(len(faces_by_file[name]))
    ]
    faces = np.concatenate([faces_by_file[name] for name in options.faces])
    parts = [run(faces[first : first + BATCH]) for first in range(0, len(faces) or 1, BATCH)]
    columns = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    times = {n: milliseconds(run, faces, n) for n in (1, 64)} if options.time else None
    if options.save:
        result = {"faces": names, "probabilities": columns, "milliseconds": times}
        try:
            Path(options.save).write_text(json.dumps(result), "utf-8")
        except OSError as error:
            sys.exit(f"error: --save={options.save} cannot be written ({error.strerror})")
        print(f"{options.save}: probabilities of {len(faces)} face{'s' * (len(faces) != 1)}")
    else:
        for row, name in enumerate(names):
            ranked = sorted(columns, key=lambda emotion: -columns[emotion][row])
            texts = [f"{emotion} {columns[emotion][row]:.4f}" for emotion in ranked]
            print(f"{name}: {', '.join(texts)}")
    if times:
        print(f"{times[1]:.2f} ms for one face, {times[64]:.2f} ms for 64", file=sys.stderr)


if __name__ == "__main__":
    main()
