"""Suite `scaling`: device layouts, the training steps to measure, the networks to predict."""

from dataclasses import dataclass, replace

from ferjax.models.registry import MODELS


@dataclass(frozen=True)
class Layout:
    """The devices that share a training step.

    Attributes:
      processes: number of processes, joined into one run.
      each: simulated devices of every process.
    """

    processes: int
    each: int

    @property
    def devices(self) -> int:
        """Returns the number of devices of all processes."""
        return self.processes * self.each

    def __str__(self) -> str:
        if self.processes == 1:
            return f"{self.each} device{'s' if self.each > 1 else ''}"
        return f"{self.processes} processes x {self.each}"


@dataclass(frozen=True)
class Workload:
    """The flags of a run that decide what its training step computes.

    Attributes:
      model: the network's name.
      image_size: side of its input, pixels.
      channels: channels of its input.
      batch_size: images per step, over all devices.
      optimizer: the optimizer's name.
      shard_params: whether each device holds a share of the state.
      jumper: awei's jumper, or None.
      head_widths: widths of the classifier's hidden layers, or None for the network's own.
      pooling: vgg's pooling, or None.
    """

    model: str
    image_size: int
    channels: int
    batch_size: int
    optimizer: str
    shard_params: bool = False
    jumper: str | None = None
    head_widths: tuple[int, ...] | None = None
    pooling: str | None = None

    def __str__(self) -> str:
        return f"{self.model} {self.image_size} px"


@dataclass(frozen=True)
class Scaling:
    """One measurement: a training step on every layout.

    Attributes:
      workload: the step; its batch size is that of one device.
      weak: weak scaling, the batch grows with the devices; else it is the same on every layout.
      layouts: the layouts; the others are compared with the first one.
    """

    workload: Workload
    weak: bool
    layouts: tuple[Layout, ...]

    def batch_on(self, layout: Layout) -> int:
        """Returns the images per step on a layout, over all its devices."""
        return self.workload.batch_size * (layout.devices if self.weak else 1)

    def __str__(self) -> str:
        batch = f"{self.workload.batch_size} images" + (" a device" if self.weak else "")
        return f"{self.workload}, {batch}"


_DEVICES = (Layout(1, 1), Layout(1, 2), Layout(1, 4))
_ALL = (*_DEVICES, Layout(2, 1), Layout(2, 2))

_CNN3 = Workload("cnn3", 48, 1, 128, "adamw")
_RESNET18 = Workload("resnet18", 64, 3, 32, "sgd")
# At 224 px its dense layer alone has 45 million weights, which takes long to compile on a CPU.
_AWEI = Workload("awei", 64, 3, 32, "adam", jumper="input")

MEASURED = (
    Scaling(_CNN3, weak=False, layouts=_ALL),
    Scaling(replace(_CNN3, batch_size=32), weak=True, layouts=_DEVICES),
    Scaling(_RESNET18, weak=False, layouts=_ALL),
)
QUICK_MEASURED = (Scaling(_CNN3, weak=False, layouts=(*_DEVICES, Layout(2, 1))),)

# Steps whose traffic is counted, with a replicated state and with one split over the devices.
COUNTED = (_CNN3, _RESNET18, _AWEI)
QUICK_COUNTED = COUNTED[:1]
COUNTED_ON = Layout(1, 4)

# Network → data set of its paper's recipe; networks without a paper get the largest data set.
_PAPER_DATASETS = {"awei": "rafdb", "base_cnn": "sfew", "resnet18": "sfew"}
PREDICTED = {model: _PAPER_DATASETS.get(model, "fer2013") for model in MODELS}
# The networks of the five papers; tracing the others takes a minute.
PAPERS = ("awei", "base_cnn", "cnn3", "cnn6", "efficientnet_b1", "resnet18", "resnet50", "vgg16")
