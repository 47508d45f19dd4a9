"""Collective operations (all-reduce, all-gather ...) in XLA's HLO text, and the bytes they send."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ferjax.errors import UserError

ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER = "all-reduce", "all-gather", "reduce-scatter"
ALL_TO_ALL, PERMUTE = "all-to-all", "collective-permute"
KINDS = (ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL, PERMUTE)

# Bits, not bytes: some types are narrower than a byte.
_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16, "c64": 64, "c128": 128, "token": 0}
_ARRAY = re.compile(r"\b([a-z]+\d*)(?:e\d+m\d+\w*)?\[([\d,]*)\]")
_COLLECTIVE = re.compile(rf"= (.*?) ?\b({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|(?:true|false)_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclass(frozen=True)
class Collective:
    """One collective operation of a program.

    Attributes:
      kind: one of `KINDS`.
      payload: bytes of a device's operand; of an all-gather, bytes of its result.
      group: number of devices that take part together; 2 for a permute.
      times: how often one run of the program executes it.
    """

    kind: str
    payload: int
    group: int
    times: int = 1


def read_collectives(text: str, devices: int) -> list[Collective]:
    """Returns the collectives of a program, in the order of the text.

    Args:
      text: HLO text of the compiled program, `compiled.as_text()`.
      devices: number of devices of the program: a group that is not written out holds all of them.

    Raises:
      UserError: a loop of unknown length has a collective, or groups are in an unknown notation.
    """
    bodies = _computations(text)
    counts = _execution_counts(bodies)
    return [
        _collective(line, match, devices, counts[name])
        for name, lines in bodies.items()
        if name in counts
        for line in lines
        if (match := _COLLECTIVE.search(_without_metadata(line)))
    ]


def _computations(text: str) -> dict[str, list[str]]:
    """Returns the lines of each computation by its name; the entry computation's name is empty."""
    bodies: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1] not in ("", " ", "}") and line.endswith("{") and "->" in line:
            first = line.split(" ", 1)[0]
            name = "" if first == "ENTRY" else first.lstrip("%")
            lines = bodies.setdefault(name, [])
        elif line.startswith(" "):
            lines.append(line)
    return bodies


def _execution_counts(bodies: Mapping[str, list[str]]) -> dict[str, int]:
    """Returns how often one run of the program executes each computation that it reaches."""
    counts: dict[str, int] = {}

    def visit(name: str, times: int) -> None:
        counts[name] = counts.get(name, 0) + times
        for called, repeats in (c for line in bodies.get(name, []) for c in _calls(line)):
            if repeats is None:
                if _has_collective(called, bodies):
                    place = name or "the program"
                    raise UserError(f"a loop of unknown length in {place} has a collective.")
                repeats = 1
            visit(called, times * repeats)

    visit("", 1)
    return counts


def _calls(line: str) -> Iterator[tuple[str, int | None]]:
    """Yields the computations that an instruction calls and how often, None where unknown."""
    instruction = _without_metadata(line)
    repeats: int | None = 1
    if " while(" in instruction:
        trips = _TRIPS.search(line)
        repeats = int(trips[1]) if trips else None
    for name in _CALLED.findall(instruction):
        yield name, repeats
    # Only one branch runs, but all are counted: the count is an upper bound.
    for branches in _BRANCHES.findall(instruction):
        for name in branches.split(","):
            yield name.strip().lstrip("%"), 1


def _has_collective(name: str, bodies: Mapping[str, list[str]]) -> bool:
    lines = bodies.get(name, [])
    return any(_COLLECTIVE.search(_without_metadata(line)) for line in lines) or any(
        _has_collective(called, bodies) for line in lines for called, _ in _calls(line)
    )


def _without_metadata(line: str) -> str:
    """Returns an instruction without its source names, which may contain any word."""
    return line.split(", metadata=", 1)[0]


def _collective(line: str, match: re.Match[str], devices: int, times: int) -> Collective:
    shape, kind, start = match.groups()
    sizes = [_bytes(*array) for array in _ARRAY.findall(shape)]
    group = 2 if kind == PERMUTE else _group(_without_metadata(line), devices)
    if start and kind == PERMUTE:
        sizes = sizes[1:2]  # (input, output, two counters)
    elif start and kind in (ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL):
        sizes = sizes[len(sizes) // 2 :]  # (inputs, outputs)
    payload = sum(sizes) * (group if kind == REDUCE_SCATTER else 1)
    return Collective(kind, payload, group, times)


def _bytes(element: str, dimensions: str) -> int:
    bits = _BITS.get(element) or int(re.sub(r"\D", "", element) or 0)
    return math.ceil(bits * math.prod(int(d) for d in dimensions.split(",") if d) / 8)


def _group(line: str, devices: int) -> int:
    """Returns the number of devices per group, from any of XLA's three notations."""
    _, _, text = line.partition("replica_groups=")
    if text.startswith("mesh["):  # mesh['a'=4,'b'=2] {'a'}
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", text.partition("]")[0]))
        axes = re.findall(r"'(\w+)'", text.partition("] {")[2].partition("}")[0])
        return math.prod(int(sizes[axis]) for axis in axes)
    if match := re.match(r"\[\d+,(\d+)\]<=", text):  # [groups,size]<=[devices]
        return int(match[1])
    if match := re.match(r"\{\{([\d,]*)\}", text):  # {{0,1},{2,3}}
        return len(match[1].split(","))
    if not text or text.startswith("{}"):
        return devices
    raise UserError(f"groups of a collective in an unknown notation: replica_groups={text[:60]}")


@dataclass(frozen=True)
class Traffic:
    """All collectives of one kind in a program.

    Attributes:
      kind: one of `KINDS`.
      count: number of collectives.
      payload: bytes, the sum of their payloads.
      wire: bytes that each device sends in a ring.
    """

    kind: str
    count: int
    payload: int
    wire: float


def ring_bytes(collective: Collective) -> float:
    """Returns the bytes that each device of a ring sends for one execution of a collective.

    Each device of a ring of n devices sends n-1 parts of 1/n of the payload. An all-reduce does so
    twice: first to sum the parts, then to distribute the sums.

    References:
      Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009.
    """
    if collective.kind == PERMUTE:
        return collective.payload
    rounds = 2 if collective.kind == ALL_REDUCE else 1
    return rounds * (collective.group - 1) / collective.group * collective.payload


def sum_traffic(collectives: Iterable[Collective]) -> tuple[Traffic, ...]:
    """Returns the traffic of each kind that occurs between two or more devices."""
    by_kind: dict[str, list[Collective]] = {kind: [] for kind in KINDS}
    for collective in collectives:
        if collective.group > 1:
            by_kind[collective.kind].append(collective)
    return tuple(
        Traffic(
            kind,
            count=sum(c.times for c in same_kind),
            payload=sum(c.times * c.payload for c in same_kind),
            wire=sum(c.times * ring_bytes(c) for c in same_kind),
        )
        for kind, same_kind in by_kind.items()
        if same_kind
    )


def wire_bytes(traffic: Iterable[Traffic]) -> float:
    """Returns the bytes that each device sends in one run of a program."""
    return sum(entry.wire for entry in traffic)
