"""The task of a run: data set, network, input and devices of a config, checked for consistency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh

from ferjax.config.phases import phases_of, total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.data.pipeline.grain_batches import TrainBatches
from ferjax.data.registry import load_dataset
from ferjax.data.splits.recorded_bundle import as_recorded
from ferjax.data.splits.split import DatasetBundle, Split, subset
from ferjax.data.splits.split_record import SplitRecord
from ferjax.data.splits.stratified_cut import stratified_sample
from ferjax.errors import UserError
from ferjax.models.registry import check_image, create_model, model_entry
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.runs.input_spec import input_spec
from ferjax.runs.pretrained_values import InitialWeights
from ferjax.runs.pretrained_weights import load_initial_weights, required_channels
from ferjax.runs.recorded_splits import seen_by_others
from ferjax.runs.split_evaluator import evaluator, process_shard
from ferjax.runs.teachers import load_teachers
from ferjax.runtime.programs.stored_program import stored_shapes
from ferjax.runtime.sharding import Devices, check_batch_size, data_mesh
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.freezing import check_frozen, frozen_pattern
from ferjax.training.several_steps import steps_per_call
from ferjax.training.state import init_variables


@dataclass(frozen=True)
class Task:
    """The config of a run and everything that its training needs.

    Attributes:
      config: the config of the run.
      bundle: splits and classes.
      fields: module fields set by the config and by the initial weights, as JSON values.
      model: the Linen module.
      shapes: tree of the network's parameters, shapes only.
      frozen: for each phase, a regular expression on paths of the parameters that it does not
        train, or None.
      initial_weights: the initial weights, or None for random initialisation.
      spec: how images become network input.
      mesh: the devices.
      logits_of: (variables, split) → logits float [N, K], compiled once for the whole run.
      teachers: networks whose probabilities are a part of the targets.
      leaks: notes on val and test images that `--pretrained` or a teacher was trained on.
    """

    config: TrainConfig
    bundle: DatasetBundle
    fields: dict[str, Any]
    model: nn.Module
    shapes: dict[str, Any]
    frozen: tuple[str | None, ...]
    initial_weights: InitialWeights | None
    spec: InputSpec
    mesh: Mesh
    logits_of: Callable[[Any, Split], np.ndarray]
    teachers: tuple[LoadedRun, ...] = ()
    leaks: tuple[str, ...] = ()

    @property
    def dtype(self) -> Any:
        """Returns the dtype of parameters and losses."""
        return np.float64 if self.config.precision == "f64" else np.float32

    @property
    def steps_per_epoch(self) -> int:
        """Returns the number of whole batches in the training split."""
        return len(self.bundle.splits["train"]) // self.config.batch_size

    @property
    def steps_per_call(self) -> int:
        """Returns the number of training steps of a call of the compiled program."""
        return steps_per_call(self.config.steps_per_call, self.steps_per_epoch)


def prepare_task(
    config: TrainConfig, devices: Devices | None = None, recorded: SplitRecord | None = None
) -> Task:
    """Returns the task of a config; raises an error if its parts do not fit each other.

    Args:
      config: from `recipes.resolve`.
      devices: devices to compute on; None for all devices of all hosts.
      recorded: record of the images of a finished run, for its report; None to make new splits of
        the present data.

    Raises:
      UserError: names, sizes, files or labels that do not fit.
    """
    if config.image_size is None:
        raise UserError("image_size is missing; `ferjax.recipes.resolve` fills it from a recipe.")
    if config.precision == "f64" and not jax.config.read("jax_enable_x64"):
        raise UserError("--precision=f64 needs the environment variable JAX_ENABLE_X64=1.")
    fields = _module_fields(config)
    create_model(config.model, 2, **fields)
    required = required_channels(config)
    check_image(config.model, config.image_size, config.channels or required or 1)
    mesh = data_mesh(devices)
    check_batch_size(config.batch_size, mesh, config.accumulate)

    bundle = load_dataset(
        config.dataset,
        config.data_dir,
        image_size=config.image_size,
        val_fraction=config.val_fraction,
        split_seed=config.split_seed,
        folds=config.folds,
        fold=config.fold,
        protocol=config.protocol,
        on_bad_image=config.on_bad_image,
        cache_dir=config.cache_dir,
        num_classes=config.num_classes,
        labels=config.labels,
        angles=config.angles,
    )
    if recorded:
        bundle = as_recorded(recorded, bundle)
    elif config.limit:
        bundle = _limited(bundle, config.limit, config.split_seed)
    filled = [name for name, split in bundle.splits.items() if len(split)]
    if missing := {"train", "val"} - set(filled):
        raise UserError(
            f"--dataset={config.dataset} has no {' and no '.join(sorted(missing))} images, only"
            f" {', '.join(filled)}. A run needs train and val; `bundle_from_arrays` cuts val."
        )
    train = bundle.splits["train"]
    if recorded and len(train) < config.batch_size:
        raise UserError(
            f"{len(train)} of the run's {len(recorded.splits['train'])} training images are in the"
            " data, too few to draw its report again. Give the data as they were; --split judges"
            " one split."
        )
    if len(train) < config.batch_size:
        raise UserError(
            f"--batch_size={config.batch_size} is more than the {len(train)} training images."
            f" Give at most {len(train) // mesh.size * mesh.size or mesh.size}."
        )
    # Loaded last, because this may download half a gigabyte.
    weights = load_initial_weights(config, fields, bundle.classes)
    if weights:
        fields = {**weights.fields, **fields}
    channels = config.channels or required or train.shape[2]
    # A report that is written again needs no teachers: the run's notes name them.
    teachers = () if recorded else load_teachers(config, bundle.classes, mesh)
    leaks = tuple(seen_by_others(config, bundle))
    bundle = _with_notes(bundle, leaks)
    spec = input_spec(config, train, channels, weights)
    model = create_model(config.model, len(bundle.classes), **fields)
    shapes = _parameter_shapes(model, spec, config.seed)
    frozen = _frozen(config, shapes)
    logits_of = evaluator(model, spec, mesh, config.batch_size, config.progress)
    return Task(
        *(config, bundle, fields, model, shapes, frozen, weights, spec, mesh, logits_of),
        *(teachers, leaks),
    )


def _parameter_shapes(model: nn.Module, spec: InputSpec, seed: int) -> Any:
    """Returns the tree of a network's parameters, shapes only."""
    facts = {"network": repr(model), "spec": spec_to_json(spec)}
    return stored_shapes(lambda: init_variables(model, spec, seed)["params"], "shapes", facts)


