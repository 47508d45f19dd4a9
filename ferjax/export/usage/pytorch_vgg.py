"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: VGG and its trunk."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Stage(nn.Module):
    """3x3 convolutions with ReLU, then a 2x2 max pool."""

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__()
        for i in range(size):
            self.add_module(f"conv{i + 1}", nn.Conv2d(width if i else channels, width, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, H, W] to [N, width, H // 2, W // 2]."""
        for conv in self.children():
            x = F.relu(conv(x))
        return F.max_pool2d(x, 2)


class Trunk(nn.Module):
    """The stages of VGG."""

    def __init__(self, channels: int, widths: list[int], sizes: list[int]) -> None:
        super().__init__()
        for stage, (width, size) in enumerate(zip(widths, sizes, strict=True), start=1):
            self.add_module(f"stage{stage}", Stage(channels, width, size))
            channels = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, H, W] to [N, width, H // 32, W // 32]."""
        for name, stage in self.named_children():
            x = stage(x) if name.startswith("stage") else x
        return x


class VGG(Trunk):
    """VGG: stages, pooling, dense layers."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        super().__init__(channels, settings["widths"], settings["stage_sizes"])
        self.flat, self.dropout = settings["pooling"] == "flatten", settings["dropout"]
        features = settings["widths"][-1] * (49 if self.flat else 1)
        add_head(self, features, settings["head_widths"], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps normalised faces [N, C, S, S] to logits [N, K]."""
        x = super().forward(x)
        x = flatten(F.adaptive_avg_pool2d(x, 7)) if self.flat else x.mean((2, 3))
        return classify(self, x, self.dropout)
