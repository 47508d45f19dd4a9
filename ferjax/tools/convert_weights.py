"""Converts pretrained weights to ferjax (`launch.convert`), verifies, exports to torchvision."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import save

from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.converted.weights_cache import locked_entry
from ferjax.convert.converted.weights_folder import is_saved, load_weights
from ferjax.convert.export_torchvision import to_torchvision
from ferjax.convert.fetching.name_url_or_file import Origin, fetch, resolve
from ferjax.convert.onnx_reference import input_side
from ferjax.convert.reference_library import reference_logits, reference_name
from ferjax.convert.weights import (
    ConversionPlan,
    Pretrained,
    plan_conversion,
    run_conversion,
    save_pretrained,
)
from ferjax.errors import UserError
from ferjax.images.preprocess import prepare
from ferjax.models.registry import abstract_variables, create_model
from ferjax.runs.finished_runs.load_run import load_run
from ferjax.runtime.atomic_files import remove_left_by_killed_processes, write_atomically
from ferjax.runtime.finite_arrays import not_finite
from ferjax.runtime.move_aside import move_aside
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.specs import spec_to_json

# Networks count as equal up to this difference of logits, relative to the largest logit.
_BOUNDS = {"resnet": 1e-5, "vgg": 1e-5, "efficientnet": 1e-4}
_IMAGES = 2


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
      plan: which source array becomes which parameter.
      error: largest relative difference of logits from the source library, None without --verify.
      folder: the written folder, or None.
    """

    plan: ConversionPlan
    error: float | None
    folder: Path | None


def run_convert(config: ConvertConfig) -> Conversion:
    """Converts weights of another library into a folder that `--pretrained` accepts.

    Raises:
      UserError: weights that are not available or do not fit, logits that differ from those of the
        source library, or a folder that exists already.
    """
    for flag in ("model", "source"):
        if not getattr(config, flag):
            raise UserError(f"--{flag} is missing. `python -m launch.convert --list` shows names.")
    out = Path(config.out) if config.out else None
    if out is None and not (config.dry_run or config.verify):
        raise UserError("--out is missing: the new folder for the converted weights.")
    if out:
        _check_out(config, [out], is_ferjax_output=is_saved(out))
    origin = resolve(config.source, config.model, config.kind)
    if origin.path and (origin.path.is_dir() or is_saved(origin.path)):
        raise UserError(
            f"--source={origin.path} holds converted weights already: use it with --pretrained, or"
            " export it with --to=torchvision."
        )
    with _file_of(origin, config) as file:
        plan = plan_conversion(file, origin, config.model, abstract_variables)
        if config.dry_run and not config.verify:
            return Conversion(plan, None, None)
        weights = run_conversion(plan)
        error = _verify_logits(plan, weights) if config.verify else None
    if not out or config.dry_run:
        return Conversion(plan, error, None)
    _make_room([out])
    return Conversion(plan, error, save_pretrained(out, weights))


def _check_out(config: ConvertConfig, paths: Sequence[Path], *, is_ferjax_output: bool) -> None:
    """Raises `UserError` if a path exists and may not be moved aside."""
    for path in paths:
        if path.exists() and not (is_ferjax_output and config.overwrite):
            advice = ", or --overwrite to move this aside" if is_ferjax_output else ""
            shown_path = f"--out={path}" if str(path) == config.out else path
            raise UserError(
                f"{shown_path} exists already. Nothing was written; give another --out{advice}."
            )


def _make_room(paths: Sequence[Path]) -> None:
    """Moves earlier results aside, which `_check_out` has allowed."""
    for path in paths:
        if path.exists():
            move_aside(path)


@contextlib.contextmanager
def _file_of(origin: Origin, config: ConvertConfig) -> Iterator[Path]:
    """Yields the local source file; a downloaded file is deleted at the end of the block.

    The file is in the download folder of the cache. An unfinished download of a killed process is
    resumed there, by this command or by training.
    """
    if origin.path:
        yield origin.path
        return
    with locked_entry(origin.key) as folder:
        file = fetch(origin, folder, offline=config.offline, progress=config.progress)
        yield file
        if folder in file.parents:
            shutil.rmtree(folder)
            folder.mkdir()


