"""What `launch.convert` does: plan, judge, write; and the way back to torchvision."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import save

from ferjax.config.tool_configs import ConvertConfig
from ferjax.convert.converted.weights_folder import is_saved, load_weights
from ferjax.convert.export_torchvision import to_torchvision
from ferjax.convert.fetching.name_url_or_file import Origin, fetch, resolve
from ferjax.convert.reference_library import reference_logits
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
from ferjax.runs.load_run import load_run
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.variable_tree import flatten, unflatten
from ferjax.specs import spec_to_json

# Largest difference of logits, over the largest logit, that counts as the same network.
_BOUNDS = {"resnet": 1e-5, "vgg": 1e-5, "efficientnet": 1e-4}
_IMAGES = 2


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
      plan: what becomes what.
      error: largest difference of logits from the source's own library, relative; None: not asked.
      folder: what was written, None where nothing was.
    """

    plan: ConversionPlan
    error: float | None
    folder: Path | None


def run_convert(config: ConvertConfig) -> Conversion:
    """Converts foreign weights into a folder that `--pretrained` takes.

    Raises:
      UserError: weights that cannot be had or do not fit, logits that differ from the source's
        own library, or a folder that exists.
    """
    for flag in ("model", "source"):
        if not getattr(config, flag):
            raise UserError(f"--{flag} is missing. `python -m launch.convert --list` shows names.")
    out = Path(config.out) if config.out else None
    if out is None and not (config.dry_run or config.verify):
        raise UserError("--out is missing: the new folder for the converted weights.")
    if out and out.exists():
        raise UserError(f"--out={out} exists already. Nothing was written; give another name.")
    origin = resolve(config.source, config.model, config.kind)
    if origin.path and (origin.path.is_dir() or is_saved(origin.path)):
        raise UserError(
            f"--source={origin.path} holds converted weights already: --pretrained takes it as it"
            " is, and --to=torchvision turns it back."
        )
    with _file_of(origin, config) as file:
        plan = plan_conversion(file, origin, config.model, abstract_variables)
        if config.dry_run and not config.verify:
            return Conversion(plan, None, None)
        weights = run_conversion(plan)
        error = _judge(plan, weights) if config.verify else None
    write = out and not config.dry_run
    return Conversion(plan, error, save_pretrained(out, weights) if out and write else None)


@contextlib.contextmanager
def _file_of(origin: Origin, config: ConvertConfig) -> Iterator[Path]:
    """Yields the origin's file: a local one, or fetched for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="ferjax-") as folder:
        yield fetch(origin, Path(folder), offline=config.offline, progress=config.progress)


def _judge(plan: ConversionPlan, weights: Pretrained) -> float:
    """Returns how far our logits are from those of the source's own library.

    Raises:
      UserError: further than rounding explains, or the library is not installed.
    """
    side, rng = weights.input.size, np.random.default_rng(0)
    images = rng.integers(0, 256, (_IMAGES, side, side, 3), np.uint8)
    kind, model, classes = plan.table.kind, weights.model, weights.num_classes
    theirs = reference_logits(plan.source, kind, model, classes, weights.input, images)
    network = create_model(model, classes or 0, **weights.fields)
    variables = unflatten(weights.variables)
    apply = jax.jit(lambda v, x: network.apply(v, prepare(x, weights.input), train=False))
    ours = np.asarray(apply(variables, images))
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    bound = _BOUNDS[plan.table.family]
    if not error <= bound:
        raise UserError(
            f"--verify: logits differ from {kind}'s by {error:.1e} of the largest, at most"
            f" {bound:.0e} expected. Nothing was written; is --kind={kind} what the file is of?"
        )
    return error


def run_export(config: ConvertConfig) -> tuple[Path, str]:
    """Writes a run, or converted weights, as a torchvision state dict, and a JSON file beside it.

    Returns the file and the Python lines that build the network which loads it.

    Raises:
      UserError: no such run, a network that torchvision cannot hold, or a file that exists.
    """
    if not config.source or not config.out:
        raise UserError("--to=torchvision needs --source (a run or converted weights) and --out.")
    out = Path(config.out)
    if out.suffix != ".safetensors":
        raise UserError(f"--out={out}: the name of a .safetensors file is expected.")
    beside = out.with_suffix(".json")
    for file in (out, beside):
        if file.exists():
            raise UserError(f"{file} exists already. Nothing was written; give another --out.")
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
    if config.model and config.model != model:
        raise UserError(f"--model={config.model}: {source} holds {model}. Leave the flag out.")
    state, build = to_torchvision(variables, model, fields)
    text = json.dumps({"build": build.splitlines(), **about}, indent=1) + "\n"
    write_atomically(out, save(state))
    write_atomically(beside, text.encode())
    return out, build
