"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: FerNet and ResNet."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# The convolutions of a block: side of the kernel, ratio of filters to the stage's width, and
# whether this one has the block's stride.
BLOCKS = {
    "basic": ((3, 1, True), (3, 1, False)),
    "bottleneck": ((1, 1, False), (3, 1, True), (1, 4, False)),
    "bottleneck_v1": ((1, 1, True), (3, 1, False), (1, 4, False)),
}


class Block(nn.Module):
    """Residual block: relu(shortcut(x) + branch(x))."""

    def __init__(
        self, kind: str, channels: int, width: int, stride: int, bias: bool, eps: float
    ) -> None:
        super().__init__()
        self.count, self.filters = len(BLOCKS[kind]), channels
        for i, (side, expansion, strided) in enumerate(BLOCKS[kind], start=1):
            inputs, self.filters = self.filters, width * expansion
            step = stride if strided else 1
            conv = nn.Conv2d(inputs, self.filters, side, step, side // 2, bias=bias)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(self.filters, eps))
        self.projected = stride > 1 or channels != self.filters
        if self.projected:
            self.downsample_conv = nn.Conv2d(channels, self.filters, 1, stride, bias=bias)
            self.downsample_bn = nn.BatchNorm2d(self.filters, eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, H, W] to [N, filters, H / stride, W / stride]."""
        branch = x
        for i in range(1, self.count + 1):
            branch = F.relu(branch) if i > 1 else branch
            branch = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(branch))
        if self.projected:
            x = self.downsample_bn(self.downsample_conv(x))
        return F.relu(x + branch)


class Residual(nn.Module):
    """Stages of residual blocks between a stem and the head; every later stage halves the map."""

    def __init__(
        self, settings: dict[str, Any], kind: str, channels: int, first_stride: int, classes: int
    ) -> None:
        super().__init__()
        bias, eps = settings.get("conv_bias", False), settings.get("bn_eps", 1e-5)
        self.blocks, self.dropout = [], settings["dropout"]
        sizes = zip(settings["stage_sizes"], settings["widths"], strict=True)
        for stage, (size, width) in enumerate(sizes, start=1):
            for i in range(size):
                stride = 1 if i else (first_stride if stage == 1 else 2)
                block = Block(kind, channels, width, stride, bias, eps)
                self.blocks.append(f"stage{stage}_block{i}")
                self.add_module(self.blocks[-1], block)
                channels = block.filters
        add_head(self, channels, settings["head_widths"], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps normalised faces [N, C, S, S] to logits [N, K]."""
        x = self.stem(x)
        for name in self.blocks:
            x = getattr(self, name)(x)
        return classify(self, x.mean((2, 3)), self.dropout)


class FerNet(Residual):
    """ferjax's small network: squares of 2x2 pixels become channels, then two stages."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        width = settings["stem_width"]
        super().__init__(settings, "basic", width, 2, classes)
        self.stem_conv = nn.Conv2d(4 * channels, width, 3, 1, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(width)

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, S, S] to [N, stem width, S / 2, S / 2]."""
        n, c, h, w = x.shape
        squares = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
        return F.relu(self.stem_bn(self.stem_conv(squares.reshape(n, 4 * c, h // 2, w // 2))))


class ResNet(Residual):
    """Residual network with a stem for large images, or (`small`) for faces of 48 pixels."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        kind, width = settings["block"], settings["widths"][0]
        if kind == "bottleneck" and not settings["stride_on_3x3"]:
            kind = "bottleneck_v1"
        super().__init__(settings, kind, width, 1, classes)
        self.small = settings["stem"] == "small"
        side, stride = (3, 1) if self.small else (7, 2)
        bias = settings["conv_bias"]
        self.stem_conv = nn.Conv2d(channels, width, side, stride, side // 2, bias=bias)
        self.stem_bn = nn.BatchNorm2d(width, settings["bn_eps"])

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, C, S, S] to [N, width, S / 4, S / 4], or [N, width, S, S] if `small`."""
        x = F.relu(self.stem_bn(self.stem_conv(x)))
        return x if self.small else F.max_pool2d(x, 3, 2, 1)
