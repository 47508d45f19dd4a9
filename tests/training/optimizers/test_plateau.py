"""The plateau against torch's ReduceLROnPlateau."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.training.optimizers.plateau import Plateau, after_evaluation


@pytest.mark.parity
@settings(deadline=None)
@given(
    # Few values, so that ties are common.
    accuracies=st.lists(
        st.one_of(st.sampled_from([0.0, 0.25, 0.5, float("nan")]), st.floats(0, 1))
    ),
    patience=st.integers(0, 4),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_any_series_equals_torch(accuracies: list[float], patience: int, factor: float) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=factor, patience=patience, threshold=0, eps=0
    )
    ours = Plateau()
    for accuracy in accuracies:
        theirs.step(accuracy)
        ours = after_evaluation(ours, accuracy, patience=patience, factor=factor)
        assert ours.scale == optimizer.param_groups[0]["lr"]
        assert ours.waited == theirs.num_bad_epochs


def test_by_hand() -> None:
    plateau, scales = Plateau(), []
    for accuracy in (0.3, 0.5, 0.5, 0.4, 0.5, 0.6, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        plateau = after_evaluation(plateau, accuracy, patience=2, factor=0.5)
        scales.append(plateau.scale)
    # Equalling the best is no gain; the third evaluation without one lowers the rate.
    assert scales == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert plateau == Plateau(best=0.6, waited=0, scale=0.125)


@pytest.mark.parametrize("accuracies", [(), (0.5, 0.4)])
def test_survives_json(accuracies: tuple[float, ...]) -> None:
    plateau = Plateau()
    for accuracy in accuracies:
        plateau = after_evaluation(plateau, accuracy, patience=3, factor=0.1)
    text = json.dumps(dataclasses.asdict(plateau), allow_nan=False)
    assert Plateau(**json.loads(text)) == plateau
