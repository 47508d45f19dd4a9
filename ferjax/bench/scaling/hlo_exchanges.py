"""The exchanges between devices that a compiled program holds, read from XLA's text of it."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ferjax.errors import UserError

ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER = "all-reduce", "all-gather", "reduce-scatter"
ALL_TO_ALL, PERMUTE = "all-to-all", "collective-permute"
KINDS = (ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL, PERMUTE)

# Bits, not bytes: some types are narrower than one.
_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16, "c64": 64, "c128": 128, "token": 0}
_ARRAY = re.compile(r"\b([a-z]+\d*)(?:e\d+m\d+\w*)?\[([\d,]*)\]")
_EXCHANGE = re.compile(rf"= (.*?) ?\b({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|(?:true|false)_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclass(frozen=True)
class Exchange:
    """One collective operation of a program.

    Attributes:
      kind: one of `KINDS`.
      payload: bytes that each device has a part in: of an all-reduce, reduce-scatter, all-to-all or
        permute what a device puts in, of an all-gather what it gets.
      group: devices that take part together; 2 for a permute.
      times: how often a run of the program comes to it.
    """

    kind: str
    payload: int
    group: int
    times: int = 1


def exchanges(text: str, devices: int) -> list[Exchange]:
    """Returns the exchanges of a program, in the order of the text, those within loops repeated.

    Args:
      text: of the compiled program, `compiled.as_text()`.
      devices: that the program runs on: groups that are not written out hold them all.

    Raises:
      UserError: a loop of unknown length exchanges something, or groups in an unknown notation.
    """
    bodies = _computations(text)
    runs = _runs(bodies)
    return [
        _exchange(line, found, devices, runs[name])
        for name, lines in bodies.items()
        if name in runs
        for line in lines
        if (found := _EXCHANGE.search(_without_metadata(line)))
    ]


def _computations(text: str) -> dict[str, list[str]]:
    """Returns the lines of each computation by its name; the entry's is empty."""
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


def _runs(bodies: Mapping[str, list[str]]) -> dict[str, int]:
    """Returns how often each computation that is reached runs in one run of the program."""
    runs: dict[str, int] = {}

    def visit(name: str, times: int) -> None:
        runs[name] = runs.get(name, 0) + times
        for called, repeats in (c for line in bodies.get(name, []) for c in _calls(line)):
            if repeats is None:
                if _talks(called, bodies):
                    raise UserError(
                        f"a loop of unknown length in {name or 'the program'} exchanges."
                    )
                repeats = 1
            visit(called, times * repeats)

    visit("", 1)
    return runs


def _calls(line: str) -> Iterator[tuple[str, int | None]]:
    """Yields the computations that an instruction calls and how often, None where that is open."""
    bare = _without_metadata(line)
    trips = _TRIPS.search(line)
    repeats = 1 if " while(" not in bare else int(trips[1]) if trips else None
    for name in _CALLED.findall(bare):
        yield name, repeats
    # One branch runs; where they differ, this counts too much rather than too little.
    for branches in _BRANCHES.findall(bare):
        for name in branches.split(","):
            yield name.strip().lstrip("%"), 1


def _talks(name: str, bodies: Mapping[str, list[str]]) -> bool:
    lines = bodies.get(name, [])
    return any(_EXCHANGE.search(_without_metadata(line)) for line in lines) or any(
        _talks(called, bodies) for line in lines for called, _ in _calls(line)
    )


def _without_metadata(line: str) -> str:
    """Returns an instruction without the names of the source, which may hold any word."""
    return line.split(", metadata=", 1)[0]


def _exchange(line: str, found: re.Match[str], devices: int, times: int) -> Exchange:
    shape, kind, start = found.groups()
    sizes = [_bytes(*array) for array in _ARRAY.findall(shape)]
    group = 2 if kind == PERMUTE else _group(_without_metadata(line), devices)
    if start and kind == PERMUTE:
        sizes = sizes[1:2]  # (input, output, two counters)
    elif start and kind in (ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL):
        sizes = sizes[len(sizes) // 2 :]  # (inputs, outputs)
    payload = sum(sizes) * (group if kind == REDUCE_SCATTER else 1)
    return Exchange(kind, payload, group, times)


def _bytes(element: str, dimensions: str) -> int:
    bits = _BITS.get(element) or int(re.sub(r"\D", "", element) or 0)
    return math.ceil(bits * math.prod(int(d) for d in dimensions.split(",") if d) / 8)


def _group(line: str, devices: int) -> int:
    """Returns how many devices take part together, from any of XLA's three notations."""
    _, _, text = line.partition("replica_groups=")
    if text.startswith("mesh["):  # mesh['a'=4,'b'=2] {'a'}
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", text.partition("]")[0]))
        named = re.findall(r"'(\w+)'", text.partition("] {")[2].partition("}")[0])
        return math.prod(int(sizes[name]) for name in named)
    if found := re.match(r"\[\d+,(\d+)\]<=", text):  # [groups,size]<=[devices]
        return int(found[1])
    if found := re.match(r"\{\{([\d,]*)\}", text):  # {{0,1},{2,3}}
        return len(found[1].split(","))
    if not text or text.startswith("{}"):
        return devices
    raise UserError(f"groups of an exchange in an unknown notation: replica_groups={text[:60]}")
