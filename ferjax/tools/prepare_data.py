"""Prepares a data set before training (`launch.prepare`): audit, face crops, cache, preview."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ferjax.config.tool_configs import PrepareConfig
from ferjax.data.audit.audit_dataset import audit, file_census
from ferjax.data.registry import data_path, dataset_entries, load_dataset
from ferjax.data.splits.describe_bundle import describe_bundle
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.splits.stratified_cut import stratified_sample
from ferjax.errors import UserError
from ferjax.images.augment import find_augmentation
from ferjax.images.augmented_input import augment_and_mix
from ferjax.images.preprocess import denormalize
from ferjax.report.figures.image_grids import BATCH_LIMIT, draw_batch
from ferjax.report.pages.audit_files import AUDIT_FILES, write_audit
from ferjax.report.pages.audit_sections import findings
from ferjax.report.pages.report_files import to_json_types
from ferjax.runtime.move_aside import move_aside
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
from ferjax.runtime.random_keys import stream_key
from ferjax.specs import InputSpec
from ferjax.tools.crop_folder import FACELESS, RECORD
from ferjax.tools.crops_and_sheets import only_sheets_are_missing, write_crops


def run_prepare(config: PrepareConfig) -> list[str]:
    """Runs the requested task; returns lines to print, the last of which is the path of the result.

    Raises:
      UserError: no task or several tasks are requested, the data do not exist, the folder is not
        empty, or the task is impossible for the data.
    """
    requested = [name for name in _TASKS if getattr(config, name)]
    if len(requested) != 1:
        flags = ", ".join(f"--{name}" for name in _TASKS)
        raise UserError(f"exactly one of {flags} is expected, found {len(requested)}.")
    if not config.dataset and not (config.crops and config.data_dir):
        raise UserError("--dataset is missing. (For --crops, --data_dir is enough.)")
    task = requested[0]
    out = Path(config.out or f"prepared/{config.dataset or 'faces'}-{task}")
    if task != "cache" and not (task == "crops" and only_sheets_are_missing(config, out)):
        _check_out(out, task, config.overwrite)
    return _TASKS[task](config, out)


def _check_out(out: Path, task: str, overwrite: bool) -> None:
    """Raises `UserError` unless a folder is new, or holds a result of this task.

    An audit or a preview is computed from the data alone and is written again, also after a killed
    command. Other results are moved aside only if `overwrite` is set.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out} is a file. Nothing was written; give a folder.")
    entries = [*out.iterdir()] if out.exists() else []
    if not entries:
        return
    overwritten = _OVERWRITTEN_FILES.get(task, ())
    if all(any(entry.match(pattern) for pattern in overwritten) for entry in entries):
        return
    is_result = any(out.glob(_MARKER_FILES[task]))
    if not (is_result and overwrite):
        advice = ", or --overwrite to move this one aside" if is_result else ""
        raise UserError(
            f"--out={out} is not empty. Nothing was written; give another folder{advice}."
        )


def _make_room(path: Path) -> None:
    """Moves an earlier result aside, which `_check_out` has allowed."""
    if path.is_dir() and any(path.iterdir()):
        move_aside(path)


def _load_bundle(
    config: PrepareConfig, cache_dir: Path | None = None, on_bad_image: str | None = None
) -> DatasetBundle:
    return load_dataset(
        config.dataset,
        config.data_dir,
        image_size=config.image_size,
        on_bad_image=on_bad_image or config.on_bad_image,
        cache_dir=cache_dir,
    )


def _write_audit(config: PrepareConfig, out: Path) -> list[str]:
    """Writes audit.md, audit.json and figures."""
    # An audit lists every unreadable image and leaves none out.
    bundle = _load_bundle(config, on_bad_image="list")
    for line in describe_bundle(config.dataset, replace(bundle, notes=())):
        say(line)  # the notes are part of the findings
    path = data_path(config.dataset, config.data_dir)
    files = file_census(path) if path and path.is_dir() and _has_image_files(bundle) else None
    entry = dataset_entries()[config.dataset]
    with tqdm(total=len(bundle.splits), disable=None if config.progress else True) as bar:

        def progress(name: str) -> None:
            bar.set_description(name)
            bar.update()

        result = audit(config.dataset, bundle, files=files, obtain=entry.source, progress=progress)
    if config.overwrite:
        _make_room(out)
    page = write_audit(result, bundle, out)
    return [*findings(to_json_types(result)), str(page)]


def _has_image_files(bundle: DatasetBundle) -> bool:
    """Returns whether the images are files, not rows of csv files or of arrays."""
    split = next(iter(bundle.splits.values()))
    return split.originals is not None and isinstance(split.originals(np.array([0]))[0], Path)


def _write_cache(config: PrepareConfig, out: Path) -> list[str]:
    """Decodes every image once into memory-mapped files."""
    bundle = _load_bundle(config, cache_dir=out)
    lines = [f"{name}: {len(split):,} images of {split.shape}" for name, split in
             bundle.splits.items()]  # fmt: skip
    return [*lines, *bundle.notes, f"use it with --cache_dir={out}", str(out)]


def _draw_preview(config: PrepareConfig, out: Path) -> list[str]:
    """Draws training images after an augmentation preset, as the network receives them."""
    find_augmentation(config.augment)
    bundle = _load_bundle(config)
    train = bundle.splits["train"]
    limit = max(BATCH_LIMIT, len(bundle.classes))
    # Every class has an image in the sample. Sorting puts the images of a class side by side.
    index = stratified_sample(train.labels, limit, seed=0).astype(np.int32)
    index = index[np.argsort(train.labels[index], kind="stable")]
    channels = train.shape[2]
    spec = InputSpec(
        train.shape[:2], config.image_size, channels, (0.0,) * channels, (1.0,) * channels
    )
    key = stream_key(0, "augment", 0)
    images, positions = jnp.asarray(train.read(index)), jnp.asarray(index)
    inputs, mix = augment_and_mix(images, spec, config.augment, key, positions)
    images = denormalize(inputs, spec)
    if config.overwrite:
        _make_room(out)
    path = out / f"preview_{config.augment}.png"
    title = f"{config.dataset} under --augment={config.augment}"
    pixels = np.asarray(images)
    draw_batch(pixels, train.labels[index], bundle.classes, path, title, mix, limit)
    return [str(path)]


# Files that are computed from the data alone, so that every call writes them again.
_OVERWRITTEN_FILES = {
    "audit": (*AUDIT_FILES, ".*.tmp"),
    # These are the only files if no image had a face.
    "crops": (RECORD, FACELESS),
    "preview": ("preview_*.png", ".*.tmp"),
}
# The file that identifies a result of each task.
_MARKER_FILES = {"audit": "audit.json", "crops": RECORD, "preview": "preview_*.png"}
_TASKS: dict[str, Callable[[PrepareConfig, Path], list[str]]] = {
    "audit": _write_audit,
    "crops": partial(write_crops, make_room=_make_room),
    "cache": _write_cache,
    "preview": _draw_preview,
}
