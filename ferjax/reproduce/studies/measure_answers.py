"""Measures the answers that comparisons need beyond a run's report, and stores them."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import fitting_values, parse_json
from ferjax.config.train_config import TrainConfig
from ferjax.data.audit.duplicates_of_another_split import duplicates_across
from ferjax.data.datasets.ferplus.votes_to_labels import vote_labels
from ferjax.data.registry import load_dataset
from ferjax.data.splits.split import Split, subset
from ferjax.data.splits.stratified_cut import stratified_sample
from ferjax.errors import UserError
from ferjax.reproduce.run_result import RunResult
from ferjax.reproduce.running.npz_file import read_arrays
from ferjax.reproduce.running.plan import PlannedRun
from ferjax.reproduce.running.stored_results import settings_of
from ferjax.reproduce.studies.answers import Answers, split_answers
from ferjax.reproduce.studies.protocol_table import Side
from ferjax.runs.finished_runs.load_run import load_run
from ferjax.runs.split_evaluator import evaluator
from ferjax.runs.task import Task, prepare_task
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.sharding import devices_for
from ferjax.training.run_directory.splits_file import read_split_record

_VIEWS = ("flip", "ten_crop")
# The person in the name of a frame of CK+.
_PERSON = re.compile(r"S\d{3}")
# (data set, digest of the test images) → bool [N], the test images that train shows too.
Duplicates = Mapping[tuple[str, str], np.ndarray]


def run_answers(
    run: PlannedRun, result: RunResult, sides: tuple[Side, ...], out: Path, duplicates: Duplicates
) -> tuple[dict[str, Answers], Duplicates]:
    """Returns the answers of a finished run that comparisons use; measured once, then stored.

    The second value has the duplicates that are known, with those of this run.

    Args:
      run: the run.
      result: the result of the run.
      sides: the sides of all comparisons.
      out: the folder of runs and results.
      duplicates: those that are known from other runs.

    Raises:
      UserError: the run's files are damaged, or its data are gone.
    """
    run_sides = [side for side in sides if run.experiment.name in side.experiments]
    path = out / "predictions" / f"{run.name}-answers.npz"
    image_parts = sorted({f"{side.images}/{side.only}" for side in run_sides})
    identity = {
        "wanted": image_parts,
        "config": settings_of(run.config),
        "digests": {name: part["digest"] for name, part in result.splits.items()},
    }
    stored = _read(path, identity)
    if stored is None or not _are_from_run(stored, result):
        stored = _measure(run, result, run_sides, duplicates)
        _write(path, identity, stored)
    if "duplicated" in stored["test"].only:
        duplicates = {**duplicates, _data_key(run, result): stored["test"].only["duplicated"]}
    return stored, duplicates


def _are_from_run(stored: Mapping[str, Answers], result: RunResult) -> bool:
    """Returns whether stored answers are those of this run, not of an earlier one in its place."""
    answers_of_run = split_answers(result)
    return all(
        name in stored and np.array_equal(stored[name].predicted, one.predicted)
        for name, one in answers_of_run.items()
    )


def _data_key(run: PlannedRun, result: RunResult) -> tuple[str, str]:
    """Returns the key of the test images of a run in `Duplicates`."""
    return run.config.dataset, str(result.splits["test"]["digest"])


def _measure(
    run: PlannedRun, result: RunResult, sides: list[Side], duplicates: Duplicates
) -> dict[str, Answers]:
    """Returns the answers that the sides of a run need, evaluated with its selected checkpoint."""
    run_dir = Path(run.config.workdir or "")
    record = read_split_record(run_dir)
    if record is None or "test" not in record.splits:
        raise UserError(f"{run_dir} recorded no test split, without which nothing is compared.")
    names = record.splits["test"].ids
    images, parts = {side.images for side in sides}, {side.only for side in sides}
    people = _people_of(names) if run.config.dataset == "ckplus" else ()
    views = [view for view in _VIEWS if f"test+{view}" in images]
    needs_task = views or "argmax_test" in images or parts & {"unique", "duplicated"}
    if not needs_task:
        return split_answers(result, people)
    assert isinstance(run.config, TrainConfig)  # the study has no classical baselines
    config = replace(run.config, progress=False, resume=True)
    task = prepare_task(config, devices_for(config.batch_size), record)
    only: dict[str, np.ndarray] = {}
    if parts & {"unique", "duplicated"}:
        # Duplicates in the training images of the honest run, also for the run without the copies.
        duplicated = duplicates.get(_data_key(run, result))
        if duplicated is None:
            if config.protocol == "without_duplicates":
                raise UserError(f"{run.name}: run {run.config.dataset}_honest first.")
            _, positions = duplicates_across(
                task.bundle.splits["train"], task.bundle.splits["test"]
            )
            duplicated = np.isin(np.arange(len(names)), positions)
        only = {"duplicated": duplicated, "unique": ~duplicated}
    answers = split_answers(result, people, only)
    variables = load_run(run_dir, "selected").variables
    for view in views:
        logits_of = evaluator(task.model, task.spec, task.mesh, config.batch_size, False, view)
        logits = logits_of(variables, task.bundle.splits["test"])
        answers[f"test+{view}"] = replace(
            answers["test"], predicted=logits.argmax(-1).astype(np.uint8)
        )
    if "argmax_test" in images:
        answers["argmax_test"] = _argmax_answers(task, variables)
    return answers


def _people_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the person of each file name; an empty tuple if a name shows none."""
    matches = [_PERSON.search(Path(name).name) for name in names]
    return tuple(match[0] if match else "" for match in matches) if all(matches) else ()


