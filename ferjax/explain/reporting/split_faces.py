"""The faces of a data set's split as the network sees them: pixels, labels and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferjax.config.explain_config import ExplainConfig
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.splits.split import Split, subset
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import load_evaluated_data
from ferjax.explain.explainer import Explainer
from ferjax.runs.finished_runs.load_network import named_card, network_config
from ferjax.runtime.progress_bar import tqdm
from ferjax.runtime.progress_lines import say
from ferjax.training.run_directory.splits_file import read_split_record

# Number of images that are read and predicted at once.
_CHUNK = 512


@dataclass(frozen=True)
class SplitFaces:
    """The faces of one split whose labels are classes of the network.

    Attributes:
      split: these faces; labels are indices of the network's classes.
      probabilities: the network's probabilities, float32 [N, K].
      source: description of the data set and split.
      notes: remarks that a reader must know.
    """

    split: Split
    probabilities: np.ndarray
    source: str
    notes: Sequence[str]


def load_split_faces(config: ExplainConfig, explainer: Explainer, source: str | Path) -> SplitFaces:
    """Returns the faces of the split that the flags name, with the network's probabilities.

    Args:
      config: the flags.
      explainer: the explainer of the network.
      source: source of the network, as `load_explainer` takes it.

    Raises:
      UserError: no such data or split, or none of its classes is one of the network's.
    """
    train_config, is_run = network_config(source), named_card(source) is None
    eval_config = EvalConfig(
        workdir=str(source) if is_run else "",
        weights=None if is_run else str(source),
        dataset=config.dataset,
        data_dir=config.data_dir,
        split=config.split,
        progress=config.progress,
    )
    say(f"reading {config.dataset or train_config.dataset}", config.progress)
    record = read_split_record(Path(source)) if is_run else None
    data = load_evaluated_data(eval_config, train_config, explainer.predictor.spec.size, record)
    classes = explainer.predictor.classes
    columns = np.array([classes.index(c) if c in classes else -1 for c in data.bundle.classes])
    labels = columns[data.split.labels]
    if not (labels >= 0).any():
        raise UserError(
            f"--split={config.split}: no image of {data.dataset} has a class of the network"
            f" ({', '.join(classes)})."
        )
    kept = subset(data.split, np.flatnonzero(labels >= 0))
    notes = [*data.warnings]
    if (labels < 0).any():
        left_out = f"{(labels < 0).sum():,} images of classes that the network lacks are left out"
        notes.append(left_out)
    kept = Split(kept.name, labels[labels >= 0].astype(np.int32), kept.ids, kept.shape, kept.read)
    say(
        f"predicting all {len(kept):,} faces of {kept.name}: the most certain ones are looked for,"
        " and --images does not limit that",
        config.progress,
    )
    probabilities = [np.zeros((0, len(classes)), np.float32)]
    for first in tqdm(
        range(0, len(kept), _CHUNK), desc="predict", disable=None if config.progress else True
    ):
        faces = kept.read(np.arange(first, min(first + _CHUNK, len(kept))))
        probabilities.append(explainer.predictor.probabilities(list(faces)))
    source_text = f"{data.dataset} {data.split.name}: {data.source}"
    return SplitFaces(kept, np.concatenate(probabilities), source_text, notes)


def sample(count: int, most: int, seed: int = 0) -> np.ndarray:
    """Returns int [M], M = min(count, most) different positions in random order."""
    return np.random.default_rng(seed).permutation(count)[:most]
