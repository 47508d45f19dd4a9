"""PyTorch modules of the same networks: peers of the benchmarks, references of the tests."""

from typing import Any

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


def fernet() -> Any:
    """Returns `fernet_s` for grey images, untrained, with 8 logits, from torchvision's blocks."""
    from torch import nn

    block = import_torchvision("torchvision.models.resnet").BasicBlock

    def stage(inputs: int, width: int, count: int) -> Any:
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width))
        further_blocks = [block(width, width) for _ in range(count - 1)]
        return nn.Sequential(block(inputs, width, 2, shortcut), *further_blocks)

    stem = [nn.PixelUnshuffle(2), _conv3(4, 48, bias=False), nn.BatchNorm2d(48), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 8)]
    return nn.Sequential(*stem, stage(48, 64, 1), stage(64, 128, 2), *head)


def torchvision_network(name: str, classes: int = 7, **fields: Any) -> Any:
    """Returns torchvision's network of that name, untrained, with `classes` logits.

    Args:
      name: the network's name, the same in ferjax and torchvision.
      classes: number of logits.
      **fields: fields of the network, for instance `dropout`.
    """
    models = import_torchvision("torchvision.models")
    return models.get_model(name, weights=None, num_classes=classes, **fields)
