"""Writes the golden files of one commit: a run, converted weights and exports, with their numbers.

python tests/runs/golden/make_golden.py COMMIT NAME
    [--parts=run,converted,safetensors,stablehlo,pytorch]

The tree of COMMIT is unpacked into a temporary folder and its own commands are run there, with the
packages of this interpreter. NAME.zip, written beside this script, holds the files; NAME.json says
which commit and which commands made them, with which versions. An archive, because the hooks that
tidy text files before a commit would change what is in it.

A new archive is made where a format changes. Those of earlier commits are never made anew, because
they stand for the files that users have.
"""

import argparse
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FACES = HERE / "faces.npz"
CLASSES = ("anger", "happiness", "sadness")
COUNTS = {"train": 24, "val": 12, "test": 12}
PARTS = ("run", "converted", "safetensors", "stablehlo", "pytorch")
# Enough steps to learn the three classes. Without momentum a checkpoint holds the weights alone.
TRAIN = (
    "--model=base_cnn --dataset=folder --data_dir=faces --workdir=run --image_size=16 --channels=1"
    " --recipe=default --epochs=12 --batch_size=8 --optimizer=sgd --momentum=0 --weight_decay=0"
    " --learning_rate=0.1 --schedule=constant --warmup_epochs=0 --augment=none --seed=3 --dropout=0"
    " --normalization=unit"
)
EXPORT = "--workdir=run --data_dir=faces --out=export --name=golden --format="
# Read by the earlier ferjax: probabilities of all faces, by the selected and the last parameters.
PREDICT = """
import sys, numpy as np
from ferjax.predict import load_predictor
images = np.load("faces.npz")["images"]
found = {which: load_predictor("run", which)(images) for which in ("selected", "last")}
np.savez("run_probabilities.npz", **found)
"""
# The conversion of a small ResNet-18 in torchvision's names, as launch.convert does it.
CONVERT = """
import jax, numpy as np
from pathlib import Path
from ferjax.convert import weights
from ferjax.models.resnet import ResNet18
from ferjax.specs import InputSpec
random = np.random.default_rng(4)
model = ResNet18(num_classes=3, widths=(4, 4, 4, 4))
image = np.tile(np.load("faces.npz")["images"][:4], (1, 2, 2, 3)).astype(np.float32) / 255
abstract = jax.eval_shape(lambda: model.init(jax.random.key(0), image, train=False))
flat = {}
for path, leaf in jax.tree_util.tree_flatten_with_path(abstract)[0]:
    # Few different values make a small archive.
    values = random.standard_normal(leaf.shape).round(1).astype(np.float32)
    name = "/".join(key.key for key in path)
    flat[name] = 1 + values**2 if name.endswith(("/var", "/scale")) else 0.3 * values
tree = {}
for name, value in flat.items():
    *folders, last = name.split("/")
    place = tree
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
logits = model.apply(tree, image, train=False)
spec = InputSpec((32, 32), 32, 3, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
source = {"name": "golden", "kind": "torchvision", "path": "golden.pth", "sha256": "0" * 64,
          "license": None, "citation": None}
weights.save_pretrained(Path("converted"), weights.Pretrained(
    "golden", "resnet18", flat, {"bn_eps": 1e-5}, spec, 3, source, ("made for a test",)))
np.savez("converted_logits.npz", logits=np.asarray(logits))
"""
# The probabilities of an export, read by the earlier ferjax, of its program by jax alone and of its
# module by PyTorch alone.
READ_EXPORT = """
import numpy as np
from pathlib import Path
images = np.load("faces.npz")["images"]
found = {}
if Path("export/golden.safetensors").is_file():
    from ferjax.predict import load_predictor
    found["safetensors"] = load_predictor("export")(images)
if Path("export/golden.stablehlo").is_file():
    from jax import export
    program = export.deserialize(bytearray(Path("export/golden.stablehlo").read_bytes()))
    columns = program.call(images).values()
    found["stablehlo"] = np.stack([np.asarray(column) for column in columns], 1)
if Path("export/golden_network.py").is_file():
    import sys
    import torch
    sys.path.insert(0, "export")
    import golden_network
    found["pytorch"] = golden_network.load()(torch.from_numpy(images)).detach().numpy()
np.savez("export_probabilities.npz", **found)
"""
SNIPPETS = {
    PREDICT: "-c PREDICT of make_golden.py",
    CONVERT: "-c CONVERT of make_golden.py",
    READ_EXPORT: "-c READ_EXPORT of make_golden.py",
}
# What nothing is read from: pages, pictures and examples.
_LEFT_OUT = (".png", ".html", ".md", ".lock", ".py", ".pyc", "__pycache__")
# The module of --format=pytorch, which is no example.
_MODULE = "golden_network.py"


