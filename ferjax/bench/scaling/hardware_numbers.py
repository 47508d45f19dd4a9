"""The machines that predictions are made for: literal numbers, each with its source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accelerator:
    """A device that computes.

    Attributes:
      name: its name.
      flops: peak of dense products of float32 arrays at XLA's default precision, a second.
    """

    name: str
    flops: float


@dataclass(frozen=True)
class Link:
    """What joins devices.

    Attributes:
      bandwidth: bytes a second that each device can send while it receives as many.
      hop: seconds from a device to its neighbour in a ring.
      level: seconds a level of a tree, where small sums may take one; None: rings alone.
      axes: of the torus that the links form; 1 for a ring.
    """

    bandwidth: float
    hop: float
    level: float | None = None
    axes: int = 1


@dataclass(frozen=True)
class Fabric:
    """A cluster of equal nodes.

    Attributes:
      name: its name.
      accelerator: of all its devices.
      inside: joins the devices of a node.
      between: joins the nodes, its bandwidth a device's share; None where one node is all there is.
      node: devices of a node.
      host: devices whose images one host delivers.
    """

    name: str
    accelerator: Accelerator
    inside: Link
    between: Link | None
    node: int
    host: int


# NVIDIA's H100 data sheet: TF32 989 TFLOP/s (SXM) and 756 (PCIe) with sparsity, half without. XLA
# multiplies float32 in TF32 there.
_H100 = Accelerator("H100 SXM, TF32", 494.5e12)
_H100_PCIE = Accelerator("H100 PCIe, TF32", 378e12)
# Google Cloud's page on v5p: 459 TFLOP/s in bf16, in which XLA multiplies float32 by default.
_V5P = Accelerator("TPU v5p, bf16 products", 459e12)

# Hop and level latencies of NVIDIA's links: NCCL's own tuning table, protocol LL, as PyTorch's
# Inductor holds it (NVLink 0.6, PCI 1.0, network 2.7 in a ring and 5.0 in a tree, microseconds).
# H100 data sheet: NVLink 900 GB/s, both directions together.
_NVLINK4 = Link(450e9, 0.6e-6)
# PCIe 5.0: 32 GT/s x 16 lanes x 128/130 / 8.
_PCIE5 = Link(63e9, 1.0e-6)
# InfiniBand NDR, 400 Gb/s, an adapter a GPU as in a DGX H100.
_NDR = Link(50e9, 2.7e-6, 5.0e-6)
# Ethernet, one port of a node for its 8 devices. 20 microseconds for TCP's way through two kernels
# is an assumption.
_E100 = Link(100e9 / 8 / 8, 20e-6, 20e-6)
_E25 = Link(25e9 / 8 / 8, 20e-6, 20e-6)
# Google Cloud's page on v5p: 1,200 GB/s a chip, both directions together, a 3D torus, hosts of 4
# chips. 1 microsecond a hop is an assumption.
_ICI = Link(600e9, 1.0e-6, axes=3)

FABRICS = (
    Fabric("NVLink 4 + InfiniBand NDR", _H100, _NVLINK4, _NDR, node=8, host=8),
    Fabric("NVLink 4 + 100 GbE", _H100, _NVLINK4, _E100, node=8, host=8),
    Fabric("PCIe 5 x16 + 100 GbE", _H100_PCIE, _PCIE5, _E100, node=8, host=8),
    Fabric("PCIe 5 x16 + 25 GbE", _H100_PCIE, _PCIE5, _E25, node=8, host=8),
    Fabric("TPU v5p ICI", _V5P, _ICI, None, node=8960, host=4),
)


@dataclass(frozen=True)
class Storage:
    """Where checkpoints go.

    Attributes:
      name: its name.
      each: bytes a second that one host can write to it.
      total: bytes a second that all hosts together can.
    """

    name: str
    each: float
    total: float


# 10 GbE carries 1.25 GB/s; 20 GB/s in all is what a small parallel file system gives, and 5 GB/s a
# host less than half of its NDR adapter: both assumed.
STORAGES = (
    Storage("NFS over 10 GbE", 1.25e9, 1.25e9),
    Storage("parallel file system", 5e9, 20e9),
)


@dataclass(frozen=True)
class Images:
    """The training images of a data set.

    Attributes:
      count: in its training split.
      size: bytes of one as it is cached and sent to the device.
      decoded: images a second that one core decodes, or None where there are no files to decode.
    """

    count: int
    size: int
    decoded: float | None


# Counts: FER2013's Training rows; RAF-DB's train lines; P3's kept faces of SFEW. Decoding: the page
# "From files to batches" of BUILD.md, JPEG of 100 px, 2 cores, the lower end; FER2013 is a csv.
IMAGES = {
    "fer2013": Images(28_709, 48 * 48, None),
    "rafdb": Images(12_271, 100 * 100 * 3, 5_400 / 2),
    "sfew": Images(489, 120 * 120 * 3, 5_400 / 2),
}
# There, too: 1.29 M cached faces of 48x48 bytes a second from one host of 2 cores.
CACHED_BYTES = 1.29e6 * 48 * 48
