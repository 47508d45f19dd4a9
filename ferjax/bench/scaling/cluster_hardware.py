"""Hardware of GPU and TPU clusters: peak FLOP/s, bandwidths, latencies, with sources."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Accelerator:
    """A GPU or TPU chip.

    Attributes:
      name: name of the chip, and the precision of its products.
      flops: peak FLOP/s in dense products of that precision.
      memory: bytes per second between the chip and its memory; None where it is not modelled.
    """

    name: str
    flops: float
    memory: float | None = None


@dataclass(frozen=True)
class Link:
    """An interconnect between devices.

    Attributes:
      bandwidth: bytes per second that each device can send while it receives as many.
      hop: latency in seconds from a device to its neighbour in a ring.
      level: latency in seconds per level of a tree; None where only rings are possible.
      axes: number of axes of the torus that the links form; 1 for a ring.
    """

    bandwidth: float
    hop: float
    level: float | None = None
    axes: int = 1


@dataclass(frozen=True)
class Cluster:
    """A cluster of equal nodes.

    Attributes:
      name: name of the cluster.
      accelerator: the chip, the same everywhere.
      inside: the link between the devices of a node.
      between: the link between nodes, with one device's share of its bandwidth; None for one node.
      node: devices per node.
    """

    name: str
    accelerator: Accelerator
    inside: Link
    between: Link | None
    node: int


# NVIDIA's data sheets. H100 and H200 (SXM): TF32 989 TFLOP/s and bf16 1,979 TFLOP/s with sparsity,
# half without; memory 3.35 TB/s (H100) and 4.8 TB/s (H200). H100 PCIe: TF32 756 TFLOP/s with
# sparsity. XLA multiplies float32 in TF32 there, and so do the convolutions of cuDNN that it calls.
_H100 = Accelerator("H100 SXM, TF32", 494.5e12, 3.35e12)
# GPU → precision of `--precision` → chip.
GPUS: Mapping[str, Mapping[str, Accelerator]] = {
    "H100": {"f32": _H100, "bf16": Accelerator("H100 SXM, bf16", 989e12, 3.35e12)},
    "H200": {
        "f32": Accelerator("H200 SXM, TF32", 494.5e12, 4.8e12),
        "bf16": Accelerator("H200 SXM, bf16", 989e12, 4.8e12),
    },
}
_H100_PCIE = Accelerator("H100 PCIe, TF32", 378e12)
# Google Cloud's page on v5p: 459 TFLOP/s in bf16, in which XLA multiplies float32 by default.
_V5P = Accelerator("TPU v5p, bf16 products", 459e12)

# Hop and level latencies of NVIDIA's links: NCCL's own tuning table, protocol LL, as PyTorch's
# Inductor holds it (NVLink 0.6, PCI 1.0, network 2.7 in a ring and 5.0 in a tree, microseconds).
# H100 data sheet: NVLink 900 GB/s, both directions together.
_NVLINK4 = Link(450e9, 0.6e-6)
# PCIe 5.0: 32 GT/s x 16 lanes x 128/130 / 8.
_PCIE5 = Link(63e9, 1.0e-6)
# InfiniBand NDR, 400 Gb/s, one adapter per GPU as in a DGX H100.
_NDR = Link(50e9, 2.7e-6, 5.0e-6)
# Ethernet, one port per node for its 8 devices. 20 microseconds for TCP through two kernels is an
# assumption.
_E100 = Link(100e9 / 8 / 8, 20e-6, 20e-6)
_E25 = Link(25e9 / 8 / 8, 20e-6, 20e-6)
# Google Cloud's page on v5p: 1,200 GB/s a chip, both directions together, a 3D torus, hosts of 4
# chips. 1 microsecond a hop is an assumption.
_ICI = Link(600e9, 1.0e-6, axes=3)

CLUSTERS = (
    Cluster("NVLink 4 + InfiniBand NDR", _H100, _NVLINK4, _NDR, node=8),
    Cluster("NVLink 4 + 100 GbE", _H100, _NVLINK4, _E100, node=8),
    Cluster("PCIe 5 x16 + 100 GbE", _H100_PCIE, _PCIE5, _E100, node=8),
    Cluster("PCIe 5 x16 + 25 GbE", _H100_PCIE, _PCIE5, _E25, node=8),
    Cluster("TPU v5p ICI", _V5P, _ICI, None, node=8960),
)
