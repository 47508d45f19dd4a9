"""Which experiments are trained: those that `--only` names, and what `--smoke` leaves out."""

from collections.abc import Sequence

from ferjax.config.reproduce_config import ReproduceConfig
from ferjax.errors import unknown_name
from ferjax.recipes import RECIPES
from ferjax.reproduce.experiment_table import ROLES, Experiment
from ferjax.reproduce.paper_table import Paper

# Networks that take long to compile.
_LARGE = ("efficientnet", "resnet")


def chosen_experiments(config: ReproduceConfig, paper: Paper) -> Sequence[Experiment]:
    """Returns the experiments that `--only` names, by themselves or by their roles.

    With them come those that they start from.

    Raises:
      UserError: a name of no experiment and no role.
    """
    names = [one.name for one in paper.experiments]
    for wanted in config.only:
        if wanted not in (*names, *ROLES):
            raise unknown_name("--only", wanted, (*names, *ROLES))
    if not config.only:
        return paper.experiments
    chosen = {one.name for one in paper.experiments if {one.name, one.role} & set(config.only)}
    for one in reversed(paper.experiments):  # what another starts from is above it
        if one.name in chosen and one.after:
            chosen.add(one.after)
    return [one for one in paper.experiments if one.name in chosen]


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
