"""Records the images that a run began with, and compares them when the run is resumed."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ferjax.config.train_config import TrainConfig
from ferjax.data.dataset_table import have_same_faces
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.split_record import (
    SplitRecord,
    count_trained_on,
    differences,
    record_splits,
)
from ferjax.errors import UserError
from ferjax.runs.finished_runs.load_network import named_card, network_config
from ferjax.runs.weights_from_another_run import named_run
from ferjax.runtime.processes import on_first
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE, read_config
from ferjax.training.run_directory.splits_file import (
    SPLITS_FILE,
    read_split_record,
    write_split_record,
)
from ferjax.training.run_directory.verified_reads import saved_steps

_log = logging.getLogger(__name__)

# Files in the folder of a series of runs: seeds and folds, or the trials of a search.
_SERIES = (CONFIG_FILE, "study.json")
# Words in the descriptions of splits that ferjax cuts.
_CUT_BY_FERJAX = ("split seed", "by person")
# Fields that decide how a data set is cut into splits.
_CUT = ("dataset", "protocol", "folds", "fold", "val_fraction", "split_seed", "labels")
NOT_RECORDED = (
    "an earlier version made this run and did not record its images: whether it learned from the"
    " images that are there now is not known"
)


def check_splits(config: TrainConfig, bundle: DatasetBundle) -> DatasetBundle:
    """Returns the bundle of a run if its images are those that the run began with.

    All runs of a series (seeds, folds, trials of a search) must have the same images too. A run of
    an earlier version has no record; its bundle gets a note.

    Args:
      config: the config of the run; its workdir may not exist yet.
      bundle: the splits of the present data.

    Raises:
      UserError: images were added, removed, relabelled, overwritten or split in another way.
    """
    note = on_first(lambda: _check_images(config, bundle))
    if not note:
        return bundle
    _log.warning("%s: %s", config.workdir, note)
    return replace(bundle, notes=(*bundle.notes, note))


def _check_images(config: TrainConfig, bundle: DatasetBundle) -> str:
    """Raises `UserError` for changed images; returns a note, or an empty text if there is none."""
    run_dir = Path(config.workdir or "")
    recorded = _record_in(run_dir, config)
    sibling = next(_records_of_series(run_dir, config), None)
    not_recorded = not (run_dir / SPLITS_FILE).is_file() and saved_steps(run_dir / "checkpoints")
    if recorded or sibling:
        current = _record_of(config, bundle)
        if recorded:
            _refuse_changes(run_dir, recorded, current)
        if sibling and (changes := differences(sibling[1], current, pooled=True)):
            raise UserError(
                f"{run_dir}: the data have changed since {sibling[0]}, a run of the same"
                f" series, began: {'; '.join(changes)}. Give the data as they were, or start the"
                " series anew in another folder."
            )
    if not_recorded and config.folds and config.folds * config.val_fraction < 1:
        raise UserError(
            f"{run_dir}: an earlier version, whose val was a whole fold, began this run, and it"
            " cannot go on with another val. Begin anew in another folder."
        )
    return NOT_RECORDED if not_recorded else ""


def _refuse_changes(run_dir: Path, recorded: SplitRecord, current: SplitRecord) -> None:
    if changes := differences(recorded, current):
        raise UserError(
            f"{run_dir}: the data have changed since the run began: {'; '.join(changes)}. Give the"
            " data as they were, or begin anew in another folder."
        )


def _record_of(config: TrainConfig, bundle: DatasetBundle) -> SplitRecord:
    return record_splits(config.dataset, bundle.classes, bundle.splits, bundle.sources)


def _record_in(run_dir: Path, config: TrainConfig) -> SplitRecord | None:
    """Returns the record of a run, unless its images have other labels or another protocol."""
    if not (run_dir / SPLITS_FILE).is_file():
        return None
    run_config = read_config(run_dir)
    if (run_config.labels, run_config.protocol) != (config.labels, config.protocol):
        return None
    return read_split_record(run_dir)


def _records_of_series(run_dir: Path, config: TrainConfig) -> Iterator[tuple[Path, SplitRecord]]:
    """Yields (run directory, record) of the other runs if `run_dir` belongs to a series."""
    if config.limit and config.folds:
        return  # --limit takes other images in each fold
    top = run_dir
    while top != top.parent and any((top.parent / name).is_file() for name in _SERIES):
        top = top.parent
    for pattern in () if top == run_dir else ("*", "*/*"):
        for path in sorted(top.glob(f"{pattern}/{SPLITS_FILE}")):
            if path.parent != run_dir and (record := _record_in(path.parent, config)):
                yield path.parent, record


def keep_splits(config: TrainConfig, bundle: DatasetBundle, run_dir: Path) -> None:
    """Records the images of a run that has not begun yet; process 0 writes the record.

    Raises:
      UserError: the folder cannot be written.
    """

    def write() -> None:
        if not (run_dir / SPLITS_FILE).is_file() and not saved_steps(run_dir / "checkpoints"):
            write_split_record(run_dir, _record_of(config, bundle))

    on_first(write)


def hold_to_splits(run_dir: Path, classes: Sequence[str], splits: Mapping[str, Split]) -> None:
    """Records the images of a user's own training loop, or compares them with the record.

    Args:
      run_dir: the existing run directory.
      classes: the class list that the labels index.
      splits: name → split.

    Raises:
      UserError: the images are not those that the run began with.
    """

    def write_or_compare() -> None:
        current, recorded = record_splits("", classes, splits, {}), read_split_record(run_dir)
        if recorded:
            _refuse_changes(run_dir, recorded, current)
        elif saved_steps(run_dir / "checkpoints"):
            _log.warning("%s: %s", run_dir, NOT_RECORDED)
        else:
            write_split_record(run_dir, current)

    on_first(write_or_compare)


def seen_by_others(config: TrainConfig, bundle: DatasetBundle) -> list[str]:
    """Returns notes on val and test images on which `--pretrained` or a teacher was trained."""
    networks: dict[str, str | Path] = {f"--teacher={name}": name for name in config.teacher}
    if (network := named_run(config)) is not None:
        networks[f"--pretrained={config.pretrained}"] = network
    notes = []
    for flag, network in networks.items():
        if named_card(network) is not None:
            notes += _seen_by_weights(flag, network_config(network), config, bundle)
            continue
        folder = Path(network).expanduser()
        record = read_split_record(folder) if folder.is_dir() else None
        if record is None:
            continue
        for name, split in bundle.splits.items():
            if name != "train" and (count := count_trained_on(record, split, config.dataset)):
                notes.append(
                    f"{flag} was trained on {count:,} of the {len(split):,} {name} images: scores"
                    f" on {name} are too good"
                )
    return notes


def _seen_by_weights(
    flag: str, weights_config: TrainConfig, config: TrainConfig, bundle: DatasetBundle
) -> list[str]:
    """Returns notes on splits with faces that a weights file, which lists none, was trained on.

    Splits that ferjax cuts have such faces, unless the weights were trained with the same cut.
    """
    trained_on = weights_config.dataset
    same_cut = all(getattr(weights_config, f) == getattr(config, f) for f in _CUT)
    if same_cut or not have_same_faces(trained_on, config.dataset):
        return []
    return [
        f"{flag} learned from train of {trained_on}, which has faces of this {name} ({source}):"
        f" scores on {name} are too good"
        for name in ("val", "test")
        if any(words in (source := bundle.sources.get(name, "")) for words in _CUT_BY_FERJAX)
    ]
