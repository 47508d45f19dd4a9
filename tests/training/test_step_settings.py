"""Settings of a training step that do not fit each other."""

from typing import Any

import optax
import pytest
from flax import linen as nn

from ferjax.errors import UserError
from ferjax.experiment import prepare_run
from ferjax.images.augment import AUGMENTS, Augment
from ferjax.recipes import resolve
from ferjax.runs import task
from ferjax.specs import InputSpec
from ferjax.training.losses import cross_entropy, multi_target
from ferjax.training.step_settings import StepSettings


def settings(**given: Any) -> StepSettings:
    optimizer = optax.with_extra_args_support(optax.sgd(0.1))
    spec = InputSpec((8, 8), 8, 1, (0.5,), (0.25,))
    return StepSettings(nn.Dense(3), optimizer, optax.constant_schedule(0.1), spec, **given)


@pytest.mark.parametrize("augment", [AUGMENTS["strong"], Augment(mixup=0.2), Augment(cutmix=1.0)])
def test_multi_target_takes_no_mixed_targets(augment: Augment) -> None:
    assert settings(augment=augment, loss=cross_entropy).augment == augment
    with pytest.raises(UserError, match="mixup and cutmix of --augment give shares"):
        settings(augment=augment, loss=multi_target)
    assert settings(augment=AUGMENTS["fer"], loss=multi_target).loss is multi_target
    assert settings(augment=lambda key, images, index: images, loss=multi_target)


def test_it_is_refused_before_the_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "load_dataset", lambda *_, **__: pytest.fail("read"))
    given = {
        "model": "cnn3",
        "dataset": "ferplus",
        "labels": "multi_target",
        "label_smoothing": 0.0,
    }
    config = resolve({**given, "loss": "multi_target", "augment": "strong"})
    with pytest.raises(UserError, match="mixup and cutmix of --augment give shares"):
        prepare_run(config)
