"""Chooses the experiments that are trained: by `--only`, and without those `--smoke` leaves out."""

from collections.abc import Sequence

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.errors import unknown_name
from ferjax.recipes import RECIPES
from ferjax.reproduce.experiment_table import ROLES, Experiment
from ferjax.reproduce.paper_table import Paper

# Why a smoke run has no result of an experiment.
LEFT_OUT = "--smoke leaves it out"
# Networks that take long to compile.
_LARGE = ("efficientnet", "resnet")


def chosen_experiments(config: ReproduceConfig, paper: Paper) -> Sequence[Experiment]:
    """Returns the experiments that `--only` names, by their names or by their roles.

    The experiments from which they start are included.

    Raises:
      UserError: a name that is neither an experiment nor a role.
    """
    names = [experiment.name for experiment in paper.experiments]
    for name in config.only:
        if name not in (*names, *ROLES):
            raise unknown_name("--only", name, (*names, *ROLES))
    if not config.only:
        return paper.experiments
    chosen = {
        experiment.name
        for experiment in paper.experiments
        if {experiment.name, experiment.role} & set(config.only)
    }
    # An experiment is listed above those that start from it.
    for experiment in reversed(paper.experiments):
        if experiment.name in chosen and experiment.after:
            chosen.add(experiment.after)
    return [experiment for experiment in paper.experiments if experiment.name in chosen]


def left_out_of_smoke(paper: Paper) -> dict[str, str]:
    """Returns the experiments that a smoke run leaves out, with the reason.

    A smoke run takes the first experiment with each role, the first one with each recipe among
    those that are not honest, and the experiments from which these start. It takes no readings of
    large networks.
    """
    seen: set[tuple[str, str]] = set()
    left_out = {}
    sources = {experiment.after for experiment in paper.experiments}
    for experiment in paper.experiments:
        recipe = RECIPES.get(experiment.recipe)
        settings = {**(recipe.settings if recipe else {}), **experiment.settings}
        model = str(settings.get("model", recipe.model if recipe else ""))
        covered = {("role", experiment.role)}
        if experiment.role != "honest":
            features = str(experiment.settings.get("features"))
            covered |= {("recipe", experiment.recipe + features)}
        large_reading = experiment.role == "reading" and model.startswith(_LARGE)
        if covered <= seen or large_reading or experiment.name in sources:
            left_out[experiment.name] = LEFT_OUT
        else:
            seen |= covered
    needed_sources = {
        experiment.after for experiment in paper.experiments if experiment.name not in left_out
    }
    return {name: why for name, why in left_out.items() if name not in needed_sources}
