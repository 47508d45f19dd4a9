"""What experiments need, and whether it is at hand: data, pretrained weights, an accelerator."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.convert.weights import load_pretrained
from ferjax.data.registry import data_path, dataset_entries, load_dataset
from ferjax.errors import UserError, unknown_name
from ferjax.models.registry import abstract_variables
from ferjax.recipes import RECIPES
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.needed_weights import WEIGHTS
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.smoke_data import smoke_data
from ferjax.runtime.progress_lines import say


@dataclass(frozen=True)
class AtHand:
    """Where data and weights lie, and what stands for what.

    Attributes:
      places: data set → its folder or file, for those that were given or drawn.
      instead: data set of the paper → the one that stands for it.
      weights: network → file of its pretrained weights.
    """

    places: Mapping[str, str]
    instead: Mapping[str, str]
    weights: Mapping[str, str]


def find_at_hand(config: ReproduceConfig, paper: Paper, out: Path) -> AtHand:
    """Returns what the flags give; with --smoke the data sets are drawn into OUT/data.

    Raises:
      UserError: a flag names an unknown data set or network, or a file that is not there.
    """
    if config.smoke:
        names = {own_dataset(one) for one in paper.experiments}
        places = {name: str(smoke_data(name, out / "data")) for name in sorted(names)}
        return AtHand(places, {}, {})
    instead = _named(config.dataset, "dataset", paper.datasets)
    for name in instead.values():
        if name not in dataset_entries():
            raise unknown_name("--dataset", name, dataset_entries())
    stand_ins = tuple(str(one.settings["dataset"]) for one in paper.experiments
                      if "dataset" in one.settings)  # fmt: skip
    used = tuple(instead.get(name, name) for name in paper.datasets)
    places = _named(config.data_dir, "data_dir", used, (*used, *stand_ins))
    for name, place in places.items():
        if not Path(place).exists():
            raise UserError(f"--data_dir: {place}, given for {name}, is not there.")
    weights = dict(pair.split("=", 1) for pair in config.weights)
    for name, file in weights.items():
        if name not in WEIGHTS:
            raise unknown_name("network of --weights", name, WEIGHTS)
        if not Path(file).exists():
            raise UserError(f"--weights={name}={file}: no such file.")
    return AtHand(places, instead, weights)


def _named(
    values: tuple[str, ...], flag: str, names: tuple[str, ...], known: tuple[str, ...] = ()
) -> dict[str, str]:
    """Returns name → value of a comma list of NAME:VALUE, or of one value for the only name."""
    known = known or names
    found = {}
    for text in values:
        name, colon, value = text.partition(":")
        if colon and name in known:
            found[name] = value
        elif len(names) == 1 and len(values) == 1:
            found[names[0]] = text
        elif flag == "dataset" and not colon and len(values) == 1:
            found |= dict.fromkeys(names, text)
        else:
            raise UserError(
                f"--{flag}={text}: NAME:VALUE is expected, NAME one of {', '.join(known)}."
            )
    return found


def own_dataset(experiment: Experiment) -> str:
    """Returns the data set that an experiment has in its table."""
    recipe = RECIPES.get(experiment.recipe)
    return str(experiment.settings.get("dataset") or (recipe.dataset if recipe else ""))


def dataset_of(experiment: Experiment, at_hand: AtHand) -> str:
    """Returns the data set that an experiment is run on."""
    own = own_dataset(experiment)
    return at_hand.instead.get(own, own)


def lack_of(config: ReproduceConfig, at_hand: AtHand) -> Callable[[Experiment], str | None]:
    """Returns a function of an experiment that tells what it lacks, or None if it can be run."""

    @functools.cache
    def of_data(dataset: str) -> str | None:
        if dataset in at_hand.places:
            return None
        try:
            data_path(dataset)
        except UserError:
            entry = dataset_entries()[dataset]
            return (
                f"the data set {dataset} is not at hand; get it: {entry.source}, and give"
                f" --data_dir={dataset}:PATH"
            )
        return None

    @functools.cache
    def of_weights(network: str, source: str) -> str | None:
        if network in at_hand.weights:
            return None
        say(f"looking for pretrained weights of {network}", config.progress)
        try:
            load_pretrained(source, network, abstract_variables, offline=config.offline)
        except UserError:
            return f"{WEIGHTS[network]}, is not at hand; give --weights {network}=FILE"
        return None

    def lacks(experiment: Experiment) -> str | None:
        if config.smoke:
            return None
        if found := of_data(dataset_of(experiment, at_hand)):
            return found
        recipe = RECIPES.get(experiment.recipe)
        settings = {**(recipe.settings if recipe else {}), **experiment.settings}
        for network in experiment.needs:
            if found := of_weights(network, str(settings.get("pretrained", "imagenet"))):
                return found
        if experiment.accelerator and jax.default_backend() == "cpu":
            return "it takes days on a CPU and is run where there is an accelerator"
        return None

    return lacks


@functools.cache
def has_test(dataset: str, place: str | None) -> bool:
    """Returns whether a copy of a data set has a test split."""
    return "test" in load_dataset(dataset, place, image_size=48).splits
