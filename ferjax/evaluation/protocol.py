"""The protocol section of a report: splits, selection, phases, overlap, warnings, headline."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.config.phases import phases_of
from ferjax.config.train_config import TrainConfig
from ferjax.data.audit.split_overlap import exact_overlap
from ferjax.data.splits.class_counts import absent_class_warnings
from ferjax.data.splits.protocols.registry import protocol_rows, selects_on_test
from ferjax.data.splits.split import DatasetBundle, shared_subjects
from ferjax.evaluation.renumbered_labels import renumbering_warnings
from ferjax.images.test_time_augmentation import VIEWS
from ferjax.recipes import RECIPES
from ferjax.runtime.variable_tree import flatten, split_tree
from ferjax.specs import InputSpec
from ferjax.training.losses import CLASS_WEIGHTS

# A larger difference between val and test accuracy points at a leak or a broken split.
_SUSPICIOUS_GAP = 0.15


def describe_protocol(
    config: TrainConfig, bundle: DatasetBundle, spec: InputSpec, origin: str | list[str]
) -> dict[str, str | list[str]]:
    """Returns the protocol block of a report as name → text, or list of texts.

    Args:
      config: the run's config.
      bundle: splits and classes.
      spec: how images become the network's input.
      origin: origin of the initial weights.
    """
    recipe = RECIPES.get(config.recipe or "")
    splits = [
        f"{name}: {bundle.sources[name]} ({len(split):,} images)"
        for name, split in bundle.splits.items()
    ]
    size = "x".join(str(side) for side in spec.storage)
    test = "read once, after training" if "test" in bundle.splits else "not on disk"
    if selects_on_test(config.protocol):
        test = "read after every epoch, because it selects; and after training"
    return {
        **protocol_rows(config.protocol),
        "data set": f"{config.dataset}, {bundle.layout}",
        "splits": splits,
        "selection": _selection(config),
        "test": test,
        "seeds": str(config.seed),
        "test-time augmentation": _test_views(config.tta),
        "classes": list(bundle.classes),
        "recipe": f"{config.recipe}" + (f" ({recipe.source})" if recipe else ""),
        "weights' origin": origin,
        "crop origin": bundle.crops,
        "input": f"{size} → {spec.size}x{spec.size}, {spec.channels} channel(s),"
        f" {_normalization(spec)}"
        + (f"; guide: {_normalization(spec.guide)}" if spec.guide else ""),
        "training augmentation": config.augment,
        "classes as trained": effective_classes(config, bundle),
        "train/test overlap": overlaps(bundle),
    }


def describe_phases(
    config: TrainConfig, shapes: Mapping[str, Any], frozen: Sequence[str | None]
) -> list[str]:
    """Returns a line for each phase: epochs, optimizer, learning rate, trained parameters.

    Args:
      config: the run's config.
      shapes: tree of the network's parameters.
      frozen: for each phase, the pattern of the parameters that it does not train.
    """

    def count(tree: Mapping[str, Any]) -> int:
        return sum(leaf.size for leaf in flatten(tree).values())

    lines = []
    for number, (phase, pattern) in enumerate(zip(phases_of(config), frozen, strict=True), start=1):
        trained = count(split_tree(shapes, pattern)[0])
        lines.append(
            f"{number}: {phase.epochs} epochs, {config.optimizer} at {phase.learning_rate:g},"
            f" {phase.schedule}; trains {trained:,} of {count(shapes):,} parameters"
            + (f", frozen: {phase.freeze}" if phase.freeze != "none" else "")
        )
    return lines


def _selection(config: TrainConfig) -> str:
    text = "highest val accuracy, ties to the earlier epoch; the last epoch beside it"
    if config.ema is not None:
        text += (
            f"; of the parameters' moving average (decay {config.ema:g}), the raw ones beside it"
        )
    if config.patience:
        text += f"; a phase ends after {config.patience} evaluations without gain"
    return text + ("; without test-time augmentation" if config.tta != "none" else "")


def effective_classes(config: TrainConfig, bundle: DatasetBundle) -> str:
    """Returns each class's share of the training images and its effective share in the loss."""
    labels = bundle.splits["train"].labels
    counts = np.bincount(labels, minlength=len(bundle.classes))
    weights = CLASS_WEIGHTS[config.class_weights](counts)
    effective = (counts > 0).astype(float) if config.balance else counts.astype(float)
    effective = effective if weights is None else effective * weights
    shares = zip(bundle.classes, counts / counts.sum(), effective / effective.sum(), strict=True)
    parts = [
        f"{name} {100 * share:.1f} → {100 * effective_share:.1f} %"
        for name, share, effective_share in shares
    ]
    methods = ["balanced sampling"] * config.balance
    methods += [f"{config.class_weights} weights"] * (weights is not None)
    methods += [config.loss] * (config.loss != "cross_entropy")
    if not methods:
        return "as they are"
    return f"{', '.join(methods)}: {', '.join(parts)}"