def main() -> None:
    """Makes the folder of one commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("name")
    parser.add_argument("--parts", default="run", help=f"of {', '.join(PARTS)}")
    given = parser.parse_args()
    parts = given.parts.split(",")
    out = HERE / f"{given.name}.zip"
    if out.exists():
        sys.exit(f"{out} exists: golden files are not made anew")
    if not FACES.is_file():
        draw_faces()
    with tempfile.TemporaryDirectory() as folder:
        work, commands = Path(folder), []
        tree = subprocess.check_output(["git", "archive", given.commit], cwd=ROOT)
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(work / "tree", filter="data")
        shutil.copy(FACES, work)
        write_faces(work / "faces")

        def run(*arguments: str) -> None:
            environment = {**os.environ, "PYTHONPATH": str(work / "tree"), "JAX_PLATFORMS": "cpu"}
            environment.pop("JAX_NUM_CPU_DEVICES", None)
            subprocess.run([sys.executable, *arguments], cwd=work, env=environment, check=True)
            what = SNIPPETS.get(arguments[1]) or " ".join(arguments)
            commands.append(f"python {what}")

        formats = [part for part in PARTS[2:] if part in parts]
        if "run" in parts or formats:
            run("-m", "launch.train", *TRAIN.split())
        if "run" in parts:
            run("-c", PREDICT)
        if "converted" in parts:
            run("-c", CONVERT)
        if formats:
            run("-m", "launch.export", *f"{EXPORT}{','.join(formats)}".split())
            run("-c", READ_EXPORT)
        kept = work / "kept"
        kept.mkdir()
        for name in ("run", "converted", "export"):
            if (work / name).is_dir() and (name != "run" or "run" in parts):
                shutil.copytree(work / name, kept / name, ignore=_unneeded)
        for path in work.glob("*_*.npz"):
            shutil.copy(path, kept)
        shutil.make_archive(str(out.with_suffix("")), "zip", kept)
    text = json.dumps(facts(given.commit, commands), indent=1)
    out.with_suffix(".json").write_text(f"{text}\n")


def facts(commit: str, commands: list[str]) -> dict[str, object]:
    """Returns commit, date, commands and versions."""
    log = ["git", "log", "-1", "--format=%H %cs", commit]
    full, date = subprocess.check_output(log, cwd=ROOT, text=True).split()
    packages = ("jax", "jaxlib", "flax", "orbax-checkpoint", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"commit": full, "date": date, "commands": commands, "versions": versions}


def draw_faces() -> None:
    """Writes grey images whose class can be learned: a bright bar at one of three angles."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16] - 7.5
    labels = np.concatenate([np.arange(count) % len(CLASSES) for count in COUNTS.values()])
    angles = labels * np.pi / 3 + random.normal(0, 0.15, len(labels))
    distance = rows * np.cos(angles)[:, None, None] + columns * np.sin(angles)[:, None, None]
    bar = 60 + 140 * (np.abs(distance - random.normal(0, 1, (len(labels), 1, 1))) < 2)
    images = np.clip(bar + 8 * random.integers(-3, 4, bar.shape), 0, 255).astype(np.uint8)
    splits = np.repeat(list(COUNTS), list(COUNTS.values()))
    np.savez_compressed(FACES, images=images[..., None], labels=labels, splits=splits)


def write_faces(folder: Path) -> None:
    """Writes the faces as a data set of class folders."""
    with np.load(FACES) as faces:
        rows = zip(faces["images"], faces["labels"], faces["splits"], strict=True)
        for number, (image, label, split) in enumerate(rows):
            path = folder / str(split) / CLASSES[label] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)


def _unneeded(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(_LEFT_OUT) and name != _MODULE]


if __name__ == "__main__":
    main()
