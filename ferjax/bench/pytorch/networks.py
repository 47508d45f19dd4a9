"""PyTorch modules of the same networks: peers of the benchmarks, references of the tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.convert.reference_library import import_torchvision


def _conv3(inputs: int, width: int, bias: bool = True) -> Any:
    from torch import nn

    return nn.Conv2d(inputs, width, 3, padding=1, bias=bias)


def depth_cnn(depth: int, classes: int = 7) -> Any:
    """Returns P4's CNN of `depth` blocks at 48 px: the first four blocks pool."""
    from torch import nn
    from torch.nn import functional

    class TorchDepthCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [1, 32, 64, 128, 256, 512, 512]
            for block in range(1, depth + 1):
                setattr(self, f"conv{block}", _conv3(widths[block - 1], widths[block], bias=False))
                setattr(self, f"bn{block}", nn.BatchNorm2d(widths[block]))
            side = {3: 6, 4: 3, 5: 3, 6: 3}[depth]
            self.dense = nn.Linear(side * side * widths[depth], 256)
            self.head = nn.Linear(256, classes)

        def forward(self, x: Any) -> Any:
            for block in range(1, depth + 1):
                x = getattr(self, f"bn{block}")(getattr(self, f"conv{block}")(x))
                x = functional.relu(x, inplace=True)
                if block <= 4:
                    x = functional.max_pool2d(x, 2)
            return self.head(functional.relu(self.dense(x.flatten(1)), inplace=True))

    return TorchDepthCNN()


def base_cnn(classes: int = 7) -> Any:
    """Returns PyTorch's MNIST example, without its dropouts, at 28 px."""
    from torch import nn
    from torch.nn import functional

    class TorchBaseCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
            self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
            self.dense = nn.Linear(320, 50)
            self.head = nn.Linear(50, classes)

        def forward(self, x: Any) -> Any:
            x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
            x = functional.relu(functional.max_pool2d(self.conv2(x), 2))
            return self.head(functional.relu(self.dense(x.flatten(1))))

    return TorchBaseCNN()


def awei(jumper: str, side: int, classes: int = 7) -> Any:
    """Returns P5's network (awei) with one of its jumpers, for images of `side` pixels."""
    from torch import nn
    from torch.nn import functional

    def relu(x: Any) -> Any:
        return functional.relu(x, inplace=True)

    def jump(x: Any, conv: Any, window: int) -> Any:
        return functional.max_pool2d(relu(conv(x)), window)

    class TorchAwei(nn.Module):
        conv1: Any
        conv2: Any
        conv3: Any
        conv4: Any
        conv5: Any

        def __init__(self) -> None:
            super().__init__()
            widths = [(3, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
            for block, (inputs, width) in enumerate(widths, start=1):
                setattr(self, f"conv{block}", _conv3(inputs, width))
            if jumper in ("input", "conv1"):
                self.jumper = _conv3({"input": 3, "conv1": 32}[jumper], 512)
            if jumper in ("staged", "double"):
                self.jumper1 = _conv3({"staged": 32, "double": 3}[jumper], 128)
                self.jumper2 = _conv3(128, 512)
            self.dense = nn.Linear((side // 32) ** 2 * 512, 1792)
            self.head = nn.Linear(1792, classes)

        def forward(self, x: Any) -> Any:
            conv1 = relu(self.conv1(x))
            pool1 = functional.max_pool2d(conv1, 2)
            pool2 = functional.max_pool2d(relu(self.conv2(pool1)), 2)
            pool3 = functional.max_pool2d(relu(self.conv3(pool2)), 2)
            if jumper == "staged":
                pool3 = pool3 + jump(pool1, self.jumper1, 4)
            pool4 = functional.max_pool2d(relu(self.conv4(pool3)), 2)
            pool5 = functional.max_pool2d(relu(self.conv5(pool4)), 2)
            if jumper == "staged":
                pool5 = pool5 + jump(pool3, self.jumper2, 4)
            elif jumper == "input":
                pool5 = pool5 + jump(x, self.jumper, 32)
            elif jumper == "conv1":
                pool5 = pool5 + jump(conv1, self.jumper, 32)
            elif jumper == "double":
                pool5 = pool5 + jump(jump(x, self.jumper1, 8), self.jumper2, 4)
            return self.head(relu(self.dense(pool5.flatten(1))))

    return TorchAwei()


def fernet(
    classes: int = 8,
    *,
    stem_width: int = 48,
    stage_sizes: Sequence[int] = (1, 2),
    widths: Sequence[int] = (64, 128),
    dropout: float = 0.0,
    stem: Any = None,
) -> Any:
    """Returns `fernet_s` for grey images, untrained, from torchvision's blocks.

    Args:
      classes: number of logits.
      stem_width: filters of the first layer.
      stage_sizes: number of blocks in each stage.
      widths: filters of each stage.
      dropout: rate before the head.
      stem: a convolution in place of the first layer and its batch norm, or None.
    """
    from torch import nn

    block = import_torchvision("torchvision.models.resnet").BasicBlock

    def stage(inputs: int, width: int, count: int) -> Any:
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width))
        further_blocks = [block(width, width) for _ in range(count - 1)]
        return nn.Sequential(block(inputs, width, 2, shortcut), *further_blocks)

    if stem is None:
        conv = _conv3(4, stem_width, bias=False)
        layers = [nn.PixelUnshuffle(2), conv, nn.BatchNorm2d(stem_width), nn.ReLU()]
    else:
        layers, stem_width = [stem, nn.ReLU()], stem.out_channels
    stages = zip((stem_width, *widths), widths, stage_sizes, strict=False)
    layers += [stage(inputs, width, count) for inputs, width, count in stages]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def whitening_stem(filters: np.ndarray) -> Any:
    """Returns a convolution of stride 2 with filters that are not trained, and a trained bias.

    Args:
      filters: float32 [side, side, 1, F].
    """
    import torch
    from torch import nn

    side, width = filters.shape[0], filters.shape[-1]
    conv = nn.Conv2d(1, width, side, 2, padding=(side - 1) // 2)
    conv.weight = nn.Parameter(
        torch.from_numpy(np.ascontiguousarray(filters.transpose(3, 2, 0, 1))), requires_grad=False
    )
    conv.bias = nn.Parameter(torch.zeros(width))
    return conv


def torchvision_network(name: str, classes: int = 7, **fields: Any) -> Any:
    """Returns torchvision's network of that name, untrained, with `classes` logits.

    Args:
      name: the network's name, the same in ferjax and torchvision.
      classes: number of logits.
      **fields: fields of the network, for instance `dropout`.
    """
    models = import_torchvision("torchvision.models")
    return models.get_model(name, weights=None, num_classes=classes, **fields)


def small_stem_resnet18(classes: int = 7) -> Any:
    """Returns torchvision's ResNet18 with a 3x3 first layer of stride 1 and without its pool."""
    from torch import nn

    network = torchvision_network("resnet18", classes)
    network.conv1 = _conv3(3, 64, bias=False)
    network.maxpool = nn.Identity()
    return network
