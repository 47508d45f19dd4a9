"""The plan: the config of every run of a paper's experiments, and in what it departs from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.errors import UserError, unknown_name
from ferjax.recipes import resolve
from ferjax.reproduce.experiment_table import ROLES, Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import AtHand, dataset_of, has_test

# Settings of `--smoke`, beside those of launch.train's: one size that fits every network.
_SMOKE: Mapping[str, Any] = {"smoke": True, "image_size": 32, "limit": 16, "batch_size": 8}
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
    config: TrainConfig
    departs: tuple[str, ...]
    other_data: str

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
        for seed in range(1 if one.one_seed or config.smoke else config.seeds)
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
    place = at_hand.places.get(dataset)
    folder = out / "runs" / experiment.name / f"seed_{seed}"
    given = {
        "recipe": experiment.recipe,
        **own,
        "dataset": dataset,
        "data_dir": place,
        "protocol": _protocol(experiment, dataset, place),
        "workdir": str(folder),
        "seed": seed,
        "resume": True,
        "offline": config.offline,
        "progress": False,
    }
    if experiment.after:
        first = next(one for one in paper.experiments if one.name == experiment.after)
        of_seed = 0 if first.one_seed else seed
        given["pretrained"] = str(out / "runs" / first.name / f"seed_{of_seed}")
    for network in experiment.needs:
        if network in at_hand.weights:
            given["pretrained"] = at_hand.weights[network]
    given = {name: value for name, value in given.items() if value is not None}
    plain = _resolved(experiment, given)
    papers = " or ".join(paper.datasets)
    other = "" if dataset in paper.datasets else f"{dataset} instead of {papers}"
    departs = [*experiment.departs]
    if other and dataset != own.get("dataset"):
        departs.insert(0, other)
    changes = _smoke(plain, experiment) if config.smoke else _changes(config, plain, departs)
    return PlannedRun(
        experiment, seed, _resolved(experiment, {**given, **changes}), tuple(departs), other
    )


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
    """Returns the settings of `--smoke`: random weights, one epoch of each phase."""
    epochs = tuple(1 for _ in values_of(plain.epochs))
    changes = {**_SMOKE, "epochs": epochs if len(epochs) > 1 else 1, "eval_every": 1}
    if not experiment.after:
        changes["pretrained"] = "none"
    return changes
