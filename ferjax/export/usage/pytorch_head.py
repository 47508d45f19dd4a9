"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: the last layers."""

import torch
import torch.nn.functional as F
from torch import nn


def add_head(network: nn.Module, features: int, widths: list[int], classes: int) -> None:
    """Adds dense layers `head_dense1`, ... and `head` to a network."""
    for i, width in enumerate(widths, start=1):
        network.add_module(f"head_dense{i}", nn.Linear(features, width))
        features = width
    network.add_module("head", nn.Linear(features, classes))


def classify(network: nn.Module, x: torch.Tensor, dropout: float) -> torch.Tensor:
    """Maps features [N, F] to logits by the layers of `add_head`; dropout only in training."""
    hidden = [m for name, m in network.named_children() if name.startswith("head_dense")]
    for dense in hidden:
        x = F.dropout(F.relu(dense(x)), dropout, network.training)
    if not hidden:
        x = F.dropout(x, dropout, network.training)
    return network.head(x)


def flatten(x: torch.Tensor) -> torch.Tensor:
    """Returns a map [N, C, H, W] as features [N, H W C], the order of the dense layers' weights."""
    return x.permute(0, 2, 3, 1).flatten(1)
