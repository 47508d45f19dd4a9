"""Two jobs on one result: the second refuses. Two on one cache: both succeed."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote, words_of
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

# Command → (file that shows that it is at work, what the second says).
_REFUSALS = {
    "train": ("run/config.json", "another run is writing there"),
    "predict": ("p.csv.partial", "another command is writing it"),
    "baseline": ("baseline/config.json", "another run is writing there"),
}
_CACHED = "train, two phases, cached features"


@pytest.mark.parametrize("name", _REFUSALS)
def test_the_second_job_on_one_result_refuses(
    name: str,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    error_of: Callable[[str], str],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a second job on one result", name)
    folder = make_folder(whole.folder, base / "one_result")
    words, (file, refusal) = words_of(command, inputs), _REFUSALS[name]
    first = zygote.start(command.module, words, folder, stop_at=whole.changes // 2)
    first.until_stopped()
    assert (folder / file).exists()
    second = zygote.start(command.module, words, folder, log=base / "second.log")
    status = zygote.wait(second)
    first.send(signal.SIGCONT)
    count_fault(tally, status != 0)
    assert status == 1, second.said()
    assert refusal in error_of(second.said())
    status = zygote.wait(first)
    found = count_result(tally, status == 0, folder, whole.folder)
    assert status == 0, first.said()
    assert found == []


@pytest.mark.parametrize("name", [_CACHED, "prepare --cache", "search"])
def test_two_jobs_on_one_cache_or_study_both_succeed(
    name: str,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("two jobs on one cache or study", name)
    words = words_of(command, inputs)
    one = make_folder(whole.folder, base / "first", cache=False)
    # A search and a cache are one result for both, runs have one each.
    other = make_folder(whole.folder, base / "other", cache=False) if name == _CACHED else one
    shared = {"FERJAX_CACHE": str(base / f"shared_{len(name)}")}
    jobs = [
        zygote.start(command.module, words, place, variables=shared, log=base / f"job_{k}.log")
        for k, place in enumerate((one, other))
    ]
    statuses = [zygote.wait(job) for job in jobs]
    count_fault(tally, any(statuses))
    assert statuses == [0, 0], "\n---\n".join(job.said() for job in jobs)
    for place in {one, other}:
        assert count_result(tally, True, place, whole.folder) == []