def _argmax_answers(task: Task, variables: Any) -> Answers:
    """Returns the answers to the test images, labelled by the highest of the ten columns."""
    config = task.config
    bundle = load_dataset(
        config.dataset,
        config.data_dir,
        image_size=config.image_size or 48,
        val_fraction=config.val_fraction,
        split_seed=config.split_seed,
        protocol="argmax_of_ten_test",
    )
    split: Split = bundle.splits["test"]
    if config.limit:
        split = subset(split, stratified_sample(split.labels, config.limit, config.split_seed))
    assert split.votes is not None
    logits = task.logits_of(variables, split)
    return Answers(
        "highest of ten columns",
        split.labels.astype(np.uint8),
        logits.argmax(-1).astype(np.uint8),
        only={"majority": vote_labels(split.votes, "majority")[0]},
    )


def _write(path: Path, identity: Mapping[str, Any], answers: Mapping[str, Answers]) -> None:
    digests = {name: one.digest for name, one in answers.items()}
    people = {name: one.people for name, one in answers.items()}
    meta = json.dumps({"mark": identity, "digests": digests, "people": people})
    arrays = {"meta": np.frombuffer(meta.encode(), np.uint8)}
    for name, one in answers.items():
        arrays |= {f"{name}/labels": one.labels, f"{name}/predicted": one.predicted}
        arrays |= {f"{name}/only/{part}": rows for part, rows in one.only.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomically(path, file.getvalue())


def _read(path: Path, identity: Mapping[str, Any]) -> dict[str, Answers] | None:
    """Returns stored answers, or None if there are none of this run and these comparisons."""
    if not path.is_file():
        return None
    try:
        arrays = read_arrays(path, "")
        with fitting_values(path, ""):
            meta = parse_json(bytes(arrays["meta"]), path, "")
            if meta["mark"] != json.loads(json.dumps(identity)):
                return None
            return dict(_stored(arrays, meta))
    except UserError:
        return None  # it is measured again


def _stored(arrays: Any, meta: Mapping[str, Any]) -> Iterator[tuple[str, Answers]]:
    """Yields the name and the answers of each set of images in a file."""
    for name, digest in meta["digests"].items():
        prefix = f"{name}/only/"
        parts = {file.removeprefix(prefix): array for file, array in arrays.items()
                 if file.startswith(prefix)}  # fmt: skip
        labels, predicted = arrays[f"{name}/labels"], arrays[f"{name}/predicted"]
        yield name, Answers(digest, labels, predicted, tuple(meta["people"][name]), parts)
