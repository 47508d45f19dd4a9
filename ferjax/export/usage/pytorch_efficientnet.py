"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: EfficientNet."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Conv(nn.Conv2d):
    """Convolution without bias, padded by half its kernel, or (`same`) in TensorFlow's way."""

    def __init__(
        self, inputs: int, filters: int, side: int, stride: int, same: bool, groups: int = 1
    ) -> None:
        padding = 0 if same else side // 2
        super().__init__(inputs, filters, side, stride, padding, groups=groups, bias=False)
        self.same = same

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, H, W] to [N, filters, ceil(H / stride), ceil(W / stride)]."""
        if self.same:
            edges = []
            for size in (x.shape[3], x.shape[2]):
                side, stride = self.kernel_size[0], self.stride[0]
                total = max((-(-size // stride) - 1) * stride + side - size, 0)
                edges += [total // 2, total - total // 2]
            x = F.pad(x, edges)
        return super().forward(x)


class MBConv(nn.Module):
    """Inverted bottleneck: expand, depthwise, squeeze and excite, project, shortcut."""

    def __init__(
        self,
        channels: int,
        width: int,
        expansion: int,
        side: int,
        stride: int,
        eps: float,
        same: bool,
    ) -> None:
        super().__init__()
        inside, squeezed = channels * expansion, max(1, channels // 4)
        self.shortcut = stride == 1 and channels == width
        self.expanded = expansion > 1
        if self.expanded:
            self.expand_conv = Conv(channels, inside, 1, 1, same)
            self.expand_bn = nn.BatchNorm2d(inside, eps)
        self.dw_conv = Conv(inside, inside, side, stride, same, inside)
        self.dw_bn = nn.BatchNorm2d(inside, eps)
        self.se_reduce = nn.Linear(inside, squeezed)
        self.se_expand = nn.Linear(squeezed, inside)
        self.project_conv = Conv(inside, width, 1, 1, same)
        self.project_bn = nn.BatchNorm2d(width, eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, H, W] to [N, width, ceil(H / stride), ceil(W / stride)]."""
        inputs = x
        if self.expanded:
            x = F.silu(self.expand_bn(self.expand_conv(x)))
        x = F.silu(self.dw_bn(self.dw_conv(x)))
        gate = self.se_expand(F.silu(self.se_reduce(x.mean((2, 3)))))
        x = x * torch.sigmoid(gate)[:, :, None, None]
        x = self.project_bn(self.project_conv(x))
        return x + inputs if self.shortcut else x


class EfficientNet(nn.Module):
    """Stem, stages of inverted bottlenecks, a 1x1 convolution, mean, head."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        super().__init__()
        eps, same = settings["bn_eps"], settings["padding"] == "same"
        self.dropout, self.blocks = settings["dropout"], []

        def widen(filters: int) -> int:
            exact = filters * settings["width_factor"]
            rounded = max(8, int(exact + 4) // 8 * 8)
            return rounded + 8 if rounded < 0.9 * exact else rounded

        width = widen(settings["stem_width"])
        self.stem_conv = Conv(channels, width, 3, 2, same)
        self.stem_bn = nn.BatchNorm2d(width, eps)
        for number, stage in enumerate(settings["stages"], start=1):
            expansion, kernel, stride, filters, repeats = stage
            for i in range(math.ceil(repeats * settings["depth_factor"])):
                step, inputs, width = 1 if i else stride, width, widen(filters)
                self.blocks.append(f"stage{number}_block{i}")
                block = MBConv(inputs, width, expansion, kernel, step, eps, same)
                self.add_module(self.blocks[-1], block)
        top = widen(settings["top_width"])
        self.top_conv, self.top_bn = Conv(width, top, 1, 1, same), nn.BatchNorm2d(top, eps)
        add_head(self, top, settings["head_widths"], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps normalised faces [N, C, S, S] to logits [N, K]."""
        x = F.silu(self.stem_bn(self.stem_conv(x)))
        for name in self.blocks:
            x = getattr(self, name)(x)
        x = F.silu(self.top_bn(self.top_conv(x)))
        return classify(self, x.mean((2, 3)), self.dropout)
