"""The prediction: seconds of a training step on n devices, and what they are made of.

    step(n)     = compute + norms(n) + max(0, gradient(n) - overlap x backward)
    compute     = max(batch x flops / (utilisation x peak), products x launch)
    backward    = 2/3 of compute
    norms(n)    = for each batch norm twice all_reduce(8 x channels)
    gradient(n) = all_reduce(gradient bytes but those of norms, cut into buckets)
    all_reduce(S, n) = start + inside(S, g) + between(S/g, m),  g = min(n, node), m = n/g
    inside(S, g)  = 2 (g-1)/g S / (reached x bandwidth) + hops(g) hop
    between(S, m) = 2 (m-1)/m S / (reached x bandwidth) + min(hops(m) hop, 2 ceil(log2 m) level)
    hops(n)    = 2 a (n^(1/a) - 1) on a torus of a axes: 2 (n-1) in a ring
    efficiency  = step(1) / step(n),   images a second = n x batch / step(n)

The batch a device stays the same (weak scaling). A tree reaches a ring's bandwidth (Sanders, Speck
and Träff, Two-tree algorithms for full bandwidth broadcast, reduction and scan, 2009), so that the
better of their latencies counts.
"""

import dataclasses
import math
from dataclasses import dataclass

from ferjax.bench.scaling.hardware_numbers import Fabric, Link
from ferjax.bench.scaling.network_facts import Facts

# A forward pass, and twice as much backward: the gradients of kernels and of inputs.
_BACKWARD = 2 / 3
# Float32 of two sums a channel.
_NORM_BYTES = 8


@dataclass(frozen=True)
class Assumptions:
    """What a prediction takes for granted.

    Attributes:
      utilisation: share of the peak that convolutions reach.
      launch: seconds that a convolution or product and what surrounds it take at least.
      reached: share of a link's bandwidth that collectives reach.
      start: seconds before the first byte of an all-reduce moves.
      bucket: bytes of gradient that XLA sums at a time.
      overlap: share of the backward pass during which gradients are summed.
    """

    # An assumption, as is the next: large convolutions in float32 reach about a third of the peak.
    utilisation: float = 0.3
    launch: float = 10e-6
    # An assumption: about what NCCL reaches in large sums over NVLink, 360 of 450 GB/s.
    reached: float = 0.8
    # NCCL's tuning table, ring, LL.
    start: float = 6.6e-6
    # XLA's default of xla_gpu_all_reduce_combine_threshold_bytes.
    bucket: int = 30 * 2**20
    # The careful end: ferjax sets no flag of XLA that asks for overlap.
    overlap: float = 0.0


DEFAULT = Assumptions()
# The other end: gradients are summed during the whole backward pass.
OVERLAPPED = Assumptions(overlap=1.0)


@dataclass(frozen=True)
class Step:
    """Seconds of a predicted step.

    Attributes:
      compute: of a device's images.
      norms: of the sums of batch norms, which nothing hides.
      gradient: of the sums of gradients, as far as the backward pass does not hide them.
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
        """Returns the share of a lone device's speed that each device keeps."""
        return self.compute / self.seconds


def predict(
    facts: Facts, fabric: Fabric, devices: int, assumed: Assumptions = DEFAULT, wire: float = 1.0
) -> Step:
    """Returns the predicted step of a network on some devices.

    Args:
      facts: the network's.
      fabric: what the devices are and how they are joined.
      devices: how many, at least 1; whole nodes where they are more than one node.
      assumed: the rest.
      wire: what is sent for the gradient over what an all-reduce of it sends.
    """
    compute = compute_seconds(facts, fabric, assumed)
    norms = sum(
        2 * all_reduce_seconds(_NORM_BYTES * channels, fabric, devices, assumed)
        for channels in facts.norm_channels
    )
    # Those of a norm's scale and bias were summed with its second sum.
    size = facts.gradient_bytes - _NORM_BYTES * sum(facts.norm_channels)
    whole, rest = divmod(wire * size, assumed.bucket)
    gradient = whole * all_reduce_seconds(assumed.bucket, fabric, devices, assumed)
    gradient += all_reduce_seconds(rest, fabric, devices, assumed)
    hidden = assumed.overlap * _BACKWARD * compute
    return Step(compute, norms, max(0.0, gradient - hidden))


def compute_seconds(facts: Facts, fabric: Fabric, assumed: Assumptions = DEFAULT) -> float:
    """Returns the predicted seconds of a step on one device."""
    arithmetic = facts.batch * facts.flops / (assumed.utilisation * fabric.accelerator.flops)
    return max(arithmetic, facts.products * assumed.launch)


def all_reduce_seconds(
    size: float, fabric: Fabric, devices: int, assumed: Assumptions = DEFAULT
) -> float:
    """Returns the predicted seconds of one all-reduce.

    Args:
      size: bytes, on each device.
      fabric: the cluster.
      devices: how many take part.
      assumed: bandwidth's share and start.
    """
    if devices == 1:
        return 0.0
    near = min(devices, fabric.node)
    far = math.ceil(devices / near)
    seconds = assumed.start + _ring_seconds(size, fabric.inside, near, assumed)
    if fabric.between and far > 1:
        seconds += _ring_seconds(size / near, fabric.between, far, assumed)
    return seconds


def _ring_seconds(size: float, link: Link, count: int, assumed: Assumptions) -> float:
    sent = 2 * (count - 1) / count * size
    latency = 2 * link.axes * (count ** (1 / link.axes) - 1) * link.hop
    if link.level is not None:
        latency = min(latency, 2 * math.ceil(math.log2(count)) * link.level)
    return sent / (assumed.reached * link.bandwidth) + latency


def batch_for(
    facts: Facts, fabric: Fabric, devices: int, efficiency: float, assumed: Assumptions = DEFAULT
) -> int:
    """Returns the least images a device a step that keep an efficiency, found by doubling.

    Args:
      facts: the network's.
      fabric: the cluster.
      devices: how many.
      efficiency: above 0 and below 1.
      assumed: the rest.
    """
    batch = 1
    while _with_batch(facts, batch, fabric, devices, assumed) < efficiency:
        batch *= 2
    return batch


def _with_batch(
    facts: Facts, batch: int, fabric: Fabric, devices: int, assumed: Assumptions
) -> float:
    changed = dataclasses.replace(facts, batch=batch)
    return predict(changed, fabric, devices, assumed).efficiency
