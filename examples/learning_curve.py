"""How many faces of one's own does a network need? Fine-tuning beside training from scratch.

    python -m examples.learning_curve FACES runs/curve 10 25 50 100 200

FACES holds class folders in `train/` and in `test/`. For each number of faces a class, that many
are drawn from train; a fifth of them chooses the epoch, and all of test is evaluated.
Stopped and started again, it goes on from the last run that is complete.
"""

import functools
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

import ferjax

# From scratch every layer has to be learnt: more epochs, and stronger augmentation.
WAYS: dict[str, dict[str, Any]] = {
    "fine-tuned": {"recipe": "finetune_fernet_s_folder"},
    "from scratch": {
        "recipe": "default",
        "epochs": 80,
        "eval_every": 4,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "batch_size": 32,
        "ema": None,
    },
}


def load_few(
    path: Path,
    *,
    storage_size: int,
    val_fraction: float,
    split_seed: int,
    faces_a_class: int,
    **_: Any,
) -> ferjax.DatasetBundle:
    """Returns so many faces of each class, or all it has, drawn by the split seed; and test."""
    whole = ferjax.load_dataset("folder", path, image_size=storage_size, val_fraction=0)
    train, test = whole.splits["train"], whole.splits["test"]
    draw = np.random.default_rng(split_seed).permutation(len(train))
    rows = [
        draw[train.labels[draw] == label][:faces_a_class] for label in range(len(whole.classes))
    ]
    few, all_of_test = np.concatenate(rows), np.arange(len(test))
    return ferjax.bundle_from_arrays(
        whole.classes,
        (train.read(few), train.labels[few]),
        test=(test.read(all_of_test), test.labels),
        val_fraction=val_fraction,
        split_seed=split_seed,
        layout=f"{faces_a_class} faces a class",
    )


def learning_curve(
    faces: str, out: str, counts: list[int], seeds: int = 3, **settings: Any
) -> dict[tuple[int, str], list[float]]:
    """Trains every way on every count and draw, and prints a table.

    Args:
      faces: folder with `train/` and `test/`.
      out: folder of the runs.
      counts: faces a class, val included.
      seeds: draws of each count.
      **settings: fields of `TrainConfig` for all runs.

    Returns:
      accuracy on test of each draw, by count and way, 0 to 1.
    """
    found: dict[tuple[int, str], list[float]] = {}
    judged = ferjax.EvalConfig(
        weights="fernet-ferplus",
        dataset="folder",
        data_dir=faces,
        split="test",
        out=str(Path(out) / "as_it_comes"),
    )
    as_it_comes = ferjax.evaluate(judged)["results"]["test"]["selected"]["accuracy"]
    for count in counts:
        name = f"few_{count}"
        ferjax.register_dataset(name, functools.partial(load_few, faces_a_class=count))
        for way, recipe in WAYS.items():
            for seed in range(seeds):
                given = {
                    "model": "fernet_s",
                    "dataset": name,
                    "data_dir": faces,
                    "workdir": str(Path(out) / f"{name}-{way.replace(' ', '_')}-s{seed}"),
                    "val_fraction": 0.2,
                    "split_seed": seed,
                    "seed": seed,
                    "resume": True,
                }
                report = ferjax.train(ferjax.resolve({**given, **recipe, **settings}))
                accuracy = report["results"]["test"]["selected"]["accuracy"]
                found.setdefault((count, way), []).append(accuracy)
    print(f"fernet-ferplus as it comes: {100 * as_it_comes:.1f} %")
    print(f"| faces a class | {' | '.join(WAYS)} |\n|--:|{'--:|' * len(WAYS)}")
    for count in counts:
        cells = [
            f"{100 * statistics.mean(scores):.1f} % ({100 * min(scores):.1f} to"
            f" {100 * max(scores):.1f})"
            for scores in (found[count, way] for way in WAYS)
        ]
        print(f"| {count} | {' | '.join(cells)} |")
    return found


if __name__ == "__main__":
    learning_curve(sys.argv[1], sys.argv[2], [int(count) for count in sys.argv[3:]])