def _frozen(config: TrainConfig, shapes: dict[str, Any]) -> tuple[str | None, ...]:
    """Returns the frozen pattern of each phase, checked against the network."""
    always = model_entry(config.model).frozen
    for phase in phases_of(config):
        check_frozen(shapes, phase.freeze, always)
    return tuple(frozen_pattern(phase.freeze, always) for phase in phases_of(config))


def _module_fields(config: TrainConfig) -> dict[str, Any]:
    """Returns the module fields that a config sets."""
    names = ("dropout", "guide", "head_widths", "jumper", "pooling", "stem", "stochastic_depth")
    fields = {name: getattr(config, name) for name in names}
    if config.precision == "bf16":
        fields["dtype"] = "bfloat16"
    return {name: value for name, value in fields.items() if value is not None}


def _limited(bundle: DatasetBundle, limit: int, seed: int) -> DatasetBundle:
    splits = {
        name: subset(split, stratified_sample(split.labels, limit, seed))
        for name, split in bundle.splits.items()
    }
    note = f"--limit={limit}: every split was cut to at most {limit} images, stratified"
    return _with_notes(replace(bundle, splits=splits), [note])


def _with_notes(bundle: DatasetBundle, notes: Sequence[str]) -> DatasetBundle:
    return replace(bundle, notes=(*bundle.notes, *notes))


def train_batches(config: TrainConfig, train: Split) -> TrainBatches:
    """Returns the batches of a run's training split, with the rows of this process."""
    return TrainBatches(
        train,
        config.batch_size,
        config.seed,
        total_epochs(config),
        process_shard(),
        balance=config.balance,
        draw_labels=config.labels == "probability",
    )
