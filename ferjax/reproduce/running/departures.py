"""In what an experiment departs from its paper by the data that it is run on."""

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
