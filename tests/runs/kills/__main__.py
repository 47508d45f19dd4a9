"""Kill a training run again and again, resume it, and hold it against one that was left alone.

python tests/kills --kills=50 --processes=1,2 --seed=0

Kills are SIGKILL, to one process or to all, aimed at saves, the removal of older checkpoints,
evaluations, the final evaluation, the report, the start, and any time between. What a kill waits
for, how long after it and whom it takes follow from the seed; what it hits depends on the machine's
pace too and is read off the run directory. A run that ends before its kills were given is checked
and another begun. The exit status is 0 where every run ended as the undisturbed one did.
"""

import argparse
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
from comparing import differences
from moments import AIMS, MOMENTS, Aim
from tqdm import tqdm
from victims import Failed, Kill, finish, strike

# Of one run; after so many rounds of runs the aims that are left cannot be met.
_MOST_KILLS, _MOST_ROUNDS = 5, 10


def main() -> int:
    """Gives the kills, prints what they hit and how the runs ended; returns the exit status."""
    about, form = __doc__ or "", argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python tests/kills", description=about, formatter_class=form)
    parser.add_argument("--kills", type=int, default=50, help="in all (default 50)")
    parser.add_argument("--processes", default="1,2", help="of a run (default 1,2: either half)")
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments (default 0)")
    parser.add_argument("--at_once", type=int, default=1, help="runs side by side (default 1)")
    parser.add_argument("--out", type=Path, help="where to keep the runs (default: not kept)")
    given = parser.parse_args()
    if given.out and given.out.exists():
        parser.error(f"--out={given.out} is there already; name a new folder")
    jax.config.update("jax_platforms", "cpu")
    # Orbax says of each checkpoint that its meta is not restored with the arrays.
    logging.getLogger("absl").setLevel(logging.ERROR)
    counts = [int(count) for count in given.processes.split(",")]
    shares = [len(range(place, given.kills, len(counts))) for place in range(len(counts))]
    out = given.out or Path(tempfile.mkdtemp(prefix="kills_"))
    kills: list[Kill] = []
    runs = 0
    try:
        with (
            tqdm(total=given.kills, unit="kill", disable=None) as bar,
            ThreadPoolExecutor(given.at_once) as pool,
        ):
            for count, share in zip(counts, shares, strict=True):
                rng = np.random.default_rng([given.seed, count])
                for served in _give(share, count, out / f"{count}", rng, given.at_once, pool):
                    kills += served
                    runs += 1
                    bar.update(len(served))
    except (Failed, KeyboardInterrupt) as error:
        what = str(error) or "stopped"
        print(f"{_table(kills, counts)}\n\n{what}\n\nthe runs are in {out}", flush=True)
        return 1
    print(_table(kills, counts))
    print(f"\n{len(kills)} kills, as many resumes, {runs} runs: each ended as the undisturbed one")
    if waits := [kill.seconds for kill in kills if kill.killed < kill.processes]:
        print(f"a process that lost its peer ended within {max(waits):.0f} s")
    if not given.out:
        shutil.rmtree(out)
    return 0


def _give(
    number: int,
    count: int,
    out: Path,
    rng: np.random.Generator,
    at_once: int,
    pool: Executor,
) -> Iterator[list[Kill]]:
    """Yields the kills of each run, until there are so many; raises `Failed` at a difference."""
    out.mkdir(parents=True, exist_ok=True)
    undisturbed = pool.submit(finish, out / "undisturbed", count)
    wanted = [AIMS[place % len(AIMS)] for place in range(number)]
    for turn in range(_MOST_ROUNDS):
        wanted = [wanted[place] for place in rng.permutation(len(wanted))]
        size = min(_MOST_KILLS, -(-len(wanted) // at_once))
        shares = [wanted[place : place + size] for place in range(0, len(wanted), size or 1)]
        # What a run comes to last is aimed at last: it has little to do after that.
        shares = [sorted(share, key=lambda aim: aim.late) for share in shares]
        run_dirs = [out / f"victim_{turn}_{place:02}" for place in range(len(shares))]
        futures = [
            pool.submit(_victim, run_dir, count, share, child)
            for run_dir, share, child in zip(run_dirs, shares, rng.spawn(len(shares)), strict=True)
        ]
        wanted = []
        for run_dir, share, future in zip(run_dirs, shares, futures, strict=True):
            kills = future.result()
            undisturbed.result()
            if found := [*differences(run_dir, out / "undisturbed")]:
                raise Failed("\n".join([f"{run_dir} differs after {kills}:", *found]))
            wanted += share[len(kills) :]
            yield kills
        if not wanted:
            return
    raise Failed(f"never met within {_MOST_ROUNDS} rounds: {[aim.name for aim in wanted]}")


def _victim(run_dir: Path, count: int, aims: Iterable[Aim], rng: np.random.Generator) -> list[Kill]:
    """Kills a run at each of the moments, until it has ended, and sees it to its end."""
    kills = []
    for aim in aims:
        kill = strike(run_dir, count, aim, rng)
        if kill is None:
            return kills
        kills.append(kill)
    finish(run_dir, count)
    return kills


def _table(kills: Sequence[Kill], counts: Sequence[int]) -> str:
    """Returns the kills by the moment that they hit and by how many processes were killed."""
    kinds = [(count, killed) for count in sorted(counts) for killed in sorted({1, count})]
    hits = Counter((kill.hit, kill.processes, kill.killed) for kill in kills)
    rows = [[moment, *(str(hits[moment, *kind]) for kind in kinds)] for moment in MOMENTS]
    sums = [sum(hits[moment, *kind] for moment in MOMENTS) for kind in kinds]
    heads = ["the kill came", *(f"{killed} of {count}" for count, killed in kinds)]
    body = [heads, ["---", *("--:" for _ in kinds)], *rows, ["in all", *map(str, sums)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in body)


if __name__ == "__main__":
    sys.exit(main())
