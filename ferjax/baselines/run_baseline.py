"""`run_baseline`: features, a support vector machine, and the report of both (launch.baseline)."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ferjax.baselines.baseline_folder import baseline_folder, check_folder
from ferjax.baselines.baseline_report import write_baseline_report
from ferjax.baselines.cross_validation import (
    cross_validate,
    cut_parts,
    held_out_decisions,
)
from ferjax.baselines.feature_extraction import check_image_size, extract_features
from ferjax.baselines.support_vector_machine import (
    MOST_FOR_RBF,
    import_svm,
    kernel_inputs,
    squared_distances,
    train_machine,
)
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.registry import load_dataset
from ferjax.data.splits.describe_bundle import describe_bundle
from ferjax.data.splits.split import DatasetBundle, subset
from ferjax.data.splits.stratified_cut import stratified_sample
from ferjax.errors import UserError
from ferjax.report.calibration import fit_temperature
from ferjax.runtime.progress_lines import say
from ferjax.training.metrics import evaluation


def run_baseline(config: BaselineConfig) -> dict[str, Any]:
    """Trains and judges a classical baseline; returns its report, with the `path` of report.md.

    C and gamma are selected by cross-validation on train; val and, if it is on disk, test are
    judged. The folder holds the same files as that of a network's run, except checkpoints and
    curves. If a command was killed, the same command resumes the features and the cross-validation.

    Raises:
      UserError: a missing package, data that do not fit (one class, images that are too small, too
        many images for the kernel), or a workdir that holds other files.
    """
    start = time.monotonic()
    import_svm()
    check_folder(config)
    say(f"reading {config.dataset}", config.progress)
    bundle = _load(config)
    for line in describe_bundle(config.dataset, bundle):
        say(line, config.progress)
    train, count = bundle.splits["train"], len(bundle.classes)
    _check(config, bundle)
    parts = cut_parts(train, config.cross_validation, config.seed)
    with baseline_folder(config, bundle) as folder:
        features = {name: extract_features(split, config) for name, split in bundle.splits.items()}
        train_features = features["train"]
        kernel_values = (
            squared_distances(train_features, train_features)
            if config.kernel == "rbf"
            else train_features
        )
        say("choosing C and gamma by cross-validation on train", config.progress)
        best, rows = cross_validate(config, kernel_values, train, count, parts, folder)
        held_out = held_out_decisions(best, kernel_values, train, count, parts, config.seed)
        temperature = fit_temperature(held_out, train.labels)
        decide = train_machine(
            kernel_inputs(kernel_values, best), train.labels, best, count, config.seed
        )
        evaluations = {}
        for name, split in bundle.splits.items():
            if name == "train":
                continue
            split_features = features[name]
            inputs = (
                squared_distances(split_features, train_features)
                if config.kernel == "rbf"
                else split_features
            )
            decisions = decide(kernel_inputs(inputs, best))
            # Division by a temperature keeps the highest value the highest, so the decision stays.
            evaluations[name] = evaluation(decisions / temperature, split.labels)
        seconds = time.monotonic() - start
        return write_baseline_report(
            config, bundle, evaluations, best, temperature, rows, parts.words, seconds, folder
        )


def _load(config: BaselineConfig) -> DatasetBundle:
    """Returns the data set, with train cut to `--limit`."""
    bundle = load_dataset(
        config.dataset,
        config.data_dir,
        image_size=config.image_size,
        val_fraction=config.val_fraction,
        split_seed=config.split_seed,
        folds=config.folds,
        fold=config.fold,
        on_bad_image=config.on_bad_image,
        num_classes=config.num_classes,
    )
    train = bundle.splits["train"]
    if not config.limit or config.limit >= len(train):
        return bundle
    drawn = subset(train, stratified_sample(train.labels, config.limit, config.seed))
    note = f"--limit={config.limit}: of {len(train):,} training images, drawn by class"
    return replace(bundle, splits={**bundle.splits, "train": drawn}, notes=(*bundle.notes, note))


def _check(config: BaselineConfig, bundle: DatasetBundle) -> None:
    """Raises `UserError` if no machine can be trained on the data."""
    train = bundle.splits["train"]
    occurring = [bundle.classes[label] for label in np.unique(train.labels)]
    if len(occurring) < 2:
        raise UserError(
            f"--dataset={config.dataset}: all {len(train):,} training images show"
            f" {', '.join(occurring) or 'nothing'}; a machine tells two or more classes apart."
        )
    for split in bundle.splits.values():
        check_image_size(split, config)
    if config.kernel == "rbf" and len(train) > MOST_FOR_RBF:
        raise UserError(
            f"--kernel=rbf keeps the distances of all pairs of {len(train):,} training images,"
            f" {8e-9 * len(train) ** 2:.1f} GB, and is slow beyond {MOST_FOR_RBF:,}. Give"
            f" --limit={MOST_FOR_RBF} or less, or --kernel=linear."
        )
