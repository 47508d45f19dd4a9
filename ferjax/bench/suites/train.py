"""Suite `train`: whole training steps of every network."""

from ferjax.bench import torch_nets
from ferjax.bench.case import Case
from ferjax.bench.suites.jumper import awei_step
from ferjax.bench.train_case import train_case


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
        twin=lambda: torch_nets.depth_cnn(depth),
        quick=depth == 6,
    )


def _resnet(depth: int, batch_size: int) -> Case:
    return train_case(
        f"resnet{depth}",
        side=128,
        channels=3,
        batch_size=batch_size,
        optimizer="sgd",
        twin=lambda: torch_nets.resnet(depth),
        memory=True,
    )
