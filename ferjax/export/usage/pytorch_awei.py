"""Part of the PyTorch modules that `launch.export --format=pytorch` writes: Awei's network."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# Variant of the jumper → {layer: (index of its filters' width in `widths`, side of its pool)}.
LAYERS = {
    "input": {"jumper": (4, 32)},
    "conv1": {"jumper": (4, 32)},
    "staged": {"jumper1": (2, 4), "jumper2": (4, 4)},
    "double": {"jumper1": (2, 8), "jumper2": (4, 4)},
    "none": {},
}


class Awei(nn.Module):
    """Five convolutions, each pooled by 2, with residual jumpers; optionally guided by VGG16."""

    def __init__(self, settings: dict[str, Any], classes: int, side: int, channels: int) -> None:
        super().__init__()
        widths = settings["widths"]
        self.variant, self.guided = settings["jumper"], settings["guide"] == "vgg16"
        self.dropout = settings["dropout"]
        # Channels of the map from which the first jumper starts.
        first_channels = {"conv1": widths[0], "staged": widths[0]}.get(self.variant, channels)
        self.pools = {}
        for name, (width_index, pool) in LAYERS[self.variant].items():
            inputs = first_channels if name != "jumper2" else widths[2]
            self.add_module(name, nn.Conv2d(inputs, widths[width_index], 3, padding=1))
            self.pools[name] = pool
        for block, width in enumerate(widths, start=1):
            self.add_module(f"conv{block}", nn.Conv2d(channels, width, 3, padding=1))
            channels = width
        if self.guided:
            self.guide = Trunk(3, [64, 128, 256, 512, 512], [2, 2, 3, 3, 3])
        self.dense = nn.Linear((side // 32) ** 2 * widths[4], settings["hidden"])
        self.head = nn.Linear(settings["hidden"], classes)

    def jump(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Returns the output of a jumper: convolution, ReLU, max pool."""
        return F.max_pool2d(F.relu(getattr(self, name)(x)), self.pools[name])

    def forward(self, image: torch.Tensor, guide_image: torch.Tensor | None = None) -> torch.Tensor:
        """Maps normalised faces [N, 3, S, S], also normalised for the guide, to logits [N, K]."""
        x, added = image, {}
        if self.variant == "input":
            added[5] = self.jump("jumper", image)
        elif self.variant == "double":
            added[5] = self.jump("jumper2", self.jump("jumper1", image))
        for block in range(1, 6):
            x = F.relu(getattr(self, f"conv{block}")(x))
            if self.variant == "conv1" and block == 1:
                added[5] = self.jump("jumper", x)
            x = F.max_pool2d(x, 2)
            if block in added:
                x = x + added[block]
            if self.variant == "staged" and block == 1:
                added[3] = self.jump("jumper1", x)
            if self.variant == "staged" and block == 3:
                added[5] = self.jump("jumper2", x)
        if self.guided:
            with torch.no_grad():
                x = x + self.guide(image if guide_image is None else guide_image)
        x = F.dropout(flatten(x), self.dropout, self.training)
        return self.head(F.relu(self.dense(x)))
