"""What the exchanges of a step put on a device's wire, in a ring."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ferjax.bench.scaling.hlo_exchanges import (
    ALL_REDUCE,
    KINDS,
    PERMUTE,
    Exchange,
)


@dataclass(frozen=True)
class Traffic:
    """The exchanges of one kind in a step.

    Attributes:
      kind: one of `hlo.KINDS`.
      count: exchanges.
      payload: their bytes, as `Exchange.payload`.
      wire: bytes that each device sends in a ring.
    """

    kind: str
    count: int
    payload: int
    wire: float


def ring_bytes(exchange: Exchange) -> float:
    """Returns the bytes that each device of a ring sends for one exchange, once.

    A ring of n passes n-1 parts of 1/n on; an all-reduce does it twice, to sum and to spread.

    References:
      Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009.
    """
    if exchange.kind == PERMUTE:
        return exchange.payload
    rounds = 2 if exchange.kind == ALL_REDUCE else 1
    return rounds * (exchange.group - 1) / exchange.group * exchange.payload


def traffic(found: Iterable[Exchange]) -> tuple[Traffic, ...]:
    """Returns the sums of the exchanges by kind; kinds that do not occur are left out."""
    chosen = [e for e in found if e.group > 1]
    sums = []
    for kind in KINDS:
        of_kind = [e for e in chosen if e.kind == kind]
        if of_kind:
            count = sum(e.times for e in of_kind)
            payload = sum(e.times * e.payload for e in of_kind)
            sums.append(
                Traffic(kind, count, payload, sum(e.times * ring_bytes(e) for e in of_kind))
            )
    return tuple(sums)


def wire_bytes(sums: Iterable[Traffic]) -> float:
    """Returns the bytes that each device sends in a step."""
    return sum(entry.wire for entry in sums)


def traffic_of_json(values: Iterable[dict[str, Any]]) -> tuple[Traffic, ...]:
    """Returns what another process wrote as JSON."""
    return tuple(Traffic(**value) for value in values)
