"""What `launch.prepare` does with a data set before training: audit, crops, cache, preview."""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from ferjax.config.tool_configs import PrepareConfig
from ferjax.data.audit.audit_dataset import audit, file_census
from ferjax.data.registry import data_path, dataset_entries, load_dataset
from ferjax.data.splits.split import DatasetBundle
from ferjax.errors import UserError
from ferjax.faces.crop_face import CropPlan
from ferjax.faces.viola_jones import haar_eyes, haar_faces, selection_rule
from ferjax.images.augment import find_augmentation
from ferjax.images.augmented_input import augment
from ferjax.images.preprocess import denormalize
from ferjax.report.figures.contact_sheet import draw_contact_sheets
from ferjax.report.figures.image_grids import draw_batch
from ferjax.report.pages.audit_files import write_audit
from ferjax.report.pages.audit_sections import findings
from ferjax.report.pages.report_files import plain
from ferjax.runtime.random_keys import stream_key
from ferjax.specs import InputSpec
from ferjax.tools.crop_folder import crop_folder

_PREVIEWED = 64


def run_prepare(config: PrepareConfig) -> list[str]:
    """Does one of the four things; returns lines to print, the last of them where the result is.

    Raises:
      UserError: none or several asked for, no such data, a folder that exists, or what the data
        themselves do not allow.
    """
    asked = [name for name in _TASKS if getattr(config, name)]
    if len(asked) != 1:
        flags = ", ".join(f"--{name}" for name in _TASKS)
        raise UserError(f"one of {flags} is expected, found {len(asked)}.")
    if not config.dataset and not (config.crops and config.data_dir):
        raise UserError("--dataset is missing; with --crops --data_dir is enough.")
    what = asked[0]
    out = Path(config.out or f"prepared/{config.dataset or 'faces'}-{what}")
    if what != "cache" and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out={out} holds something already. Nothing was written; give another.")
    return _TASKS[what](config, out)


def _bundle(config: PrepareConfig, cache_dir: Path | None = None) -> DatasetBundle:
    return load_dataset(
        config.dataset,
        config.data_dir,
        image_size=config.image_size,
        on_bad_image=config.on_bad_image,
        cache_dir=cache_dir,
    )


def _audit(config: PrepareConfig, out: Path) -> list[str]:
    """Writes audit.md, audit.json and pictures."""
    bundle = _bundle(config)
    path = data_path(config.dataset, config.data_dir)
    files = file_census(path) if path and path.is_dir() and not any(path.glob("*.csv")) else None
    entry = dataset_entries()[config.dataset]
    with tqdm(total=len(bundle.splits), disable=None if config.progress else True) as bar:

        def progress(name: str) -> None:
            bar.set_description(name)
            bar.update()

        found = audit(config.dataset, bundle, files=files, obtain=entry.source, progress=progress)
    page = write_audit(found, bundle, out)
    return [*findings(plain(found)), str(page)]


def _crops(config: PrepareConfig, out: Path) -> list[str]:
    """Writes the tree of face crops, and beside it a contact sheet of each class."""
    source = data_path(config.dataset, config.data_dir)
    if source is None:
        raise UserError(f"--dataset={config.dataset}: drawn faces need no crops.")
    sheets = out.with_name(f"{out.name}-sheets")
    if sheets.exists():
        raise UserError(f"{sheets} exists already. Nothing was written; give another --out.")
    plan = CropPlan(
        haar_faces(),
        selection_rule(config.rule),
        margin=config.margin,
        eyes=haar_eyes() if config.align else None,
    )
    counts = crop_folder(
        source,
        out,
        plan,
        no_face=config.no_face,
        on_bad_image=config.on_bad_image,
        progress=config.progress,
    )
    pages = draw_contact_sheets(out, sheets)
    return [
        *(f"{count:,} images {decision}" for decision, count in counts.items()),
        f"look at the {len(pages)} contact sheets in {sheets}, list what is no face in"
        f" {out / 'exclude.txt'}; training leaves it out",
        str(out),
    ]


def _cache(config: PrepareConfig, out: Path) -> list[str]:
    """Decodes every image once into memory-mapped stores."""
    bundle = _bundle(config, cache_dir=out)
    lines = [f"{name}: {len(split):,} images of {split.shape}" for name, split in
             bundle.splits.items()]  # fmt: skip
    return [*lines, *bundle.notes, f"use it with --cache_dir={out}", str(out)]


def _preview(config: PrepareConfig, out: Path) -> list[str]:
    """Draws what the network sees in training under a preset."""
    find_augmentation(config.augment)
    bundle = _bundle(config)
    train = bundle.splits["train"]
    index = np.linspace(0, len(train) - 1, min(_PREVIEWED, len(train))).astype(np.int32)
    channels = train.shape[2]
    spec = InputSpec(
        train.shape[:2], config.image_size, channels, (0.0,) * channels, (1.0,) * channels
    )
    key = stream_key(0, "augment", 0)
    # Mixing is of the whole step; the sheet shows each image's own changes.
    inputs = augment(jnp.asarray(train.read(index)), spec, config.augment, key, jnp.asarray(index))
    images = denormalize(inputs, spec)
    path = out / f"preview_{config.augment}.png"
    title = f"{config.dataset} under --augment={config.augment}"
    draw_batch(np.asarray(images), train.labels[index], bundle.classes, path, title)
    return [str(path)]


_TASKS: dict[str, Callable[[PrepareConfig, Path], list[str]]] = {
    "audit": _audit,
    "crops": _crops,
    "cache": _cache,
    "preview": _preview,
}
