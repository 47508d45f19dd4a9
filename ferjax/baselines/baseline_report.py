"""The report of a baseline: scores as in the report of a run, protocol, and the numbers of P3."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from ferjax.baselines.cross_validation import describe_rows
from ferjax.baselines.feature_extraction import FEATURES
from ferjax.baselines.support_vector_machine import Candidate
from ferjax.config.baseline_config import BaselineConfig
from ferjax.data.splits.class_counts import absent_class_warnings, describe_counts
from ferjax.data.splits.split import DatasetBundle
from ferjax.evaluation.predictions_csv import COLUMNS, write_predictions_csv
from ferjax.evaluation.protocol import overlaps, people_warnings
from ferjax.evaluation.scores_and_figures import judged_results, mistakes_figure, split_figures
from ferjax.report.environment import describe_environment, version_of
from ferjax.report.pages.report_files import write_report
from ferjax.training.metrics import Evaluation

# A support vector machine has no epochs; the epochs of networks are counted from 1.
_NO_EPOCH = 0
# Test accuracy on release 1.0 of SFEW (675 stills) as P3 (Farahani) prints it, in percent.
PAPER = {"phog": 43.7, "lpq": 46.3}


def write_baseline_report(
    config: BaselineConfig,
    bundle: DatasetBundle,
    evaluations: Mapping[str, Evaluation],
    best: Candidate,
    temperature: float,
    rows: Sequence[dict[str, Any]],
    parts: str,
    seconds: float,
    folder: Path,
) -> dict[str, Any]:
    """Writes report, figures and predictions; returns the report with the `path` of report.md.

    Args:
      config: the config of the baseline.
      bundle: the data; the machine was trained on train.
      evaluations: split → its evaluation.
      best: the selected hyper-parameters.
      temperature: divisor of the machine's decision values.
      rows: from `cross_validate`.
      parts: how train was divided for the cross-validation, in words.
      seconds: duration of the whole command.
      folder: the run directory.

    Raises:
      UserError: a file cannot be written.
    """
    title = f"{config.features.upper()} and a support vector machine on {config.dataset}"
    classes = bundle.classes
    results = judged_results(
        {name: {"selected": result} for name, result in evaluations.items()},
        classes,
        {"selected": _NO_EPOCH},
        {name: bundle.splits[name].votes for name in evaluations},
        {},
    )
    figures = [
        {**figure, "caption": figure["caption"].removesuffix(", selected epoch")}
        for name, result in evaluations.items()
        for figure in split_figures(result, classes, folder, name, title)
    ]
    mistakes_split = next(name for name in ("test", "val") if name in evaluations)
    figures.append(
        mistakes_figure(
            evaluations[mistakes_split], bundle.splits[mistakes_split], classes, folder, title
        )
    )
    predictions = [
        write_predictions_csv(result, bundle.splits[name], classes, folder)
        for name, result in evaluations.items()
    ]
    environment = describe_environment(jax.devices(), seconds)
    environment["versions"]["scikit-learn"] = version_of("scikit-learn")
    report = {
        "title": title,
        "summary": _summary(config, bundle, results),
        "judged": [
            f"{name}: {describe_counts(bundle.splits[name], classes)}" for name in evaluations
        ],
        "protocol": {
            **_protocol(config, bundle, best, temperature, rows, parts),
            **_paper(config, bundle),
            "predictions": f"{', '.join(predictions)}: {COLUMNS}",
        },
        "results": results,
        "config": {"model": config.model, **asdict(config)},
        "environment": environment,
        "warnings": _warnings(config, bundle, evaluations),
        "notes": list(bundle.notes),
        "figures": figures,
    }
    return {**report, "path": str(write_report(report, folder))}


def _protocol(
    config: BaselineConfig,
    bundle: DatasetBundle,
    best: Candidate,
    temperature: float,
    rows: Sequence[dict[str, Any]],
    parts: str,
) -> dict[str, str | list[str]]:
    """Returns the protocol block, with the same names as in the report of a network."""
    height, width, channels = bundle.splits["train"].shape
    hyper_parameters = f"C {best.c:g}" + ("" if best.gamma is None else f", gamma {best.gamma:.4g}")
    machine = {
        "rbf": "support vector machine, radial basis functions, one against one (libsvm)",
        "linear": "linear support vector machine, one against all (liblinear)",
    }[config.kernel]
    return {
        "data set": f"{config.dataset}, {bundle.layout}",
        "splits": [
            f"{name}: {bundle.sources[name]} ({len(split):,} images)"
            for name, split in bundle.splits.items()
        ],
        "selection": f"{hyper_parameters}: the highest accuracy in a cross-validation over {parts};"
        " neither val nor test chose anything",
        "test": "read once, after training" if "test" in bundle.splits else "not on disk",
        "seeds": str(config.seed),
        "test-time augmentation": "none",
        "classes": list(bundle.classes),
        "features": FEATURES[config.features].describe(config),
        "classifier": machine,
        "probabilities": f"softmax of the decision values at the temperature {temperature:.4g},"
        " fitted to those of the cross-validation; the class has the highest decision value",
        "cross-validation": describe_rows(rows),
        "weights' origin": "none",
        "crop origin": bundle.crops,
        "input": f"{height}x{width}, {'grey' if channels == 1 else 'RGB → grey (ITU-R 601)'}",
        "training augmentation": "none",
        "classes as trained": "as they are",
        "train/test overlap": overlaps(bundle),
    }


def _data_of_paper(config: BaselineConfig, bundle: DatasetBundle) -> bool:
    """Returns whether the data are release 1.0 of SFEW; the stills of 2.0 are others."""
    return config.dataset == "sfew" and bundle.layout.startswith("1.0")


def _paper(config: BaselineConfig, bundle: DatasetBundle) -> dict[str, str]:
    """Returns the accuracy that the paper prints, and the settings that it does not print."""
    if not _data_of_paper(config, bundle):
        return {}
    return {
        "in the paper": f"P3 Farahani prints {PAPER[config.features]} % for"
        f" {config.features.upper()} on SFEW 1.0",
        "readings": "the paper prints no settings of its baselines: window, cells, bins, levels,"
        " kernel, C and gamma are ferjax's reading",
    }


def _summary(
    config: BaselineConfig, bundle: DatasetBundle, results: Mapping[str, Mapping[str, Any]]
) -> str:
    """Returns accuracy and macro-F1 of every split, test first, and the paper's accuracy."""
    parts = [
        f"{name} accuracy {100 * kinds['selected']['accuracy']:.2f} %, macro-F1"
        f" {100 * kinds['selected']['macro']['f1']:.2f} %"
        for name, kinds in reversed(list(results.items()))
    ]
    if _data_of_paper(config, bundle):
        parts.append(f"the paper prints {PAPER[config.features]} %")
    return "; ".join(parts)


def _warnings(
    config: BaselineConfig, bundle: DatasetBundle, evaluations: Mapping[str, Evaluation]
) -> list[str]:
    """Returns the warnings that limit what the numbers show."""
    warnings = [*people_warnings(bundle), *absent_class_warnings(bundle.splits, bundle.classes)]
    if config.limit:
        count = len(bundle.splits["train"])
        warnings.append(f"--limit={config.limit}: trained on {count:,} images of train only")
    for name, result in evaluations.items():
        if len(set(result.labels.tolist())) > 1 and len(set(result.predicted.tolist())) == 1:
            warnings.append(f"on {name} the machine predicts one class for every image")
    return warnings
