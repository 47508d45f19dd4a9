"""What a run directory shows of a run's course, and the moments that kills are aimed at."""

import json
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNFINISHED = ".orbax-checkpoint-tmp"


@dataclass(frozen=True)
class Seen:
    """One look at a run directory.

    Attributes:
      taken: when a process last took the directory: config.json is written then.
      unfinished: names and inodes of checkpoints that are being written, or were when one died.
      finished: steps of finished checkpoints.
      lines: `step, epoch, split, accuracy` of each whole line of metrics.jsonl.
      report: names and times of the report's files, temporary ones too.
    """

    taken: int = 0
    unfinished: frozenset[tuple[str, int]] = frozenset()
    finished: frozenset[int] = frozenset()
    lines: tuple[tuple[int, int, str, float], ...] = ()
    report: frozenset[tuple[str, int]] = frozenset()

    @property
    def evaluating(self) -> frozenset[int]:
        """Returns the epoch whose train line stands there without its val line, or none."""
        return frozenset(line[1] for line in self.lines[-1:] if line[2] == "train")

    @property
    def surplus(self) -> frozenset[int]:
        """Returns the steps that are to go: neither the latest nor the best of the evaluated."""
        tried = [(a, -step) for step, _, split, a in self.lines if split == "val"]
        best = max((entry for entry in tried if -entry[1] in self.finished), default=(0.0, 0))
        return self.finished - {max(self.finished, default=0), -best[1]}


def look(run_dir: Path) -> Seen:
    """Returns what the directory shows now; files that vanish during_compilation are left out."""
    files = {path.name: path for path in _entries(run_dir)}
    saved = _entries(run_dir / "checkpoints")
    shown = [n for n in files if n.endswith((".png", ".tmp")) or n.startswith("report.")]
    return Seen(
        taken=_stat(run_dir / "config.json", "st_mtime_ns"),
        unfinished=frozenset((p.name, _stat(p, "st_ino")) for p in saved if UNFINISHED in p.name),
        finished=frozenset(int(p.name) for p in saved if p.name.isdecimal()),
        lines=tuple(_lines(run_dir / "metrics.jsonl")),
        report=frozenset((name, _stat(files[name], "st_mtime_ns")) for name in shown),
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _stat(path: Path, field: str) -> Any:
    try:
        return getattr(path.stat(), field)
    except FileNotFoundError:
        return 0


def _lines(path: Path) -> Iterator[tuple[int, int, str, float]]:
    text = path.read_text("utf-8") if path.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            found = json.loads(line)
            yield found["step"], found["epoch"], found["split"], found["accuracy"]


@dataclass(frozen=True)
class Aim:
    """What a kill waits for.

    Attributes:
      name: of the moment.
      events: (look at the start, look now, the run's last step) → events that are new now.
      skipped: at most so many events are let pass.
      seconds: at most so long after the event.
      late: whether the run has little left to do then, so that it comes after other aims.
    """

    name: str
    events: Callable[[Seen, Seen, int], Collection[Hashable]]
    skipped: int
    seconds: float
    late: bool = False


AIMS = (
    Aim("save", lambda old, now, _: now.unfinished - old.unfinished, 4, 0.2),
    Aim("evaluation", lambda old, now, _: now.evaluating - old.evaluating, 1, 0.1),
    Aim("report", lambda old, now, _: now.report - old.report, 7, 0.3, late=True),
    Aim("start", lambda old, now, _: {"started"}, 0, 6.0),
    Aim(
        "any",
        lambda old, now, _: (now.finished - old.finished) | {*now.lines[len(old.lines) :]},
        0,
        5.0,
    ),
    Aim("restoring", lambda old, now, _: {now.taken} - {old.taken}, 0, 3.0),
    Aim("removal", lambda old, now, _: now.surplus - old.surplus, 6, 0.2),
    Aim(
        "final evaluation",
        lambda old, now, last: {last} & now.finished if now.taken != old.taken else set(),
        0,
        1.5,
        late=True,
    ),
)
MOMENTS = (
    "at the start, before the directory is taken",
    "after that, before the first step's end is seen",
    "in training, between saves",
    "in a save",
    "while an older checkpoint is removed",
    "in an epoch's evaluation, a save beside it or not",
    "between an evaluation's line and its save",
    "in the final evaluation",
    "while the report is written",
)


def moment(old: Seen, now: Seen, last: int) -> str:
    """Returns which of `MOMENTS` a kill hit, as far as the directory tells.

    Args:
      old: a look when the killed process was started.
      now: a look after its death.
      last: the run's last step.
    """
    if now.taken == old.taken:
        return MOMENTS[0]
    if now.surplus - old.surplus:
        return MOMENTS[4]
    if now.report - old.report:
        return MOMENTS[8]
    if last in now.finished:
        return MOMENTS[7]
    if now.evaluating:
        return MOMENTS[5]
    if now.unfinished - old.unfinished:
        return MOMENTS[3]
    if now.lines and now.lines[-1][0] > max(now.finished, default=0):
        return MOMENTS[6]
    return MOMENTS[2] if now.finished - old.finished else MOMENTS[1]
