"""Suite `train`: whole training steps of cnn3 to cnn6, resnet18, resnet50 and awei."""

from ferjax.bench.measuring.case import Case
from ferjax.bench.measuring.train_step_case import train_case
from ferjax.bench.pytorch import networks
from ferjax.bench.suites.awei_jumper import awei_step


def cases() -> tuple[Case, ...]:
    """Returns the suite."""
    return (
        *(_depth_cnn(depth) for depth in (3, 4, 5, 6)),
        _resnet(18, batch_size=16),
        _resnet(50, batch_size=8),
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


def _resnet(depth: int, batch_size: int) -> Case:
    return train_case(
        f"resnet{depth}",
        side=128,
        channels=3,
        batch_size=batch_size,
        optimizer="sgd",
        twin=lambda: networks.resnet(depth),
        memory=True,
    )
