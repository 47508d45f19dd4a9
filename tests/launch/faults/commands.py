"""The commands that faults are given to: small inputs, words, and how the end is recognised."""

import importlib.util
from dataclasses import dataclass

_TINY = ("--dataset=synthetic", "--limit=24", "--batch_size=8", "--progress=false")
_SMALL = ("--model=base_cnn", "--image_size=32", *_TINY)
# Batch norm, dropout, augmentation and an average; saves follow each other without a pause.
_BUSY = ("--model=cnn3", "--image_size=48", "--augment=standard", "--ema=0.9", *_TINY)
_FACES = ("--dataset=folder", "--data_dir={inputs}/faces", "--image_size=32")
_HAS_TORCH = importlib.util.find_spec("torch") is not None


@dataclass(frozen=True)
class Command:
    """A command of `launch`, given in a folder that holds nothing, or what a fault left.

    Attributes:
      module: the entry point.
      words: of the command line; `{inputs}` is the folder of `INPUTS`.
      out: regular expression of the result's names, one of which a message must contain.
      kills: how many of 300 it is given.
      refusal: what a finished result is refused with when the command is given once more: a kill
        may come after the result and before the process has ended.
    """

    module: str
    words: tuple[str, ...]
    out: str
    kills: int
    refusal: str = ""


# Made before all others, in this order, in one folder: two runs on the same images.
INPUTS = ("launch.train", (*_SMALL, "--epochs=1", "--seeds=0,1", "--workdir=runs"))
_RUN = "--workdir={inputs}/runs/seed_0"
_EXISTS = "exists already|is not empty|is complete already"

COMMANDS = {
    "train": Command(
        "launch.train",
        (*_BUSY, "--epochs=2", "--save_minutes=0.0001", "--resume", "--workdir=run"),
        "run",
        50,
    ),
    "train, two phases, cached features": Command(
        "launch.train",
        (
            *("--model=fernet_s", "--image_size=32", *_TINY, "--epochs=2,1"),
            *("--freeze=all_but_head,none", "--augment=none", "--feature_cache=on"),
            *("--save_minutes=0.0001", "--resume", "--workdir=run"),
        ),
        "run",
        30,
    ),
    "train, two seeds": Command(
        "launch.train",
        (*_SMALL, "--epochs=1", "--seeds=0,1", "--resume", "--workdir=runs"),
        "runs",
        15,
    ),
    "search": Command(
        "launch.search",
        (*_SMALL, "--epochs=1", "--trials=2", "--sampler=random", "--out=search"),
        "search",
        30,
    ),
    "predict": Command(
        "launch.predict",
        (_RUN, "--out=p.csv", "--summary=p.html", "--annotate=copies", "{inputs}/faces"),
        r"p\.csv|p\.html|copies",
        30,
        _EXISTS,
    ),
    "prepare --audit": Command(
        "launch.prepare",
        (*_FACES, "--audit", "--out=audit"),
        "audit",
        10,
    ),
    "prepare --crops": Command(
        "launch.prepare",
        ("--data_dir={inputs}/faces", "--crops", "--no_face=keep", "--out=crops"),
        "crops(-sheets)?",
        15,
        _EXISTS,
    ),
    "prepare --cache": Command(
        "launch.prepare",
        (*_FACES, "--cache", "--out=cached"),
        "cached",
        10,
    ),
    "convert": Command(
        "launch.convert",
        ("--model=resnet18", "--source={inputs}/resnet18.safetensors", "--out=weights"),
        "weights",
        15,
        _EXISTS,
    ),
    "convert --to=torchvision": Command(
        "launch.convert",
        ("--to=torchvision", "--source={inputs}/converted", "--out=w.safetensors"),
        r"w\.(json|safetensors)",
        10,
        _EXISTS,
    ),
    "export": Command(
        "launch.export",
        (
            _RUN,
            "--name=net",
            f"--format=safetensors,stablehlo{',pytorch' if _HAS_TORCH else ''}",
            "--out=exported",
        ),
        "exported",
        20,
        _EXISTS,
    ),
    "evaluate": Command(
        "launch.evaluate",
        (_RUN, "--dataset=folder", "--data_dir={inputs}/faces", "--out=judged"),
        "judged",
        10,
    ),
    "compare": Command(
        "launch.compare",
        ("--out=compared", "{inputs}/runs/seed_0", "{inputs}/runs/seed_1"),
        "compared",
        5,
        _EXISTS,
    ),
    "explain": Command(
        "launch.explain",
        (_RUN, "--method=gradcam", "--out=maps", "{inputs}/faces/anger"),
        "maps",
        5,
        _EXISTS,
    ),
    "baseline": Command(
        "launch.baseline",
        (
            *("--features=lpq", "--dataset=synthetic", "--limit=24", "--image_size=32"),
            *("--cross_validation=2", "--progress=false", "--workdir=baseline"),
        ),
        "baseline",
        5,
        "this baseline already, finished",
    ),
    "reproduce": Command(
        "launch.reproduce",
        ("--paper=yang", "--smoke", "--seeds=1", "--only=cnn3", "--progress=false", "--out=yang"),
        "yang",
        20,
    ),
}
if importlib.util.find_spec("av"):
    COMMANDS["predict a video"] = Command(
        "launch.predict",
        (_RUN, "--out=v.csv", "--annotate=v.mp4", "{inputs}/clip.mp4"),
        r"v(-persons|-timeline)?\.(csv|mp4|png)",
        10,
        _EXISTS,
    )
# Of the server, which leaves no result: what it answers is held against its answer before.
SERVER_KILLS = 10
