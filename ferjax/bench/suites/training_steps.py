"""Suite `train`: whole training steps of cnn3 to cnn6, awei and torchvision's networks."""

from typing import Any

from ferjax.bench.measuring.case import Case
from ferjax.bench.measuring.train_step_case import train_case
from ferjax.bench.pytorch import networks
from ferjax.bench.suites.awei_jumper import awei_step


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    return (
        *(_depth_cnn(depth) for depth in (3, 4, 5, 6)),
        _torchvision("resnet18", batch_size=16),
        _torchvision("resnet50", batch_size=8),
        # PyTorch's dropout would draw other masks.
        _torchvision("efficientnet_b1", batch_size=16, dropout=0.0, stochastic_depth_prob=0.0),
        _torchvision("vgg16", batch_size=8, dropout=0.0),
        awei_step(),
    )


def _depth_cnn(depth: int) -> Case:
    return train_case(
        f"cnn{depth}",
        side=48,
        channels=1,
        batch_size=128,
        optimizer="adamw",
        twin=lambda: networks.depth_cnn(depth),
        quick=depth == 6,
    )


def _torchvision(name: str, batch_size: int, **fields: Any) -> Case:
    """Returns the case of a network; torchvision's network of that name gets the fields."""
    return train_case(
        name,
        side=128,
        channels=3,
        batch_size=batch_size,
        optimizer="sgd",
        twin=lambda: networks.torchvision_network(name, **fields),
        memory=True,
    )
