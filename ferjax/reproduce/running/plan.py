"""The plan: the config of every run of a paper's experiments, and in what it departs from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.fields import values_of
from ferjax.config.phases import total_epochs
from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.errors import UserError, unknown_name
from ferjax.recipes import RECIPES, resolve
from ferjax.reproduce.experiment_table import ROLES, Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import AtHand, dataset_of, has_test

# Settings of `--smoke`, beside those of launch.train's: one size that fits every network.
_SMOKE: Mapping[str, Any] = {"smoke": True, "image_size": 32, "limit": 16, "batch_size": 8}
# Networks that take long to compile, and what stands for them with --smoke.
_LARGE = ("efficientnet", "resnet")
_SMALLER = {"efficientnet_b1": "efficientnet_b0", "resnet50": "resnet18"}
# Protocols for a copy of the data that lacks the test split.
_WITHOUT_TEST = ("publictest_is_test",)


@dataclass(frozen=True)
class PlannedRun:
    """A run of an experiment.

    Attributes:
      experiment: what it is a run of.
      seed: from 0 on.
      config: of the run, with its directory.
      departs: in what it differs from the paper's data and printed settings, in words.
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
        """Returns how many epochs it is trained, 0 for a baseline."""
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
      paper: its `experiments` can all be run.
      at_hand: where data and weights lie.
      out: the folder that gets the runs.

    Raises:
      UserError: a flag that does not fit an experiment.
    """
    return tuple(
        planned_run(config, paper, one, seed, at_hand, out)
        for one in _chosen(config, paper)
        for seed in range(1 if one.one_seed or not one.recipe or config.smoke else config.seeds)
    )


def _chosen(config: ReproduceConfig, paper: Paper) -> Sequence[Experiment]:
    """Returns the experiments that `--only` names, by themselves or by their roles."""
    names = [one.name for one in paper.experiments]
    for wanted in config.only:
        if wanted not in (*names, *ROLES):
            raise unknown_name("--only", wanted, (*names, *ROLES))
    return [
        one
        for one in paper.experiments
        if not config.only or {one.name, one.role} & set(config.only)
    ]


def left_out_of_smoke(paper: Paper) -> dict[str, str]:
    """Returns the experiments that a smoke run leaves out, with the reason.

    It takes the first with each role and each recipe, and what they start from, but no readings of
    large networks, and no guided networks, which need weights.
    """
    seen: set[tuple[str, str]] = set()
    left_out = {}
    sources = {one.after for one in paper.experiments}
    for one in paper.experiments:
        recipe = RECIPES.get(one.recipe)
        settings = {**(recipe.settings if recipe else {}), **one.settings}
        model = str(settings.get("model", recipe.model if recipe else ""))
        facts = {("role", one.role), ("recipe", one.recipe + str(one.settings.get("features")))}
        large_reading = one.role == "reading" and model.startswith(_LARGE)
        if facts <= seen or large_reading or settings.get("guide") or one.name in sources:
            left_out[one.name] = "--smoke leaves it out"
        else:
            seen |= facts
    needed = {one.after for one in paper.experiments if one.name not in left_out}
    return {name: why for name, why in left_out.items() if name not in needed}


def planned_run(
    config: ReproduceConfig,
    paper: Paper,
    experiment: Experiment,
    seed: int,
    at_hand: AtHand,
    out: Path,
) -> PlannedRun:
    """Returns one run of an experiment."""
    dataset, own = dataset_of(experiment, at_hand), experiment.settings
    departs, other = [*experiment.departs], ""
    if dataset not in paper.datasets:
        other = f"{dataset} instead of {' or '.join(paper.datasets)}"
        if dataset != own.get("dataset"):
            departs.insert(0, other)
    given = {
        **own,
        "dataset": dataset,
        "data_dir": at_hand.places.get(dataset),
        "workdir": str(out / "runs" / experiment.name / f"seed_{seed}"),
        "progress": False,
    }
    if experiment.recipe:
        found = _train_config(config, experiment, given, seed, at_hand, departs)
    else:
        found = _baseline_config(config, experiment, given, departs)
    return PlannedRun(experiment, seed, found, tuple(departs), other)


def _train_config(
    config: ReproduceConfig,
    experiment: Experiment,
    given: Mapping[str, Any],
    seed: int,
    at_hand: AtHand,
    departs: list[str],
) -> TrainConfig:
    """Returns the config of a training run; adds to `departs` what flags change."""
    more = {
        "recipe": experiment.recipe,
        "protocol": _protocol(experiment, given["dataset"], given["data_dir"]),
        "seed": seed,
        "resume": True,
        "offline": config.offline,
    }
    if experiment.after:
        folder = Path(given["workdir"]).parents[1]
        more["pretrained"] = str(folder / experiment.after / f"seed_{seed}")
    for network in experiment.needs:
        if network in at_hand.weights:
            more["pretrained"] = at_hand.weights[network]
    wanted = {name: value for name, value in {**given, **more}.items() if value is not None}
    plain = _resolved(experiment, wanted)
    if config.smoke:
        recipe = RECIPES.get(experiment.recipe)
        wanted = {**(recipe.settings if recipe else {}), **wanted, **_smoke(plain, experiment)}
        return _resolved(experiment, wanted)
    return _resolved(experiment, {**wanted, **_changes(config, plain, departs)})


def _baseline_config(
    config: ReproduceConfig,
    experiment: Experiment,
    given: Mapping[str, Any],
    departs: list[str],
) -> BaselineConfig:
    """Returns the config of a classical baseline."""
    changes: dict[str, Any] = {}
    if config.smoke:
        changes = {"limit": 28, "cross_validation": 2, "image_size": _SMOKE["image_size"]}
    elif config.limit and config.limit != given.get("limit"):
        changes = {"limit": config.limit}
        departs.append(f"at most {config.limit:,} images of train")
    try:
        return BaselineConfig(**{**given, **changes})
    except UserError as error:
        raise UserError(f"{experiment.name}: {error}") from None


def _resolved(experiment: Experiment, given: Mapping[str, Any]) -> TrainConfig:
    try:
        return resolve(given)
    except UserError as error:
        raise UserError(f"{experiment.name}: {error}") from None


def _protocol(experiment: Experiment, dataset: str, place: str | None) -> str | None:
    """Returns the protocol of an experiment, as far as its data set has it."""
    if experiment.protocol is None:
        return None
    protocol = PROTOCOLS[experiment.protocol]
    if protocol.datasets and dataset not in protocol.datasets:
        return "select_on_test" if protocol.selects_on_test else None
    if experiment.protocol in _WITHOUT_TEST and has_test(dataset, place):
        return None
    return experiment.protocol


def _changes(config: ReproduceConfig, plain: TrainConfig, departs: list[str]) -> dict[str, Any]:
    """Returns the settings that flags change in all experiments; adds them to `departs`."""
    changes: dict[str, Any] = {}
    if config.image_size and config.image_size != plain.image_size:
        changes["image_size"] = config.image_size
        departs.append(f"{config.image_size} px instead of {plain.image_size}")
    if config.epochs:
        epochs = tuple(config.epochs for _ in values_of(plain.epochs))
        if epochs != values_of(plain.epochs):
            changes["epochs"] = epochs if len(epochs) > 1 else config.epochs
            old = " + ".join(map(str, values_of(plain.epochs)))
            departs.append(f"{' + '.join(map(str, epochs))} epochs instead of {old}")
    if config.limit and config.limit != plain.limit:
        changes["limit"] = config.limit
        departs.append(f"at most {config.limit:,} images of each split")
    return changes


def _smoke(plain: TrainConfig, experiment: Experiment) -> dict[str, Any]:
    """Returns the settings of `--smoke`: random weights, an epoch a phase, small networks."""
    epochs = tuple(1 for _ in values_of(plain.epochs))
    changes = {**_SMOKE, "epochs": epochs if len(epochs) > 1 else 1, "eval_every": 1}
    if not experiment.after:
        changes["pretrained"] = "none"
    if plain.model in _SMALLER:
        changes |= {"model": _SMALLER[plain.model], "recipe": "default"}
    return changes
