"""The plan: the config of every run of a paper's experiments, and its departures from the paper."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.fields import values_of
from ferjax.config.phases import total_epochs
from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.errors import UserError
from ferjax.recipes import RECIPES, resolve
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import AtHand, dataset_of, has_test
from ferjax.reproduce.running.chosen_experiments import chosen_experiments
from ferjax.reproduce.running.departures import departures_of, flag_departures, other_data
from ferjax.reproduce.running.smoke_weights import SMOKE_NETWORKS

# Settings of `--smoke`, besides those of launch.train: one size that fits every network.
_SMOKE: Mapping[str, Any] = {"smoke": True, "image_size": 32, "limit": 16, "batch_size": 8}
# Networks that take long to compile → networks that replace them with --smoke.
_SMALLER = {"efficientnet_b1": "efficientnet_b0", "resnet50": "resnet18"}
# Protocols that apply only to a copy of the data without a test split.
_WITHOUT_TEST = ("publictest_is_test",)


@dataclass(frozen=True)
class PlannedRun:
    """A run of an experiment.

    Attributes:
      experiment: the experiment that it belongs to.
      seed: seed of the run, counted from 0.
      config: config of the run, with its directory.
      departs: differences from the paper's data and printed settings, in words.
      other_data: the data that it uses instead of the paper's, or an empty text.
    """

    experiment: Experiment
    seed: int
    config: TrainConfig | BaselineConfig
    departs: tuple[str, ...]
    other_data: str

    @property
    def folder(self) -> Path:
        """Returns the run directory."""
        return Path(self.config.workdir or "")

    @property
    def epochs(self) -> int:
        """Returns the number of epochs for which it is trained, 0 for a baseline."""
        return 0 if isinstance(self.config, BaselineConfig) else total_epochs(self.config)

    @property
    def name(self) -> str:
        """Returns experiment and seed, for progress and for file names."""
        return f"{self.experiment.name}-seed_{self.seed}"


def plan_runs(
    config: ReproduceConfig, paper: Paper, at_hand: AtHand, out: Path
) -> tuple[PlannedRun, ...]:
    """Returns all runs, in the order of the paper's table; all seeds of an experiment together.

    Args:
      config: the flags.
      paper: the paper; all its `experiments` can be run.
      at_hand: paths of data and weights.
      out: the folder that gets the runs.

    Raises:
      UserError: a flag that does not fit an experiment.
    """
    return tuple(
        run
        for one in chosen_experiments(config, paper)
        for run in _runs_of(config, paper, one, at_hand, out)
    )


def plan_others(
    config: ReproduceConfig, paper: Paper, at_hand: AtHand, out: Path
) -> tuple[PlannedRun, ...]:
    """Returns the runs that `--only` leaves out; the report shows those that are finished.

    An experiment that the flags do not fit is left out. The arguments are those of `plan_runs`.
    """
    chosen, runs = {experiment.name for experiment in chosen_experiments(config, paper)}, []
    for experiment in paper.experiments:
        if experiment.name not in chosen:
            with contextlib.suppress(UserError):
                runs += _runs_of(config, paper, experiment, at_hand, out)
    return tuple(runs)


def _runs_of(
    config: ReproduceConfig, paper: Paper, experiment: Experiment, at_hand: AtHand, out: Path
) -> list[PlannedRun]:
    seeds = _seeds_of(config, experiment)
    return [planned_run(config, paper, experiment, seed, at_hand, out) for seed in range(seeds)]


def _seeds_of(config: ReproduceConfig, experiment: Experiment) -> int:
    """Returns the number of seeds with which an experiment is run."""
    return 1 if experiment.one_seed or not experiment.recipe or config.smoke else config.seeds


def planned_run(
    config: ReproduceConfig,
    paper: Paper,
    experiment: Experiment,
    seed: int,
    at_hand: AtHand,
    out: Path,
) -> PlannedRun:
    """Returns one run of an experiment."""
    dataset = dataset_of(experiment, at_hand)
    data_departure = other_data(paper, experiment, dataset)
    settings = {
        **experiment.settings,
        "dataset": dataset,
        "data_dir": at_hand.places.get(dataset),
        "workdir": str(out / "runs" / experiment.name / f"seed_{seed}"),
        "progress": False,
    }
    if experiment.recipe:
        if experiment.after:
            source = next(one for one in paper.experiments if one.name == experiment.after)
            folder = out / "runs" / source.name / f"seed_{min(seed, _seeds_of(config, source) - 1)}"
            settings["pretrained"] = str(folder)
        run_config, by_flags = _train_config(config, experiment, settings, seed, at_hand)
    else:
        run_config, by_flags = _baseline_config(config, experiment, settings)
    departs = (*departures_of(experiment, dataset, data_departure), *by_flags)
    return PlannedRun(experiment, seed, run_config, departs, data_departure)


def _train_config(
    config: ReproduceConfig,
    experiment: Experiment,
    settings: Mapping[str, Any],
    seed: int,
    at_hand: AtHand,
) -> tuple[TrainConfig, list[str]]:
    """Returns the config of a training run, and the departures that flags cause, in words."""
    run_settings = {
        "recipe": experiment.recipe,
        "protocol": _protocol(experiment, settings["dataset"], settings["data_dir"]),
        "seed": seed,
        "resume": True,
        "offline": config.offline,
    }
    for network in experiment.needs:
        if network in at_hand.weights:
            run_settings["pretrained"] = at_hand.weights[network]
    all_settings = {
        name: value for name, value in {**settings, **run_settings}.items() if value is not None
    }
    plain = _resolved(experiment, all_settings)
    if config.smoke:
        recipe = RECIPES.get(experiment.recipe)
        all_settings = {
            **(recipe.settings if recipe else {}),
            **all_settings,
            **_smoke_settings(plain, experiment),
        }
        return _resolved(experiment, all_settings), []
    changes = _flag_changes(config, plain)
    return _resolved(experiment, {**all_settings, **changes}), flag_departures(plain, changes)


def _baseline_config(
    config: ReproduceConfig,
    experiment: Experiment,
    settings: Mapping[str, Any],
) -> tuple[BaselineConfig, list[str]]:
    """Returns the config of a classical baseline, and the departures that flags cause."""
    changes: dict[str, Any] = {}
    departs = []
    if config.smoke:
        changes = {"limit": 28, "cross_validation": 2, "image_size": _SMOKE["image_size"]}
    elif config.limit and config.limit != settings.get("limit"):
        changes = {"limit": config.limit}
        departs = [f"at most {config.limit:,} images of train"]
    try:
        return BaselineConfig(**{**settings, **changes}), departs
    except UserError as error:
        raise UserError(f"{experiment.name}: {error}") from None


def _resolved(experiment: Experiment, settings: Mapping[str, Any]) -> TrainConfig:
    try:
        return resolve(settings)
    except UserError as error:
        raise UserError(f"{experiment.name}: {error}") from None


def _protocol(experiment: Experiment, dataset: str, place: str | None) -> str | None:
    """Returns the protocol of an experiment as far as its data set has it, or None."""
    if experiment.protocol is None:
        return None
    protocol = PROTOCOLS[experiment.protocol]
    if protocol.datasets and dataset not in protocol.datasets:
        return "select_on_test" if protocol.selects_on_test else None
    if experiment.protocol in _WITHOUT_TEST and has_test(dataset, place):
        return None
    return experiment.protocol


def _flag_changes(config: ReproduceConfig, plain: TrainConfig) -> dict[str, Any]:
    """Returns the settings that flags change in all experiments."""
    changes: dict[str, Any] = {}
    if config.image_size and config.image_size != plain.image_size:
        changes["image_size"] = config.image_size
    if config.epochs:
        epochs = tuple(config.epochs for _ in values_of(plain.epochs))
        if epochs != values_of(plain.epochs):
            changes["epochs"] = epochs if len(epochs) > 1 else config.epochs
    if config.limit and config.limit != plain.limit:
        changes["limit"] = config.limit
    return changes


def _smoke_settings(plain: TrainConfig, experiment: Experiment) -> dict[str, Any]:
    """Returns the settings of `--smoke`: one epoch per phase, small networks.

    The weights are random, besides those of a guide, which are drawn beforehand.
    """
    epochs = tuple(1 for _ in values_of(plain.epochs))
    changes = {**_SMOKE, "epochs": epochs if len(epochs) > 1 else 1, "eval_every": 1}
    if not experiment.after and set(SMOKE_NETWORKS).isdisjoint(experiment.needs):
        changes["pretrained"] = "none"
    if plain.model in _SMALLER:
        changes |= {"model": _SMALLER[plain.model], "recipe": "default"}
    return changes
