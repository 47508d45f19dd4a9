"""What is measured and on what: a training step, and the devices and processes that share it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The devices that share a step.

    Attributes:
      processes: joined into one run.
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
    """A training step, as a run with these flags takes it.

    Attributes:
      model: the network's name.
      image_size: side of its input, pixels.
      channels: of its input.
      batch_size: images a step, over all devices.
      optimizer: its name.
      shard_params: whether each device holds a share of the state.
      jumper: awei's, or None.
      head_widths: of the classifier's hidden layers, or None for the network's own.
      pooling: of vgg, or None.
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
    """One thing to measure: a step on every layout.

    Attributes:
      workload: its batch size is that of one device.
      weak: whether the batch grows with the devices; else it is the same on all of them.
      layouts: the first is what the others are compared with.
    """

    workload: Workload
    weak: bool
    layouts: tuple[Layout, ...]

    def batch_on(self, layout: Layout) -> int:
        """Returns the images a step on a layout, over all its devices."""
        return self.workload.batch_size * (layout.devices if self.weak else 1)

    def __str__(self) -> str:
        batch = f"{self.workload.batch_size} images" + (" a device" if self.weak else "")
        return f"{self.workload}, {batch}"
