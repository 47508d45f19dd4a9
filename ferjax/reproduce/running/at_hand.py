"""Finds the data, weights and accelerator that experiments need, and says what they lack."""

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
from ferjax.reproduce.running.smoke_weights import SMOKE_NETWORKS, smoke_weights
from ferjax.runtime.progress_lines import say


@dataclass(frozen=True)
class AtHand:
    """Paths of data and weights, and data sets that replace those of the paper.

    Attributes:
      places: data set → its folder or file, for those that were given or drawn.
      instead: data set of the paper → the one that replaces it.
      weights: network → file or folder of its pretrained weights.
    """

    places: Mapping[str, str]
    instead: Mapping[str, str]
    weights: Mapping[str, str]


def find_at_hand(config: ReproduceConfig, paper: Paper, out: Path) -> AtHand:
    """Returns the paths that the flags give; with --smoke data and weights are drawn into OUT/data.

    Raises:
      UserError: a flag names an unknown data set or network, or a file that does not exist.
    """
    if config.smoke:
        names = {own_dataset(one) for one in paper.experiments}
        places = {name: str(smoke_data(name, out / "data")) for name in sorted(names)}
        needed = {network for one in paper.experiments for network in one.needs}
        weights = {
            network: str(smoke_weights(network, out / "data"))
            for network in SMOKE_NETWORKS
            if network in needed
        }
        return AtHand(places, {}, weights)
    instead = _values_by_name(config.dataset, "dataset", paper.datasets)
    for name in instead.values():
        if name not in dataset_entries():
            raise unknown_name("--dataset", name, dataset_entries())
    stand_ins = tuple(str(one.settings["dataset"]) for one in paper.experiments
                      if "dataset" in one.settings)  # fmt: skip
    used = tuple(instead.get(name, name) for name in paper.datasets)
    places = _values_by_name(config.data_dir, "data_dir", used, (*used, *stand_ins))
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


def _values_by_name(
    values: tuple[str, ...], flag: str, names: tuple[str, ...], accepted_names: tuple[str, ...] = ()
) -> dict[str, str]:
    """Returns name → value for the values NAME:VALUE of a flag.

    A single VALUE without a name is that of the only name, or for `--dataset` that of all names.
    """
    accepted_names = accepted_names or names
    value_of_name = {}
    for text in values:
        name, colon, value = text.partition(":")
        if colon and name in accepted_names:
            value_of_name[name] = value
        elif len(names) == 1 and len(values) == 1:
            value_of_name[names[0]] = text
        elif flag == "dataset" and not colon and len(values) == 1:
            value_of_name |= dict.fromkeys(names, text)
        else:
            raise UserError(
                f"--{flag}={text}: NAME:VALUE is expected, NAME one of {', '.join(accepted_names)}."
            )
    return value_of_name


def own_dataset(experiment: Experiment) -> str:
    """Returns the data set that the table of a paper states for an experiment."""
    recipe = RECIPES.get(experiment.recipe)
    return str(experiment.settings.get("dataset") or (recipe.dataset if recipe else ""))


def data_of_stand_ins(paper: Paper) -> str:
    """Returns a value of `--data_dir` with which a paper's stand-ins can be run, or "".

    Only stand-ins are meant that need none of the paper's first data set. The data of experiments
    from which some of them start are in brackets: `fer2013:PATH[,ferplus:PATH]`.
    """
    stand_ins = [one for one in paper.experiments if one.stands_in_for]
    needed = dict.fromkeys(map(own_dataset, stand_ins))
    needed.pop(paper.datasets[0], None)
    sources = {one.after for one in stand_ins}
    more = dict.fromkeys(own_dataset(one) for one in paper.experiments if one.name in sources)
    texts = [f"{name}:PATH" for name in needed]
    optional = [f"[,{name}:PATH]" for name in more if name not in needed]
    return ",".join(texts) + "".join(optional) if texts else ""


def dataset_of(experiment: Experiment, at_hand: AtHand) -> str:
    """Returns the data set that an experiment is run on."""
    printed = own_dataset(experiment)
    return at_hand.instead.get(printed, printed)


def lack_of(config: ReproduceConfig, at_hand: AtHand) -> Callable[[Experiment], str | None]:
    """Returns a function: experiment → what it lacks, in words, or None if it can be run."""

    @functools.cache
    def lack_of_data(dataset: str) -> str | None:
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
    def lack_of_weights(network: str, source: str) -> str | None:
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
        if lack := lack_of_data(dataset_of(experiment, at_hand)):
            return lack
        recipe = RECIPES.get(experiment.recipe)
        settings = {**(recipe.settings if recipe else {}), **experiment.settings}
        for network in experiment.needs:
            if lack := lack_of_weights(network, str(settings.get("pretrained", "imagenet"))):
                return lack
        if experiment.accelerator and jax.default_backend() == "cpu":
            return "it takes days on a CPU and is run where there is an accelerator"
        return None

    return lacks


@functools.cache
def has_test(dataset: str, place: str | None) -> bool:
    """Returns whether a copy of a data set has a test split."""
    return "test" in load_dataset(dataset, place, image_size=48).splits
