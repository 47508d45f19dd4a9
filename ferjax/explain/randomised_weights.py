"""The sanity check with randomised weights: does a map depend on what the network has learnt?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.explain.explainer import Explainer
from ferjax.explain.layers import modules_in_order
from ferjax.training.state import init_variables

# Number of networks in the cascade, at most.
_STAGES = 5


def cascade(explainer: Explainer, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Returns {name: variables}, with more and more modules initialised afresh, from the head down.

    The name states the fresh modules. In the last entry all modules are fresh.

    Args:
      explainer: the explainer of the trained network.
      seed: seed of the fresh parameters and statistics.

    References:
      Adebayo et al., Sanity checks for saliency maps, 2018, section 3.
    """
    run = explainer.run
    fresh = init_variables(run.model, run.spec, seed)
    modules = [m for m in modules_in_order(run.model, run.spec) if m in fresh["params"]][::-1]
    ends = np.unique(np.ceil(np.linspace(1, len(modules), _STAGES)).astype(int))
    return {
        _name_of(modules, int(end)): _with_fresh(run.variables, fresh, modules[:end])
        for end in ends
    }


def _name_of(modules: Sequence[str], end: int) -> str:
    """Returns the name of the network whose first `end` modules are fresh."""
    if end == len(modules):
        return "all"
    return modules[0] if end == 1 else f"{modules[0]} to {modules[end - 1]}"


def _with_fresh(
    variables: Mapping[str, Any], fresh: Mapping[str, Any], modules: Sequence[str]
) -> dict[str, Any]:
    """Returns the variables with those of some outermost modules replaced, in every collection."""
    replaced = set(modules)
    return {
        collection: {
            name: fresh[collection][name] if name in replaced else value
            for name, value in values.items()
        }
        for collection, values in variables.items()
    }


def rank_correlation(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns Spearman's correlation of each pair of maps, float64 [N], -1 to 1.

    Equal values share their mean rank. The correlation with a constant map is 0.

    Args:
      maps: float [N, H, W].
      others: float [N, H, W].
    """
    # scipy is installed with jax. It is imported here, because the import takes longer than a map.
    from scipy.stats import rankdata

    a, b = (rankdata(each.reshape(len(each), -1), axis=1) for each in (maps, others))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    lengths = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.where(lengths > 0, (a * b).sum(1) / np.where(lengths > 0, lengths, 1), 0.0)


def similarity_to_randomised(
    explainer: Explainer,
    faces: Sequence[np.ndarray],
    targets: np.ndarray,
    method: str,
    layer: str | None = None,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Returns {fresh modules: mean rank correlation with the maps of the trained network}.

    The entry `another face` compares maps of the trained network for different faces: it shows how
    similar two maps are that do not belong to the same face.

    Args:
      explainer: the explainer of the trained network.
      faces: uint8 [h, w, 1 or 3] each.
      targets: int [N], the explained class of each face, the same for every network.
      method: a name of `METHODS`.
      layer: as in `explain`.
      seed: seed of the fresh parameters.
    """
    layer_map = explainer.find_layer(method, layer)
    trained_maps = explainer.importance(faces, targets, method, layer_map)
    shifted_maps = np.roll(trained_maps, 1, axis=0)
    correlations = {"another face": float(rank_correlation(trained_maps, shifted_maps).mean())}
    for name, variables in cascade(explainer, seed).items():
        maps = explainer.importance(faces, targets, method, layer_map, variables)
        correlations[name] = float(rank_correlation(trained_maps, maps).mean())
    return correlations
