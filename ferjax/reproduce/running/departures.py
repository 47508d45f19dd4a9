"""Departures of a run from what its paper prints: by its data, by its table, and by flags."""

from collections.abc import Mapping
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.train_config import TrainConfig
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import own_dataset


def other_data(paper: Paper, experiment: Experiment, dataset: str) -> str:
    """Returns `fer2013 instead of rafdb` where an experiment is run on other data than the paper's.

    The paper's data are those for which the experiment is printed: CK+ in place of FER2013 is other
    data, even in a paper that uses both.
    """
    printed = own_dataset(experiment)
    if dataset != printed:
        return f"{dataset} instead of {printed}"
    if printed in paper.datasets:
        return ""
    return f"{printed} instead of {' or '.join(paper.datasets)}"


def departures_of(experiment: Experiment, dataset: str, other: str) -> tuple[str, ...]:
    """Returns the departures of an experiment on a data set from print, without those by flags."""
    by_data = (other,) if dataset != own_dataset(experiment) else ()
    return (*by_data, *experiment.departs)


def flag_departures(plain: TrainConfig, settings: Mapping[str, Any]) -> list[str]:
    """Returns the departures of a run from its experiment that flags cause, in words.

    Args:
      plain: the config of the experiment without flags.
      settings: `image_size`, `epochs` and `limit` of the run, as far as they are known.
    """
    texts = []
    size, limit = settings.get("image_size"), settings.get("limit")
    if size and size != plain.image_size:
        texts.append(f"{size} px instead of {plain.image_size}")
    plain_epochs = values_of(plain.epochs)
    run_epochs = values_of(settings.get("epochs", plain.epochs))
    if tuple(run_epochs) != tuple(plain_epochs):
        run_text = " + ".join(map(str, run_epochs))
        plain_text = " + ".join(map(str, plain_epochs))
        texts.append(f"{run_text} epochs instead of {plain_text}")
    if limit and limit != plain.limit:
        texts.append(f"at most {limit:,} images of each split")
    return texts
