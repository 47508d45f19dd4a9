"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: the small CNNs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class DepthCNN(nn.Module):
    """Blocks of 3x3 convolution, batch norm, ReLU and 2x2 max pool, then two dense layers."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        super().__init__()
        self.depth, self.dropout = settings["depth"], settings["dropout"]
        self.pooled = []
        for block, width in enumerate(settings["widths"][: self.depth], start=1):
            self.add_module(f"conv{block}", nn.Conv2d(channels, width, 3, 1, 1, bias=False))
            self.add_module(f"bn{block}", nn.BatchNorm2d(width))
            # A map is pooled as long as half of its side is at least 3.
            self.pooled.append(side // 2 >= 3)
            side, channels = side // 2 if self.pooled[-1] else side, width
        self.dense = nn.Linear(side * side * channels, settings["hidden"])
        self.head = nn.Linear(settings["hidden"], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps normalised faces [N, C, S, S] to logits [N, K]."""
        for block, pooled in enumerate(self.pooled, start=1):
            x = F.relu(getattr(self, f"bn{block}")(getattr(self, f"conv{block}")(x)))
            x = F.max_pool2d(x, 2) if pooled else x
        x = F.dropout(flatten(x), self.dropout, self.training)
        x = F.dropout(F.relu(self.dense(x)), self.dropout, self.training)
        return self.head(x)


class BaseCNN(nn.Module):
    """Two 5x5 convolutions without padding, each pooled by 2, then two dense layers."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        super().__init__()
        first, second = settings["widths"]
        self.dropout = settings["dropout"]
        self.conv1, self.conv2 = nn.Conv2d(channels, first, 5), nn.Conv2d(first, second, 5)
        side = ((side - 4) // 2 - 4) // 2
        self.dense = nn.Linear(side * side * second, settings["hidden"])
        self.head = nn.Linear(settings["hidden"], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps normalised faces [N, C, S, S] to logits [N, K]."""
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.dropout2d(self.conv2(x), self.dropout, self.training)
        x = flatten(F.relu(F.max_pool2d(x, 2)))
        x = F.dropout(F.relu(self.dense(x)), self.dropout, self.training)
        return self.head(x)