def _verify_logits(plan: ConversionPlan, weights: Pretrained) -> float:
    """Returns the largest relative difference of ferjax's logits from those of the source library.

    Raises:
      UserError: a difference that rounding does not explain, or the library is not installed.
    """
    side, rng = input_side(plan.source, weights.input.size), np.random.default_rng(0)
    spec = dataclasses.replace(weights.input, storage=(side, side), size=side)
    images = rng.integers(0, 256, (_IMAGES, side, side, 3), np.uint8)
    kind, model, classes = plan.table.kind, weights.model, weights.num_classes
    reference = reference_logits(plan.source, kind, model, classes, spec, images)
    network = create_model(model, classes or 0, **weights.fields)
    variables = unflatten(weights.variables)
    apply = jax.jit(lambda v, x: network.apply(v, prepare(x, spec), train=False))
    logits = np.asarray(apply(variables, images))
    error = float(np.abs(logits - reference).max() / np.abs(reference).max())
    bound = _BOUNDS[plan.table.family]
    if not error <= bound:
        raise UserError(
            f"--verify: logits differ from those of {reference_name(plan.source, kind)} by"
            f" {error:.1e} of the largest logit; at most {bound:.0e} is expected. Nothing was"
            f" written; is the file really of --kind={kind}?"
        )
    return error


def run_export(config: ConvertConfig) -> tuple[Path, str]:
    """Exports a run, or converted weights, as a torchvision state dict with a JSON file.

    Returns:
      The path of the file, and the Python lines that build the network and load the file.

    Raises:
      UserError: the run does not exist, torchvision has no such network, or the file exists
        already.
    """
    if not config.source or not config.out:
        raise UserError("--to=torchvision needs --source (a run or converted weights) and --out.")
    out = Path(config.out)
    if out.suffix != ".safetensors":
        raise UserError(f"--out={out}: the name of a .safetensors file is expected.")
    description = out.with_suffix(".json")
    is_ferjax_output = description.is_file() and '"build":' in description.read_text(
        "utf-8", errors="replace"
    )
    if out.exists() and description.exists():
        _check_out(config, [description, out], is_ferjax_output=is_ferjax_output)
    source = Path(config.source)
    if is_saved(source):
        variables, about = load_weights(source)
        model, fields = about["model"], about["fields"]
        about = {"classes": about["num_classes"], "input": about["input"]}
    else:
        run = load_run(source)
        model, fields = run.meta["model"], run.meta["fields"]
        variables = {path: np.asarray(leaf) for path, leaf in flatten(run.variables).items()}
        about = {"classes": list(run.classes), "input": spec_to_json(run.spec)}
    if broken := not_finite(variables):
        raise UserError(f"{source}: {broken}. Nothing was written; export other weights.")
    if config.model and config.model != model:
        raise UserError(f"--model={config.model}: {source} holds {model}. Leave the flag out.")
    state, build = to_torchvision(variables, model, fields)
    text = json.dumps({"build": build.splitlines(), **about}, indent=1) + "\n"
    _write_both(
        config, {description: text.encode(), out: save(state)}, is_ferjax_output=is_ferjax_output
    )
    return out, build


def _write_both(
    config: ConvertConfig, contents: Mapping[Path, bytes], *, is_ferjax_output: bool
) -> None:
    """Writes the two files of an export, or the missing one after a killed export.

    Raises:
      UserError: both files exist already, or one exists with other content.
    """
    present = [path for path in contents if path.exists()]
    killed_between = len(present) == 1 and present[0].read_bytes() == contents[present[0]]
    if not killed_between:
        _check_out(config, present, is_ferjax_output=is_ferjax_output)
        _make_room(present)
    for path, content in contents.items():
        remove_left_by_killed_processes(path)
        write_atomically(path, content)
