"""Answers of the study's runs as JSON inside its page: labels, predictions, parts of a split.

Arrays are packed as in `ferjax.reproduce.reporting.embedded_results`, and equal ones are written
once. A block that is read may come from anybody: no more bytes are unpacked than expected.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.reproduce.reporting.embedded_results import put_once, unpacked
from ferjax.reproduce.studies.answers import AllAnswers, Answers

# Limits above those of any page that is written: images of a split, and all answers together.
_MOST_IMAGES = 100_000
_MOST_VALUES = 50_000_000


def answers_to_json(answers: AllAnswers) -> dict[str, Any]:
    """Returns answers as JSON values."""
    arrays: dict[str, str] = {}
    rows = [
        {
            "experiment": experiment,
            "seed": seed,
            "of": name,
            "count": len(split_answers.labels),
            "digest": split_answers.digest,
            "labels": put_once(arrays, split_answers.labels.tobytes()),
            "predicted": put_once(arrays, split_answers.predicted.tobytes()),
            "people": list(split_answers.people),
            "only": {
                part: put_once(arrays, np.packbits(rows).tobytes())
                for part, rows in split_answers.only.items()
            },
        }
        for experiment, seeds in answers.items()
        for seed, run_answers in seeds.items()
        for name, split_answers in run_answers.items()
    ]
    return {"arrays": arrays, "answers": rows}


def answers_from_json(block: Mapping[str, Any]) -> dict[str, dict[int, dict[str, Answers]]]:
    """Returns the answers that `answers_to_json` wrote.

    Raises:
      UserError: the block is damaged.
    """
    answers: dict[str, dict[int, dict[str, Answers]]] = {}
    total = 0
    for row in block["answers"]:
        count = int(row["count"])
        total += count * (2 + len(row["only"]))
        if not 0 < count <= _MOST_IMAGES or total > _MOST_VALUES:
            raise UserError(f"the data inside the page are damaged ({count} answers of a split).")
        labels, predicted = (
            np.frombuffer(unpacked(block["arrays"][row[name]], count), np.uint8)
            for name in ("labels", "predicted")
        )
        only = {
            part: np.unpackbits(
                np.frombuffer(unpacked(block["arrays"][key], (count + 7) // 8), np.uint8),
                count=count,
            ).astype(bool)
            for part, key in row["only"].items()
        }
        people = tuple(map(str, row["people"]))
        if not len(labels) == len(predicted) == count or len(people) not in (0, count):
            raise UserError("the data inside the page are damaged (answers that do not fit).")
        split_answers = Answers(str(row["digest"]), labels, predicted, people, only)
        seeds = answers.setdefault(str(row["experiment"]), {})
        seeds.setdefault(int(row["seed"]), {})[str(row["of"])] = split_answers
    return answers