def _test_views(tta: str) -> str:
    if tta == "none":
        return tta
    return (
        f"{tta}, mean probabilities of {len(VIEWS[tta])} views: in the rows that end in +{tta};"
        " selection and all other numbers and figures are without"
    )


def _normalization(spec: InputSpec) -> str:
    text = f"mean {_numbers(spec.mean)}, deviation {_numbers(spec.std)}, {spec.interpolation}"
    return text + (", BGR" if spec.order == "bgr" else "")


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def overlaps(bundle: DatasetBundle) -> list[str]:
    """Returns, for each pair of splits, how many images of the later occur in the earlier.

    Where the data name the people, a line also states how many people are in both.
    """
    lines = []
    for early, late in itertools.combinations(bundle.splits.values(), 2):
        shared = len(exact_overlap(early, late))
        line = f"{shared:,} of {len(late):,} {late.name} images are in {early.name}"
        if early.subjects is not None and late.subjects is not None:
            line += f"; {shared_subjects(early, late):,} people are in both"
        lines.append(line)
    return lines


def people_warnings(bundle: DatasetBundle) -> list[str]:
    """Returns a warning for each other split that shares people with train."""
    train = bundle.splits["train"]
    return [
        f"{shared:,} people are in train and in {name}: the network may know the person, not the"
        " emotion"
        for name, split in bundle.splits.items()
        if name != "train" and (shared := shared_subjects(train, split))
    ]


def warnings_of(
    config: TrainConfig, results: Mapping[str, Mapping[str, Any]], bundle: DatasetBundle
) -> list[str]:
    """Returns the warnings that limit what the numbers show."""
    warnings = [*people_warnings(bundle), *absent_class_warnings(bundle.splits, bundle.classes)]
    if config.smoke or config.limit:
        warnings.append("smoke or limited run: the numbers say nothing about the network")
    if "test" not in results:
        warnings.append("no test split: the selected epoch's val accuracy is optimistic")
    else:
        val, test = (results[name]["selected"]["accuracy"] for name in ("val", "test"))
        gap = max(_SUSPICIOUS_GAP, _gap_by_chance(results))
        if abs(val - test) > gap:
            warnings.append(
                f"val accuracy {100 * val:.1f} % and test accuracy {100 * test:.1f} % are further"
                " apart than chance explains: look for a leak, or for splits of different origin"
            )
    for name, kinds in results.items():
        confusion = np.array(kinds["selected"]["confusion"])
        if confusion.any(0).sum() == 1 and confusion.any(1).sum() > 1:
            warnings.append(f"on {name} the network predicts one class for every image")
    confusions = {name: kinds["selected"]["confusion"] for name, kinds in results.items()}
    return [*warnings, *renumbering_warnings(confusions, bundle.classes)]


def _gap_by_chance(results: Mapping[str, Mapping[str, Any]]) -> float:
    """Returns the largest gap between val and test accuracy that chance explains with 95 %."""
    val, test = (results[name]["selected"] for name in ("val", "test"))
    images = val["count"] + test["count"]
    accuracy = (val["count"] * val["accuracy"] + test["count"] * test["accuracy"]) / images
    variance = accuracy * (1 - accuracy) * (1 / val["count"] + 1 / test["count"])
    return 1.96 * math.sqrt(variance)


def summarise(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the headline in one line: accuracy and macro-F1 of every split, test first."""
    parts = []
    for name, kinds in reversed(list(results.items())):
        checkpoint = "selected" if "selected" in kinds else next(iter(kinds))
        headline = kinds[checkpoint]
        text = (
            f"{name} accuracy {100 * headline['accuracy']:.2f} %, macro-F1"
            f" {100 * headline['macro']['f1']:.2f} % ({checkpoint} epoch {headline['epoch']}"
        )
        last = kinds.get("last", headline)
        if last["epoch"] != headline["epoch"]:
            text += f"; last epoch {last['epoch']}: {100 * last['accuracy']:.2f} %"
        for kind, tta_scores in kinds.items():
            if kind.startswith(f"{checkpoint}+"):
                text += f"; {kind.partition('+')[2]}: {100 * tta_scores['accuracy']:.2f} %"
        parts.append(text + ")")
    return "; ".join(parts)
