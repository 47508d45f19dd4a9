"""In what a run departs from what its paper prints: by its data, its table, and by flags."""

from collections.abc import Mapping
from typing import Any

from ferjax.config.fields import values_of
from ferjax.config.train_config import TrainConfig
from ferjax.reproduce.experiment_table import Experiment
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.running.at_hand import own_dataset


def other_data(paper: Paper, experiment: Experiment, dataset: str) -> str:
    """Returns `fer2013 instead of rafdb` where an experiment is run on other data than the paper's.

    The paper's are those that the experiment is printed for: CK+ in place of FER2013 is other data
    also in a paper that uses both.
    """
    own = own_dataset(experiment)
    if dataset != own:
        return f"{dataset} instead of {own}"
    return "" if own in paper.datasets else f"{own} instead of {' or '.join(paper.datasets)}"


def departures_of(experiment: Experiment, dataset: str, other: str) -> tuple[str, ...]:
    """Returns in what an experiment on a data set departs from print, without what flags change."""
    given = (other,) if dataset != own_dataset(experiment) else ()
    return (*given, *experiment.departs)


def flag_departures(plain: TrainConfig, given: Mapping[str, Any]) -> list[str]:
    """Returns in what flags make a run depart from its experiment, in words.

    Args:
      plain: the config of the experiment without flags.
      given: `image_size`, `epochs` and `limit` of the run, as far as they are known.
    """
    texts = []
    size, limit = given.get("image_size"), given.get("limit")
    if size and size != plain.image_size:
        texts.append(f"{size} px instead of {plain.image_size}")
    old, new = (values_of(one) for one in (plain.epochs, given.get("epochs", plain.epochs)))
    if tuple(new) != tuple(old):
        epochs, before = (" + ".join(map(str, values)) for values in (new, old))
        texts.append(f"{epochs} epochs instead of {before}")
    if limit and limit != plain.limit:
        texts.append(f"at most {limit:,} images of each split")
    return texts
