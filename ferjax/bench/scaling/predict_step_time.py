"""Predicted time of a training step on n devices: compute and all-reduce (ring, tree, torus).

    step(n)     = compute + norms(n) + max(0, gradient(n) - overlap x backward)
    compute     = max(batch x flops / (utilisation x peak), products x launch)
    backward    = 2/3 of compute
    norms(n)    = for each batch norm all_reduce(4 x channels) of its mean and of its variance, and
                  all_reduce(8 x channels) of its gradients
    gradient(n) = all_reduce(gradient bytes but those of norms, cut into buckets)
    all_reduce(S, n) = start + inside(S, g) + between(S/g, m),  g = min(n, node), m = n/g
    inside(S, g)  = 2 (g-1)/g S / (reached x bandwidth) + hops(g) hop
    between(S, m) = 2 (m-1)/m S / (reached x bandwidth) + min(hops(m) hop, 2 ceil(log2 m) level)
    hops(n)    = 2 a (n^(1/a) - 1) on a torus of a axes: 2 (n-1) in a ring
    efficiency  = step(1) / step(n),   images a second = n x batch / step(n)

The batch per device stays the same (weak scaling). A tree reaches a ring's bandwidth (Sanders,
Speck and Träff, Two-tree algorithms for full bandwidth broadcast, reduction and scan, 2009), so
that the lower of the two latencies counts. Where the bytes of a step were counted (suite `gpu`)
their time is the third bound of `compute` (`compute_bounds`).
"""

import math
from dataclasses import dataclass

from ferjax.bench.scaling.cluster_hardware import Accelerator, Cluster, Link
from ferjax.bench.scaling.step_costs import StepCosts

# The backward pass computes twice as much as the forward pass: gradients of kernels and of inputs.
_BACKWARD = 2 / 3
# Two float32 sums per channel.
_NORM_BYTES = 8


@dataclass(frozen=True)
class Assumptions:
    """The assumptions of a prediction.

    Attributes:
      utilisation: share of the peak FLOP/s that convolutions reach.
      launch: the least seconds of a convolution or product with the operations around it.
      reached: share of a link's bandwidth that collectives reach.
      start: seconds before the first byte of an all-reduce moves.
      bucket: bytes of gradients that XLA sums in one all-reduce.
      overlap: share of the backward pass that overlaps with the sums of gradients.
    """

    # An assumption, like `launch`: large convolutions in float32 reach about a third of the peak.
    utilisation: float = 0.3
    launch: float = 10e-6
    # An assumption: about what NCCL reaches in large sums over NVLink, 360 of 450 GB/s.
    reached: float = 0.8
    # NCCL's tuning table, ring, LL.
    start: float = 6.6e-6
    # XLA's default of xla_gpu_all_reduce_combine_threshold_bytes.
    bucket: int = 30 * 2**20
    # The pessimistic end: ferjax sets no flag of XLA that asks for overlap.
    overlap: float = 0.0


DEFAULT = Assumptions()
# The optimistic end: gradients are summed during the whole backward pass.
OVERLAPPED = Assumptions(overlap=1.0)


@dataclass(frozen=True)
class Step:
    """The seconds of a predicted step, in three parts.

    Attributes:
      compute: forward and backward pass of a device's images.
      norms: all-reduces of batch norms, which cannot overlap with anything.
      gradient: all-reduces of gradients, without the part that overlaps with the backward pass.
    """

    compute: float
    norms: float
    gradient: float

    @property
    def seconds(self) -> float:
        """Returns the time of the step."""
        return self.compute + self.norms + self.gradient

    @property
    def efficiency(self) -> float:
        """Returns the speed of each device over that of a single device, in (0, 1]."""
        return self.compute / self.seconds


def predict(
    costs: StepCosts, cluster: Cluster, devices: int, assumed: Assumptions = DEFAULT
) -> Step:
    """Returns the predicted step of a network.

    Args:
      costs: the network's step.
      cluster: the devices and their links.
      devices: at least 1; beyond one node, a multiple of the node's devices.
      assumed: the assumptions.
    """
    compute = compute_seconds(costs, cluster, assumed)
    norms = sum(
        all_reduce_seconds(size * channels, cluster, devices, assumed)
        for channels in costs.norm_channels
        for size in (_NORM_BYTES / 2, _NORM_BYTES / 2, _NORM_BYTES)
    )
    # The third all-reduce of a batch norm has summed the gradients of its scale and bias already.
    size = costs.gradient_bytes - _NORM_BYTES * sum(costs.norm_channels)
    full_buckets, rest = divmod(size, assumed.bucket)
    gradient = full_buckets * all_reduce_seconds(assumed.bucket, cluster, devices, assumed)
    gradient += all_reduce_seconds(rest, cluster, devices, assumed)
    overlapped = assumed.overlap * _BACKWARD * compute
    return Step(compute, norms, max(0.0, gradient - overlapped))


def compute_seconds(costs: StepCosts, cluster: Cluster, assumed: Assumptions = DEFAULT) -> float:
    """Returns the predicted seconds of a step on one device."""
    return max(compute_bounds(costs, cluster.accelerator, assumed).values())


def compute_bounds(
    costs: StepCosts, accelerator: Accelerator, assumed: Assumptions = DEFAULT
) -> dict[str, float]:
    """Returns what bounds a step on one device → its seconds; the step takes the longest of them.

    `arithmetic` is FLOPs over the share of the peak that is reached, `launches` the least time of
    the products, and `memory` the least bytes over the bandwidth, where both are known.
    """
    bounds = {
        "arithmetic": costs.batch * costs.flops / (assumed.utilisation * accelerator.flops),
        "launches": costs.products * assumed.launch,
    }
    if accelerator.memory and costs.moved_bytes:
        bounds["memory"] = costs.moved_bytes / accelerator.memory
    return bounds


def all_reduce_seconds(
    size: float, cluster: Cluster, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns the predicted seconds of one all-reduce.

    Args:
      size: bytes on each device.
      cluster: the devices and their links.
      devices: number of devices that take part.
      assumed: gives `reached` and `start`.
    """
    if devices == 1:
        return 0.0
    node_devices = min(devices, cluster.node)
    nodes = math.ceil(devices / node_devices)
    seconds = assumed.start + _ring_seconds(size, cluster.inside, node_devices, assumed)
    if cluster.between and nodes > 1:
        seconds += _ring_seconds(size / node_devices, cluster.between, nodes, assumed)
    return seconds


def _ring_seconds(size: float, link: Link, count: int, assumed: Assumptions) -> float:
    sent = 2 * (count - 1) / count * size
    latency = 2 * link.axes * (count ** (1 / link.axes) - 1) * link.hop
    if link.level is not None:
        latency = min(latency, 2 * math.ceil(math.log2(count)) * link.level)
    return sent / (assumed.reached * link.bandwidth) + latency
